//! Who may do what: tokens, keys, roles, and the audit trail.

mod audit;
mod caller;
mod claims;
mod dev_keys;
mod jws;
mod keyfile;
mod keys;
mod mint;
mod rsa;
mod token_error;
mod tokens;

pub use audit::{AUDIT_TARGET, AuditLine, Outcome};
pub use caller::{Caller, Role};
pub use claims::{OPERATOR_ISSUER, SYSTEM_PREFIX, TokenRules};
pub use dev_keys::{DevKeys, write_private_file};
pub use keyfile::KeyError;
pub use keys::{KeyStore, LoadedKids};
pub use mint::{MintClaims, MintError, generate_private_key, mint, public_jwks};
pub use token_error::{TokenError, TokenReason};
pub use tokens::Authenticator;
