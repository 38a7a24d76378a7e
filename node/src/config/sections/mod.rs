//! The sections of the configuration. Reading a section declares its keys, their defaults and what they mean.

mod element;
mod limits;
mod network;
mod operation;
mod places;

use super::reader::{Ask, Reader};

pub use element::{CapacityConfig, ElementConfig, RetentionConfig};
pub use limits::{CacheConfig, LimitsConfig};
pub(super) use network::collide;
pub use network::{AuthConfig, JwtConfig, PeerConfig, ServerConfig, TlsConfig};
pub use operation::{ElectionConfig, ElectionKind, LogFormat, LoggingConfig, MetricsConfig, TracingConfig};
pub use places::{DatabaseConfig, LocalConfig, PostgresConfig, S3Config, SqliteConfig, StorageConfig};

/// A text that must not be shown: neither [`std::fmt::Debug`] nor the effective configuration does.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(super::reader::MASK)
    }
}

/// Both files of a certificate, or none.
fn both_or_none(r: &mut Reader, first: &'static str, second: &'static str) {
    match (r.is_set(first), r.is_set(second)) {
        (true, false) => r.wrong(second, format!("is needed together with {first}: set both or neither")),
        (false, true) => r.wrong(first, format!("is needed together with {second}: set both or neither")),
        _ => {}
    }
}
