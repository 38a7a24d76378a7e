//! Which headers go on, and which end here.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Uri, Version};

use super::body::Passed;
use crate::http::arrival::{self, FORWARDED};
use crate::http::passage::{Passage, TRACEPARENT};
use crate::http::request_id::X_REQUEST_ID;
use crate::model::PeerAddress;

/// What is of one connection only (RFC 9110 §7.6.1), beside what `Connection` names.
const OF_THE_CONNECTION: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What this node says itself, and what is between it and the client: pages of other origins are answered here.
const OF_THIS_NODE: [HeaderName; 6] = [HOST, CONTENT_LENGTH, EXPECT, ORIGIN, X_REQUEST_ID, TRACEPARENT];

/// The request as the master gets it.
///
/// # Errors
/// What cannot be said of it.
pub fn outgoing(parts: &Parts, to: &PeerAddress, body: Passed) -> Result<Request<Passed>, String> {
    let mut headers = parts.headers.clone();
    remove_of_the_connection(&mut headers);
    for name in OF_THIS_NODE {
        headers.remove(name);
    }
    headers.insert(HOST, HeaderValue::try_from(to.as_str()).map_err(|error| error.to_string())?);
    headers.insert(FORWARDED, arrival::forwarded(&parts.extensions).ok_or("the client's address is not known")?);
    if let Some(passage) = parts.extensions.get::<Passage>() {
        headers.insert(X_REQUEST_ID, passage.request_id.header_value());
        if let Ok(traceparent) = HeaderValue::try_from(passage.trace.traceparent()) {
            headers.insert(TRACEPARENT, traceparent);
        }
    }
    if body.is_something() {
        headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
    }
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = path.parse::<Uri>().map_err(|error| error.to_string())?;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The master's answer as the client gets it.
pub fn incoming(mut headers: HeaderMap, status: http::StatusCode, body: Body) -> Response {
    remove_of_the_connection(&mut headers);
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn remove_of_the_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.into_iter().chain(OF_THE_CONNECTION) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{HeaderMap, HeaderValue, Request, StatusCode};

    use super::{incoming, outgoing};
    use crate::http::arrival::FORWARDED;
    use crate::http::forward::body::Passed;
    use crate::http::server::ClientAddress;
    use crate::model::PeerAddress;

    fn passed_on(headers: &[(&'static str, &str)], body: Passed) -> Request<Passed> {
        let mut request = Request::put("http://public.example/api/v1/files/x?a=%2F").body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).unwrap());
        }
        request.extensions_mut().insert(ClientAddress("203.0.113.7:9".parse().unwrap()));
        outgoing(&request.into_parts().0, &PeerAddress::parse("node-1:8443").unwrap(), body).unwrap()
    }

    #[test]
    fn what_is_the_clients_goes_on_and_what_is_the_connections_does_not() {
        let headers = [
            ("authorization", "Bearer t"),
            ("if-match", "\"e\""),
            ("idempotency-key", "k"),
            ("content-type", "application/json"),
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("content-length", "7"),
            ("host", "public.example"),
            ("origin", "https://page.example"),
            ("storage-element-forwarded", "peer 1.2.3.4:5"),
        ];
        let (_, body) = Passed::nothing();
        let request = passed_on(&headers, body);
        let mut names: Vec<&str> = request.headers().keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["authorization", "content-type", "host", "idempotency-key", "if-match", "storage-element-forwarded"]
        );
        assert_eq!(request.headers()["host"], "node-1:8443");
        assert_eq!(request.headers()[FORWARDED], "public 203.0.113.7:9");
        assert_eq!(request.uri(), "/api/v1/files/x?a=%2F");
    }

    #[tokio::test]
    async fn only_a_body_is_waited_for() {
        let (_, nothing) = Passed::new(Body::empty(), std::time::Duration::from_secs(1));
        assert!(!passed_on(&[("expect", "100-continue")], nothing).headers().contains_key("expect"));
        let (_, something) = Passed::new(Body::from("x"), std::time::Duration::from_secs(1));
        assert_eq!(passed_on(&[], something).headers()["expect"], "100-continue");
    }

    #[test]
    fn the_answer_loses_what_was_between_the_nodes() {
        let headers = HeaderMap::from_iter([
            (http::header::CONNECTION, HeaderValue::from_static("close")),
            (http::header::ETAG, HeaderValue::from_static("\"e\"")),
            (http::header::RETRY_AFTER, HeaderValue::from_static("2")),
        ]);
        let response = incoming(headers, StatusCode::SERVICE_UNAVAILABLE, Body::empty());
        assert!(!response.headers().contains_key("connection"));
        assert_eq!((response.headers()["etag"].as_bytes(), response.status().as_u16()), (&b"\"e\""[..], 503));
        assert_eq!(response.headers()["retry-after"], "2");
    }
}
