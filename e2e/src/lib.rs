//! The parts of whole-system tests and benchmarks, as values that clean up after themselves: a node that is a real
//! process, clients, tokens, a small disk, and the checks that have to hold after every crash.

pub mod answer;
pub mod binaries;
pub mod check;
pub mod client;
pub mod cluster;
pub mod content;
pub mod control_plane;
pub mod daemon;
pub mod in_mode;
pub mod job;
pub mod ledger;
pub mod link;
pub mod metrics;
pub mod multipart;
pub mod node;
pub mod operator;
pub mod planted;
pub mod postgres;
pub mod setup;
pub mod tmpfs;
pub mod tokens;
pub mod upload;
pub mod volume;
pub mod wire;

pub use answer::Answer;
pub use client::Client;
pub use cluster::Cluster;
pub use content::Content;
pub use control_plane::ControlPlane;
pub use daemon::Daemon;
pub use in_mode::InMode;
pub use ledger::Ledger;
pub use link::Link;
pub use metrics::Metrics;
pub use node::{Node, Started};
pub use operator::{Operator, OperatorSetup};
pub use postgres::Postgres;
pub use setup::Setup;
pub use tmpfs::Tmpfs;
pub use tokens::Tokens;
pub use upload::Upload;
pub use wire::Wire;
