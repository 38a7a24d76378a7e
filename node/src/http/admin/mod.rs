//! Routes for admins.

pub mod config;
pub mod mode;
pub mod wal;
