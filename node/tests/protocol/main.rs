//! The write protocol, settling, takeover, rebuild and verify, over a local volume and a SQLite catalog.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod by_hand;
mod concurrent;
mod descriptions;
mod faulty;
mod fencing;
mod ground;
mod interrupted;
mod keys;
mod late;
mod node;
mod outages;
mod rebuilding;
mod round_trips;
mod takeover;
mod undecided;
mod verifying;
