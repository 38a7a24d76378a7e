//! The write protocol over an S3 store and SQLite.

#![allow(clippy::unwrap_used, clippy::panic)]

mod fencing;
mod node;
#[path = "../stores/mod.rs"]
mod stores;
mod uploads;
