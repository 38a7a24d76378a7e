//! `storage-operator`.
fn main() {}
