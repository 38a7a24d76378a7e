//! All that knows HTTP: the routes, the order in which a request is checked, the error envelope, the server.
//!
//! Source of the rules: the product specification, `10-node`, HTTP API, and `15-api`. Every request is checked in one
//! order: framing, route, authentication, role, declared size and content type, path and query and body, mode,
//! existence, retention, preconditions, the act.

mod admin;
mod arrival;
mod audit;
mod body;
mod caller;
mod capacity;
mod conditions;
mod cors;
mod delete;
mod disposition;
mod docs;
mod download;
mod error;
mod etag;
mod fields;
mod forward;
mod front;
mod health;
mod info;
mod legal_hold;
mod limits;
mod list;
mod metadata;
mod metrics_page;
mod multipart;
mod object;
mod openapi;
mod passage;
mod patch;
mod path;
mod query;
mod ranges;
mod received;
mod reply;
mod request_id;
mod root;
mod router;
mod schema;
mod server;
mod soon;
mod stalling;
mod state;
mod timer;
mod tls;
mod upload;

pub use cors::Cors;
pub use error::{ApiError, ApiResult, Code};
pub use forward::{Forwarder, Patience};
pub use limits::{Limits, URI_LIMIT_BYTES};
pub use openapi::openapi_json;
pub use router::{Pages, pages_router, peer_router, router};
pub use server::{ClientAddress, serve};
pub use state::{AppState, Front, Services};
pub use tls::{MutualTls, TlsAcceptor, TlsError, pinned_client};

#[cfg(test)]
mod tests;
