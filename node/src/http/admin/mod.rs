//! Routes for admins.

pub mod config;
pub mod jobs;
pub mod mode;
pub mod mode_change;
pub mod start;
pub mod wal;
