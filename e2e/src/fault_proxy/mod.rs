//! Proxies between a node and what it depends on, that lose, cut, delay and repeat what passes: by a seed, or as told.
//!
//! Bytes that pass are passed on unchanged, so that what is signed stays signed. What happens to the n-th event of a
//! proxy is a function of its seed and n alone; how events interleave is the system's choice.

mod dice;
mod http;
mod postgres;
mod s3;
mod serving;
mod weather;

pub use postgres::PostgresProxy;
pub use s3::S3Proxy;
pub use weather::Weather;
