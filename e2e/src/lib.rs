//! The parts of whole-system tests and benchmarks, as values that clean up after themselves: a node that is a real
//! process, clients, tokens, a small disk, and the checks that have to hold after every crash.

pub mod answer;
pub mod binaries;
pub mod check;
pub mod client;
pub mod content;
pub mod database;
pub mod failpoints;
pub mod fault_proxy;
pub mod in_mode;
pub mod job;
pub mod ledger;
pub mod make;
pub mod metrics;
pub mod multipart;
pub mod node;
pub mod planted;
pub mod postgres;
pub mod s3;
pub mod setup;
pub mod storage;
pub mod tmpfs;
pub mod tokens;
pub mod upload;
pub mod versitygw;
pub mod wire;

pub use answer::Answer;
pub use client::Client;
pub use content::Content;
pub use database::Database;
pub use fault_proxy::{PostgresProxy, S3Proxy, Weather};
pub use in_mode::InMode;
pub use ledger::Ledger;
pub use make::Make;
pub use metrics::Metrics;
pub use node::{Node, Started};
pub use postgres::Postgres;
pub use s3::Bucket;
pub use setup::Setup;
pub use storage::Storage;
pub use tmpfs::Tmpfs;
pub use tokens::Tokens;
pub use upload::Upload;
pub use wire::Wire;
