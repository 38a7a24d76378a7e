use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span, span::SpanKind, status::StatusCode as SpanStatus};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_util::sync::CancellationToken;

use super::collector::Collector;
use super::{Export, FinishedRequest, QUEUE_SPANS, Recorder, Traces};
use crate::telemetry::metrics::NO_ROUTE;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const PATIENCE: Duration = Duration::from_secs(10);

fn request(status: StatusCode) -> FinishedRequest<'static> {
    let route = "/api/v1/files/{id}";
    let path = "/api/v1/files/0190";
    FinishedRequest { method: &Method::GET, route, path, status, took: Duration::from_millis(25) }
}

/// A collector that answers as told, and then with 200.
#[derive(Clone, Default)]
struct TestCollector {
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
    taken: Arc<Mutex<Vec<ResourceSpans>>>,
}

impl TestCollector {
    async fn take(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/v1/traces"));
        assert_eq!(request.headers()["content-type"], "application/x-protobuf");
        assert!(request.headers()["host"].to_str().unwrap().contains(':'));
        let body = request.into_body().collect().await?.to_bytes();
        let status = self.answers.lock().pop_front().unwrap_or(StatusCode::OK);
        if status.is_success() {
            self.taken.lock().extend(ExportTraceServiceRequest::decode(body).unwrap().resource_spans);
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        Ok(response)
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) {
        let service = service_fn(|request| self.take(request));
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.unwrap();
    }

    /// Its URL.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                collector.serve(stream).await;
            }
        });
        url
    }

    fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock();
        taken.iter().flat_map(|of| &of.scope_spans).flat_map(|of| of.spans.clone()).collect()
    }
}

/// Sends what was recorded, as at the end of a node's life.
async fn flush(export: Export) {
    let stop = CancellationToken::new();
    stop.cancel();
    tokio::time::timeout(PATIENCE, export.run(stop)).await.unwrap();
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|of| of.key == key)?.value.as_ref()?.value.as_ref()
}

fn text(value: &str) -> Value {
    Value::StringValue(value.to_owned())
}

#[tokio::test]
async fn the_span_of_a_request_goes_on_where_the_callers_ended() {
    let collector = TestCollector::default();
    let (traces, export) = Traces::open(&collector.start().await).unwrap();
    let trace = traces.continue_from(Some(&format!("00-{TRACE}-{PARENT}-01")));
    let other = FinishedRequest { route: NO_ROUTE, path: "/any/text", ..request(StatusCode::SERVICE_UNAVAILABLE) };
    traces.request(&trace, &request(StatusCode::NOT_FOUND));
    traces.request(&trace, &FinishedRequest { method: &Method::from_bytes(b"BREW").unwrap(), ..other });
    flush(export).await;

    let resource = collector.taken.lock()[0].resource.clone().unwrap().attributes;
    assert_eq!(value(&resource, "service.name"), Some(&text("storage-node")));
    assert_eq!(value(&resource, "service.version"), Some(&text(env!("CARGO_PKG_VERSION"))));
    let [span, failed] = &collector.spans()[..] else { panic!("two spans") };
    assert_eq!(hex::encode(&span.trace_id), TRACE);
    assert_eq!(hex::encode(&span.parent_span_id), PARENT);
    assert_eq!(hex::encode(&span.span_id), trace.span_id);
    assert_eq!(span.name, "GET /api/v1/files/{id}");
    assert_eq!(span.kind(), SpanKind::Server);
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 25_000_000);
    assert_eq!(value(&span.attributes, "http.request.method"), Some(&text("GET")));
    assert_eq!(value(&span.attributes, "http.route"), Some(&text("/api/v1/files/{id}")));
    assert_eq!(value(&span.attributes, "url.path"), Some(&text("/api/v1/files/0190")));
    assert_eq!(value(&span.attributes, "http.response.status_code"), Some(&Value::IntValue(404)));
    assert_eq!(span.status.clone().unwrap_or_default().code(), SpanStatus::Unset, "a refusal is no error of the node");
    assert_eq!(failed.name, "HTTP");
    assert_eq!(failed.status.clone().unwrap().code(), SpanStatus::Error);
    assert_eq!(value(&failed.attributes, "error.type"), Some(&text("503")));
    assert_eq!(value(&failed.attributes, "http.request.method"), Some(&text("_OTHER")));
    assert_eq!(value(&failed.attributes, "url.path"), None);
    assert_eq!(traces.dropped_spans(), 0);
}

#[tokio::test]
async fn who_began_the_trace_decides_whether_it_is_exported() {
    let collector = TestCollector::default();
    let (traces, export) = Traces::open(&collector.start().await).unwrap();
    let not_sampled = traces.continue_from(Some(&format!("00-{TRACE}-{PARENT}-00")));
    let begun_here = traces.continue_from(None);
    traces.request(&not_sampled, &request(StatusCode::OK));
    traces.request(&begun_here, &request(StatusCode::OK));
    flush(export).await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 1);
    assert_eq!(hex::encode(&spans[0].trace_id), begun_here.trace_id);
    assert!(spans[0].parent_span_id.is_empty() || spans[0].parent_span_id == [0; 8]);
    assert!(begun_here.traceparent().ends_with("-01"));
    assert!(Traces::off().continue_from(None).traceparent().ends_with("-00"));
}

#[tokio::test]
async fn requests_never_wait_and_what_does_not_fit_is_counted() {
    let (traces, _nobody_sends) = Traces::open("http://127.0.0.1:9").unwrap();
    let trace = traces.continue_from(None);
    for _ in 0..QUEUE_SPANS + 7 {
        traces.request(&trace, &request(StatusCode::OK));
    }
    assert_eq!(traces.dropped_spans(), 7);
}

#[tokio::test]
async fn a_collector_that_refuses_costs_its_batch_and_no_more() {
    let collector = TestCollector::default();
    collector.answers.lock().push_back(StatusCode::BAD_REQUEST);
    let (traces, export) = Traces::open(&collector.start().await).unwrap();
    let trace = traces.continue_from(None);
    // More than one batch holds.
    for _ in 0..600 {
        traces.request(&trace, &request(StatusCode::OK));
    }
    flush(export).await;
    assert_eq!((traces.dropped_spans(), collector.spans().len()), (512, 88));
}

#[tokio::test]
async fn a_collector_that_is_busy_is_asked_again_and_holds_nothing_up() {
    let collector = TestCollector::default();
    collector.answers.lock().push_back(StatusCode::SERVICE_UNAVAILABLE);
    let (traces, export) = Traces::open(&collector.start().await).unwrap();
    traces.request(&traces.continue_from(None), &request(StatusCode::OK));
    // On one thread: a retry that sleeps on it would stop this clock for nearly all of the time.
    let mut longest = Duration::ZERO;
    let begun = Instant::now();
    let ticking = async {
        while collector.spans().is_empty() && begun.elapsed() < PATIENCE {
            let before = Instant::now();
            tokio::time::sleep(Duration::from_millis(10)).await;
            longest = longest.max(before.elapsed());
        }
    };
    tokio::join!(flush(export), ticking);
    assert_eq!((collector.spans().len(), traces.dropped_spans()), (1, 0));
    assert!(longest < begun.elapsed() / 2, "{longest:?} of {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (traces, mut export) = Traces::open(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    export.flush_timeout = Duration::from_millis(100);
    let trace = traces.continue_from(None);
    for _ in 0..600 {
        traces.request(&trace, &request(StatusCode::OK));
    }
    let begun = Instant::now();
    flush(export).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(traces.dropped_spans(), 600);
    traces.request(&trace, &request(StatusCode::OK));
    assert_eq!(traces.dropped_spans(), 601, "after the end nothing is sent");
}

#[tokio::test]
async fn a_collector_with_a_trusted_certificate_is_spoken_to_over_tls() {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/v1/traces", listener.local_addr().unwrap().port());
    let collector = TestCollector::default();
    let (queue, queued) = mpsc::channel(8);
    let dropped = Arc::default();
    let export = Export::to(Collector::over(Some(client.into())), url, queued, Arc::clone(&dropped)).unwrap();
    let traces = Traces(Some(Recorder { queue, dropped }));
    traces.request(&traces.continue_from(None), &request(StatusCode::OK));
    let serving = async {
        let stream = listener.accept().await.unwrap().0;
        collector.serve(TlsAcceptor::from(Arc::new(server)).accept(stream).await.unwrap()).await;
    };
    tokio::join!(flush(export), serving);
    assert_eq!(collector.spans().len(), 1);
}

#[test]
fn an_endpoint_that_is_no_url_is_refused() {
    for endpoint in ["", "http://", "http://a b"] {
        assert!(Traces::open(endpoint).is_err(), "{endpoint:?}");
    }
}
