//! The open pages, and the headers of every answer.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::routing::get;
use tower::ServiceExt as _;

use super::{ask, state, with};
use crate::http::arrival::Port;
use crate::http::cors::Cors;
use crate::http::router::{Pages, build, pages_router, router};

#[tokio::test]
async fn a_browser_is_sent_to_the_docs_and_a_program_gets_json() {
    let state = state();
    let program = ask(&state, "GET", "/", &[("accept", "*/*")], Body::empty()).await;
    assert_eq!(program.status, 200);
    assert!(program.body.contains("\"service\":\"storage-element\""));
    let browser = ask(&state, "GET", "/", &[("accept", "text/html,application/xhtml+xml;q=0.9")], Body::empty()).await;
    assert_eq!((browser.status.as_u16(), browser.header("location")), (303, "/docs"));
}

#[tokio::test]
async fn without_a_docs_page_nobody_is_sent_there() {
    let node = router(&state(), Pages::NONE);
    for (path, status) in [("/", 200), ("/docs", 404), ("/openapi.json", 404), ("/metrics", 404), ("/health/live", 200)]
    {
        let request = Request::builder().uri(path).header("accept", "text/html").body(Body::empty()).unwrap();
        assert_eq!(node.clone().oneshot(request).await.unwrap().status(), status, "{path}");
    }
    let pages = pages_router(&state(), Pages::ALL);
    for (path, status) in [("/docs", 200), ("/openapi.json", 200), ("/metrics", 200), ("/api/v1/info", 404)] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        assert_eq!(pages.clone().oneshot(request).await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing() {
    let fault = get(|| async { std::hint::black_box(None::<&str>).expect("the secret of the panic") });
    let node = build(&state(), Port::Public, vec![("/fault", fault)]);
    let request = Request::builder().uri("/fault").body(Body::empty()).unwrap();
    let response = node.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 500);
    let body = String::from_utf8(to_bytes(response.into_body(), 4096).await.unwrap().to_vec()).unwrap();
    assert!(body.contains("INTERNAL_ERROR") && !body.contains("secret"), "{body}");
}

#[tokio::test]
async fn a_starting_node_lives_and_is_not_ready() {
    let state = state();
    assert_eq!(ask(&state, "GET", "/health/live", &[], Body::empty()).await.body, "{\"status\":\"ok\"}");
    let ready = ask(&state, "GET", "/health/ready", &[], Body::empty()).await;
    assert_eq!(ready.status, 503);
    let body: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!(body["status"], "unready");
    assert_eq!(body["parts"]["keys"]["status"], "ok");
    for part in ["database", "storage", "mode", "election"] {
        assert_eq!(body["parts"][part]["status"], "failed", "{part}");
    }
}

#[tokio::test]
async fn every_answer_has_its_id_and_lets_nothing_run() {
    let state = state();
    for path in ["/", "/health/live", "/nothing", "/api/v1/info"] {
        let answer = ask(&state, "GET", path, &[("x-request-id", "mine-1")], Body::empty()).await;
        assert_eq!(answer.header("x-request-id"), "mine-1");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    }
}

#[tokio::test]
async fn head_answers_where_get_does_without_a_body() {
    let state = state();
    for path in ["/", "/health/live", "/openapi.json", "/docs"] {
        let get = ask(&state, "GET", path, &[], Body::empty()).await;
        let head = ask(&state, "HEAD", path, &[], Body::empty()).await;
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn the_docs_page_takes_everything_from_this_node() {
    let state = state();
    let page = ask(&state, "GET", "/docs", &[], Body::empty()).await;
    assert!(page.header("content-type").starts_with("text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"));
    // No script stands in the page itself, and each one it names is there.
    assert!(!page.body.contains("http://") && !page.body.contains("https://"));
    let mut found = 0;
    for part in page.body.split('"').filter(|part| part.starts_with("docs/")) {
        let asset = ask(&state, "GET", &format!("/{part}"), &[], Body::empty()).await;
        assert_eq!(asset.status, 200, "{part}");
        found += 1;
    }
    assert!(found >= 6, "{}", page.body);
    for script in page.body.split("<script").skip(1) {
        assert!(script.starts_with(" src=\"docs/"), "{script}");
    }
    let start = ask(&state, "GET", "/docs/swagger-initializer.js", &[], Body::empty()).await;
    assert!(start.body.contains("/openapi.json"));
}

#[tokio::test]
async fn requests_are_counted_by_route_never_by_path() {
    let state = state();
    ask(&state, "GET", "/api/v1/files/secret-path", &[], Body::empty()).await;
    ask(&state, "GET", "/secret-path", &[], Body::empty()).await;
    let metrics = ask(&state, "GET", "/metrics", &[], Body::empty()).await.body;
    let line = "storage_element_http_requests_total{method=\"GET\",route=\"/api/v1/files/{id}\",status=\"401\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert!(!metrics.contains("secret-path"));
}

#[tokio::test]
async fn cors_is_off_until_origins_are_configured() {
    let preflight = [("origin", "https://a.example"), ("access-control-request-method", "PATCH")];
    let off = ask(&state(), "OPTIONS", "/api/v1/files/x", &preflight, Body::empty()).await;
    assert_eq!(off.status, 405);
    assert!(!off.headers.contains_key("access-control-allow-origin"));
    let on = with(|front| front.cors = Cors::new(&["https://a.example".to_owned()]));
    let answer = ask(&on, "OPTIONS", "/api/v1/files/x", &preflight, Body::empty()).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (204, "https://a.example"));
    assert!(answer.header("access-control-allow-methods").contains("PATCH"));
    let refused = ask(&on, "GET", "/api/v1/info", &[("origin", "https://b.example")], Body::empty()).await;
    assert!(!refused.headers.contains_key("access-control-allow-origin"));
    assert_eq!(refused.header("vary"), "origin");
}
