//! Routes, paths, queries, bodies, preconditions, ranges.

use anyhow::{Result, ensure};
use storage_element_e2e::{Make, on_every_make};

use super::table::{Case, Place};

const UNKNOWN: &str = "0197f000-0000-7000-8000-000000000000";

async fn routes_and_roles(make: Make) -> Result<()> {
    let place = Place::new(make.setup()).await?;
    let file = format!("/api/v1/files/{}", place.id);
    let forbidden = |what, method, path: &str, role| Case::new(what, method, path, 403, "FORBIDDEN").role(Some(role));
    place
        .refuses(vec![
            Case::new("an unknown path", "GET", "/api/v1/filez", 404, "NOT_FOUND"),
            Case::new("an unknown path without token", "GET", "/nowhere", 404, "NOT_FOUND").role(None),
            Case::new("an unknown version", "GET", "/api/v2/files", 404, "NOT_FOUND"),
            Case::new("a wrong method", "PUT", "/api/v1/files", 405, "METHOD_NOT_ALLOWED"),
            Case::new("a wrong method without token", "POST", "/health/live", 405, "METHOD_NOT_ALLOWED").role(None),
            Case::new("an unheard-of method", "BREW", "/api/v1/files", 405, "METHOD_NOT_ALLOWED"),
            forbidden("a user deletes", "DELETE", &file, "user"),
            forbidden("a user reads the configuration", "GET", "/api/v1/admin/config", "user"),
            forbidden("an operator reads the configuration", "GET", "/api/v1/admin/config", "operator"),
            forbidden("an operator reads the log", "GET", "/api/v1/admin/wal", "operator"),
            forbidden("an operator reads the mode", "GET", "/api/v1/admin/mode", "operator"),
            forbidden("an unknown role lists", "GET", "/api/v1/files", "superuser"),
            forbidden("a user lists deleted files", "GET", "/api/v1/files?status=deleted", "user"),
        ])
        .await?;
    let answer = place.node.client("user")?.send("PUT", "/api/v1/files", &[], None).await?;
    let allow = answer.header("allow").unwrap_or_default();
    ensure!(allow.contains("GET"), "405 without the allowed methods: {allow:?}");
    place.has_one_file().await
}

async fn ids_lists_and_searches(make: Make) -> Result<()> {
    let place = Place::new(make.setup()).await?;
    let invalid = |what, path: &str, names| Case::new(what, "GET", path, 400, "VALIDATION_ERROR").names(names);
    let missing =
        |method, path: String| Case::new("no such file", method, path, 404, "NOT_FOUND").role(Some("operator"));
    let mut cases = vec![
        invalid("an id that is none", "/api/v1/files/not-an-id", ""),
        invalid("an id with a path", "/api/v1/files/..%2F..%2Fetc", ""),
        missing("GET", format!("/api/v1/files/{UNKNOWN}")),
        missing("GET", format!("/api/v1/files/{UNKNOWN}/download")),
        missing("DELETE", format!("/api/v1/files/{UNKNOWN}")),
        missing("PATCH", format!("/api/v1/files/{UNKNOWN}")).header("content-type", "application/json").body("{}"),
        missing("POST", format!("/api/v1/admin/wal/{UNKNOWN}/retry")).role(Some("admin")),
        Case::new("a tx that is none", "POST", "/api/v1/admin/wal/x/retry", 400, "VALIDATION_ERROR")
            .role(Some("admin")),
    ];
    for route in ["/api/v1/files?", "/api/v1/files/search?q=ten&"] {
        for (query, names) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=many", "limit"),
            ("cursor=nonsense", "cursor"),
            ("offset=-1", "offset"),
            ("colour=red", "colour"),
            ("sort=colour", "sort"),
            ("order=sideways", "order"),
            ("status=purple", "status"),
            ("size_min=-1", "size_min"),
            ("size_min=2&size_max=1", "size_m"),
            ("created_from=yesterday", "created_from"),
            ("created_from=2026-02-01&created_to=2026-01-01", "created_"),
            ("updated_from=2026-02-01&updated_to=2026-01-01", "updated_"),
        ] {
            cases.push(invalid("a query", &format!("{route}{query}"), names));
        }
    }
    cases.push(invalid("relevance without words", "/api/v1/files?sort=relevance", "sort"));
    place.refuses(cases).await
}

async fn changes(make: Make) -> Result<()> {
    let place = Place::new(make.setup()).await?;
    let file = format!("/api/v1/files/{}", place.id);
    let patch = |what, status, code, body: &str| {
        Case::new(what, "PATCH", &file, status, code)
            .header("content-type", "application/merge-patch+json")
            .body(body.to_owned())
    };
    let invalid = |what, body: &str, names| patch(what, 400, "VALIDATION_ERROR", body).names(names);
    let long = |field: &str, length| format!("{{\"{field}\":\"{}\"}}", "x".repeat(length));
    let many_tags = format!("{{\"tags\":[{}]}}", (0..51).map(|n| format!("\"t{n}\"")).collect::<Vec<_>>().join(","));
    place
        .refuses(vec![
            Case::new("a patch of text", "PATCH", &file, 415, "UNSUPPORTED_MEDIA_TYPE")
                .header("content-type", "text/plain")
                .body("{}"),
            invalid("no JSON", "{\"description\":", ""),
            invalid("an array", "[]", ""),
            invalid("nothing", "", ""),
            invalid("an unknown field", "{\"colour\":\"red\"}", "colour"),
            invalid("an immutable field", "{\"file_size\":1}", "file_size"),
            invalid("another name", "{\"original_filename\":\"x\"}", "original_filename"),
            invalid("a description that is a number", "{\"description\":1}", "description"),
            invalid("a description too long", &long("description", 1_001), "description"),
            invalid("a version too long", &long("version", 65), "version"),
            invalid("tags that are none", "{\"tags\":\"a\"}", "tags"),
            invalid("too many tags", &many_tags, "tags"),
            invalid("a tag too long", &format!("{{\"tags\":[\"{}\"]}}", "x".repeat(65)), "tags"),
            invalid("an empty tag", "{\"tags\":[\"\"]}", "tags"),
            invalid("metadata that is none", "{\"metadata\":[]}", "metadata"),
            invalid("NUL", "{\"description\":\"a\\u0000b\"}", "description"),
            invalid("an attr too large", &format!("{{\"metadata\":{}}}", long("k", 4_000)), "bytes"),
            patch("a stale If-Match", 412, "PRECONDITION_FAILED", "{\"version\":\"2\"}")
                .header("if-match", "\"stale\""),
            Case::new("a stale deletion", "DELETE", &file, 412, "PRECONDITION_FAILED")
                .role(Some("operator"))
                .header("if-match", "\"stale\""),
        ])
        .await?;
    let unchanged = place.node.client("user")?.metadata(&place.id).await?.expect(200)?.json()?;
    ensure!(unchanged["revision"] == 1, "a refused change made a revision: {unchanged}");
    Ok(())
}

async fn ranges(make: Make) -> Result<()> {
    let place = Place::new(make.setup()).await?;
    let client = place.node.client("user")?;
    for beyond in ["bytes=10-", "bytes=100-200", "bytes=-0"] {
        let answer = client.download(&place.id, &[("range", beyond)]).await?;
        super::table::is_envelope(&answer, 416, "INVALID_RANGE")?;
        ensure!(answer.header("content-range") == Some("bytes */10"), "{beyond}: {:?}", answer.headers);
    }
    // RFC 9110 §14.2: a range that cannot be read is as if there were none.
    for malformed in ["bytes=", "bytes=a-b", "bytes=5-2", "lines=1-2", "bytes 0-1"] {
        let answer = client.download(&place.id, &[("range", malformed)]).await?;
        ensure!(answer.status == 200 && answer.body.len() == 10, "{malformed}: {answer}");
    }
    for (range, status, body) in [("bytes=0-0", 206, "0"), ("bytes=8-100", 206, "89"), ("bytes=-3", 206, "789")] {
        let answer = client.download(&place.id, &[("range", range)]).await?;
        ensure!(answer.status == status && answer.body == body, "{range}: {answer}");
    }
    Ok(())
}

on_every_make!(routes_and_roles, ids_lists_and_searches, changes, ranges);
