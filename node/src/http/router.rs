//! Which path leads where.

use axum::routing::{MethodRouter, get, post, put};
use axum::{Router, middleware};

use super::arrival::Port;
use super::error::{ApiError, Code};
use super::front::front;
use super::state::AppState;
use super::{
    admin, capacity, delete, docs, download, health, info, legal_hold, list, metadata, metrics_page, openapi, patch,
    root, upload,
};

/// Which of the pages beside the API a port serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// `/metrics`.
    pub metrics: bool,
    /// `/openapi.json`.
    pub openapi: bool,
    /// `/docs`; it reads `/openapi.json`.
    pub docs: bool,
}

impl Pages {
    /// All of them.
    pub const ALL: Self = Self { metrics: true, openapi: true, docs: true };
    /// None of them: they have a port of their own, or are switched off.
    pub const NONE: Self = Self { metrics: false, openapi: false, docs: false };
}

pub(super) type Route = (&'static str, MethodRouter<AppState>);

/// The routes of the API and of health. `beside` says whether there is a docs page to send browsers to.
pub(super) fn api(beside: Pages) -> Vec<Route> {
    let root = if beside.openapi && beside.docs { get(root::root) } else { get(root::without_docs) };
    vec![
        ("/", root),
        ("/health/live", get(health::live)),
        ("/health/ready", get(health::ready)),
        ("/api/v1/files", get(list::list)),
        ("/api/v1/files/upload", post(upload::upload)),
        ("/api/v1/files/search", get(list::search)),
        ("/api/v1/files/{id}", get(metadata::get).patch(patch::patch).delete(delete::delete)),
        ("/api/v1/files/{id}/download", get(download::download)),
        ("/api/v1/files/{id}/legal-hold", put(legal_hold::set).delete(legal_hold::lift)),
        ("/api/v1/info", get(info::info)),
        ("/api/v1/capacity", get(capacity::capacity)),
        ("/api/v1/admin/config", get(admin::config::config)),
        ("/api/v1/admin/mode", get(admin::mode::mode).put(admin::mode_change::change)),
        ("/api/v1/admin/cache/rebuild", post(admin::start::rebuild)),
        ("/api/v1/admin/cache/verify", post(admin::start::verify)),
        ("/api/v1/admin/gc", post(admin::start::gc)),
        ("/api/v1/admin/jobs", get(admin::jobs::list)),
        ("/api/v1/admin/jobs/{id}", get(admin::jobs::get).delete(admin::jobs::cancel)),
        ("/api/v1/admin/wal", get(admin::wal::list)),
        ("/api/v1/admin/wal/{tx}/retry", post(admin::wal::retry)),
    ]
}

/// The routes of the pages.
pub(super) fn pages(pages: Pages) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    if pages.metrics {
        routes.push(("/metrics", get(metrics_page::metrics)));
    }
    if pages.openapi {
        routes.push(("/openapi.json", get(openapi::document)));
    }
    if pages.openapi && pages.docs {
        routes.push(("/docs", get(docs::page)));
        routes.push(("/docs/{file}", get(docs::asset)));
    }
    routes
}

/// The API with the pages that are served beside it, for the public port.
pub fn router(state: &AppState, beside: Pages) -> Router {
    build(state, Port::Public, api(beside).into_iter().chain(pages(beside)))
}

/// The API for the peer port: who gets here is believed about whom a request is from.
pub fn peer_router(state: &AppState) -> Router {
    build(state, Port::Peer, api(Pages::NONE))
}

/// The pages alone, for a port of their own.
pub fn pages_router(state: &AppState, served: Pages) -> Router {
    build(state, Port::Public, pages(served))
}

pub(super) fn build(state: &AppState, port: Port, routes: impl IntoIterator<Item = Route>) -> Router {
    routes
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
        .fallback(|| async { ApiError::new(Code::NotFound, "there is nothing at this path: see /openapi.json") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(Code::MethodNotAllowed, "this path has other methods: see the Allow header")
        })
        .layer(middleware::from_fn_with_state((state.clone(), port), front))
        .with_state(state.clone())
}
