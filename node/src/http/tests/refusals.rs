//! What is refused, with which code, and before what else.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use super::{ask, state, token, with};
use crate::security::Role;

/// Method, path, headers, body; status and code.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str);

const ID: &str = "0199c0de-0000-7000-8000-00000000000a";

#[tokio::test]
async fn unknown_paths_and_methods_have_the_envelope() {
    let state = state();
    for path in ["/nothing", "/api/v1", "/api/v1/files/", "/api/v1/info/", "/api/v2/files", "/docs/nothing.js", "//"] {
        let answer = ask(&state, "GET", path, &[], Body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "NOT_FOUND"), "{path}");
    }
    for (method, path, allow) in [
        ("DELETE", "/api/v1/files", "GET,HEAD"),
        ("PUT", &format!("/api/v1/files/{ID}"), "GET,HEAD,PATCH,DELETE"),
        ("GET", "/api/v1/files/upload", "POST"),
        ("OPTIONS", "/api/v1/info", "GET,HEAD"),
        ("BREW", "/api/v1/info", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
    ] {
        let answer = ask(&state, method, path, &[], Body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (405, "METHOD_NOT_ALLOWED"), "{method} {path}");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn the_order_of_checks_is_framing_route_token_role_type_validity() {
    let state = state();
    let (user, operator, admin) = (token(Role::User), token(Role::Operator), token(Role::Admin));
    let hold = format!("/api/v1/files/{ID}/legal-hold");
    let json = ("content-type", "application/json");
    let patch = format!("/api/v1/files/{ID}");
    let long = format!("/nothing?{}", "x".repeat(9000));
    let text = ("content-type", "text/plain");
    // method, path, headers, body, status, code; each row is refused for its first fault only.
    let table: &[Row<'_>] = &[
        ("GET", &long, &[("expect", "magic")], "", 414, "URI_TOO_LONG"),
        ("GET", "/nothing", &[("expect", "magic")], "", 417, "EXPECTATION_FAILED"),
        ("PATCH", "/nothing", &[text], "x", 404, "NOT_FOUND"),
        ("POST", &patch, &[text], "x", 405, "METHOD_NOT_ALLOWED"),
        ("PATCH", "/api/v1/files/x", &[text], "x", 401, "UNAUTHORIZED"),
        ("DELETE", "/api/v1/files/x", &[("authorization", &user)], "", 403, "FORBIDDEN"),
        ("GET", "/api/v1/admin/wal?x=1", &[("authorization", &operator)], "", 403, "FORBIDDEN"),
        ("GET", "/api/v1/files?status=deleted&x=1", &[("authorization", &user)], "", 403, "FORBIDDEN"),
        ("PATCH", "/api/v1/files/x", &[("authorization", &user), text], "x", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("PATCH", "/api/v1/files/x", &[("authorization", &user)], "x", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            "PATCH",
            "/api/v1/files/x",
            &[("authorization", &user), text, ("content-length", "2000000")],
            "x",
            413,
            "BODY_TOO_LARGE",
        ),
        ("PATCH", "/api/v1/files/x", &[("authorization", &user), json], "{", 400, "VALIDATION_ERROR"),
        ("PATCH", &patch, &[("authorization", &user), json], "{", 400, "VALIDATION_ERROR"),
        ("PATCH", &patch, &[("authorization", &user), json], "{\"status\":1}", 400, "VALIDATION_ERROR"),
        ("PATCH", &patch, &[("authorization", &user), json], "{}", 503, "RECOVERING"),
        ("DELETE", "/api/v1/files/x", &[("authorization", &operator)], "", 400, "VALIDATION_ERROR"),
        ("GET", "/api/v1/files/x", &[("authorization", &user)], "", 400, "VALIDATION_ERROR"),
        ("GET", "/api/v1/files/x/download", &[("authorization", &user)], "", 400, "VALIDATION_ERROR"),
        ("GET", "/api/v1/files/search", &[("authorization", &user)], "", 400, "VALIDATION_ERROR"),
        ("POST", "/api/v1/files/upload", &[text], "x", 401, "UNAUTHORIZED"),
        ("POST", "/api/v1/files/upload", &[("authorization", &user), text], "x", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            "POST",
            "/api/v1/files/upload",
            &[
                ("authorization", &user),
                ("content-type", "multipart/form-data; boundary=b"),
                ("idempotency-key", "a b"),
            ],
            "x",
            400,
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/api/v1/files/upload",
            &[("authorization", &user), ("content-type", "multipart/form-data; boundary=b")],
            "x",
            503,
            "RECOVERING",
        ),
        ("PUT", &hold, &[("authorization", &user), text], "x", 403, "FORBIDDEN"),
        ("PUT", &hold, &[("authorization", &operator), text], "x", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("PUT", &hold, &[("authorization", &operator), json], "{\"why\":1}", 400, "VALIDATION_ERROR"),
        ("PUT", &hold, &[("authorization", &operator), text], "", 503, "RECOVERING"),
        ("DELETE", "/api/v1/files/x/legal-hold", &[("authorization", &operator)], "", 400, "VALIDATION_ERROR"),
        ("DELETE", &hold, &[("authorization", &operator), json], "{\"reason\":\"over\"}", 503, "RECOVERING"),
        ("PUT", "/api/v1/admin/mode", &[("authorization", &operator), text], "x", 403, "FORBIDDEN"),
        ("PUT", "/api/v1/admin/mode", &[("authorization", &admin), text], "x", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("PUT", "/api/v1/admin/mode", &[("authorization", &admin)], "", 400, "VALIDATION_ERROR"),
        ("PUT", "/api/v1/admin/mode", &[("authorization", &admin), json], "{\"mode\":\"ro\"}", 503, "RECOVERING"),
        ("POST", "/api/v1/admin/cache/rebuild", &[("authorization", &operator)], "", 403, "FORBIDDEN"),
        ("POST", "/api/v1/admin/cache/rebuild", &[("authorization", &admin), text], "x", 503, "RECOVERING"),
        ("POST", "/api/v1/admin/cache/verify", &[("authorization", &admin), json], "[]", 400, "VALIDATION_ERROR"),
        ("POST", "/api/v1/admin/gc", &[("authorization", &admin), json], "{\"orphans\":1}", 400, "VALIDATION_ERROR"),
        ("POST", "/api/v1/admin/gc", &[("authorization", &admin)], "", 503, "RECOVERING"),
        ("GET", "/api/v1/admin/jobs?limit=0", &[("authorization", &admin)], "", 400, "VALIDATION_ERROR"),
        ("GET", "/api/v1/admin/jobs?cursor=x", &[("authorization", &admin)], "", 400, "VALIDATION_ERROR"),
        ("DELETE", "/api/v1/admin/jobs/x", &[("authorization", &admin)], "", 400, "VALIDATION_ERROR"),
        ("GET", "/api/v1/info", &[], "", 503, "RECOVERING"),
        ("GET", "/api/v1/info", &[("host", "a"), ("host", "b")], "", 400, "VALIDATION_ERROR"),
    ];
    for (method, path, headers, body, status, code) in table {
        let answer = ask(&state, method, path, headers, Body::from((*body).to_owned())).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (*status, *code), "{method} {path} {headers:?}");
    }
}

#[tokio::test]
async fn what_a_token_lacks_is_said_in_header_and_details() {
    let state = state();
    let without = ask(&state, "GET", "/api/v1/capacity", &[], Body::empty()).await;
    assert_eq!(without.header("www-authenticate"), "Bearer realm=\"storage-element\"");
    assert_eq!(without.detail("reason"), "MISSING_TOKEN");
    let bad = ask(&state, "GET", "/api/v1/capacity", &[("authorization", "Bearer x.y.z")], Body::empty()).await;
    assert_eq!(bad.header("www-authenticate"), "Bearer realm=\"storage-element\", error=\"invalid_token\"");
    assert_eq!(bad.detail("reason"), "INVALID_TOKEN");
    assert_eq!(bad.header("cache-control"), "private, no-cache");
}

#[tokio::test]
async fn a_body_without_a_length_is_refused_when_it_grows_too_long() {
    let state = with(|front| front.limits.body_bytes = 1000);
    let user = token(Role::User);
    let headers = [("authorization", user.as_str()), ("content-type", "application/merge-patch+json")];
    let pieces = stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 100]))));
    let answer = ask(&state, "PATCH", &format!("/api/v1/files/{ID}"), &headers, Body::from_stream(pieces)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "BODY_TOO_LARGE"));
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test]
async fn a_body_that_stands_still_ends_in_408() {
    let state = with(|front| front.limits.stall_timeout = Duration::from_millis(20));
    let user = token(Role::User);
    let headers = [("authorization", user.as_str()), ("content-type", "application/json")];
    let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = ask(&state, "PATCH", &format!("/api/v1/files/{ID}"), &headers, body).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (408, "REQUEST_TIMEOUT"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let state = with(|front| front.limits.header_bytes = 8192);
    let large = "x".repeat(8192);
    let answer = ask(&state, "GET", "/health/live", &[("x-large", &large)], Body::empty()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (431, "HEADERS_TOO_LARGE"));
}
