//! Keys of an element: the issuers' pair, the operator's own, and the certificate of the peer port.

mod make;
mod pair;
mod peer;
mod sign;

pub use make::Maker;
pub use pair::{KeyPair, UnusableKey};
pub use peer::{PeerCertificate, RENEW_BEFORE};
pub use sign::operator_token;

/// Why a key could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The cryptographic library failed.
    #[error("a key could not be made: {0}")]
    NotMade(String),
    /// The thread that made it ended.
    #[error("the thread that makes keys ended")]
    Ended,
}
