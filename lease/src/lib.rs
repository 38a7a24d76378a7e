//! The Lease protocol.
