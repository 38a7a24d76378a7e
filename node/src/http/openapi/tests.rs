//! The document against the router: neither knows a route the other does not.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::extract::Request;
use http::Method;
use http::header::ALLOW;
use serde_json::Value;
use tower::ServiceExt as _;

use super::openapi_json;
use crate::http::router::{Pages, api, pages, router};
use crate::http::tests::state;

fn document() -> Value {
    serde_json::from_str(&openapi_json()).unwrap()
}

fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let document = document();
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .map(|(path, item)| {
            let methods = item.as_object().unwrap().keys().filter(|key| *key != "head").map(|key| key.to_uppercase());
            (path.clone(), methods.collect())
        })
        .collect()
}

#[test]
fn it_is_openapi_3_1_with_unique_operation_ids() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is used twice");
            assert!(operation["responses"]["500"].is_object(), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| match value {
                Value::String(text) if key == "$ref" => found.push(text),
                _ => references(value, found),
            }),
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn the_router_and_the_document_know_the_same_routes() {
    let documented = documented();
    let routed: BTreeSet<_> =
        api(Pages::ALL).into_iter().chain(pages(Pages::ALL)).map(|(path, _)| path.to_owned()).collect();
    assert_eq!(documented.keys().cloned().collect::<BTreeSet<_>>(), routed);
    let node = router(&state(), Pages::ALL);
    for (path, methods) in documented {
        let uri = path.replace("{id}", &uuid::Uuid::nil().to_string()).replace("{tx}", "x").replace("{file}", "x");
        let request = Request::builder().method(Method::TRACE).uri(uri).body(Body::empty()).unwrap();
        let response = node.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
        let allow = response.headers()[ALLOW].to_str().unwrap();
        let allowed: BTreeSet<_> =
            allow.split(',').map(str::trim).filter(|name| *name != "HEAD").map(str::to_owned).collect();
        assert_eq!(allowed, methods, "{path}");
    }
}
