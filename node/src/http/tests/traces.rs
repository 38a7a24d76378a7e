//! Requests leave spans.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Pages, router, with};
use crate::telemetry::otlp::Traces;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test]
async fn each_request_is_one_span_of_its_callers_trace() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (traces, export) = Traces::open(&format!("http://{}", collector.local_addr().unwrap())).unwrap();
    let router = router(&with(|front| front.traces = traces), Pages::NONE);
    for (path, flags) in [("/health/live", "01"), ("/api/v1/info", "00"), ("/nowhere", "01")] {
        let request = Request::get(path).header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-{flags}"));
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    }
    let stop = CancellationToken::new();
    stop.cancel();
    let collecting = async {
        let (mut stream, _) = collector.accept().await.unwrap();
        let mut received = Vec::new();
        let id = hex::decode(TRACE).unwrap();
        let spans = |received: &[u8]| received.windows(id.len()).filter(|bytes| *bytes == id).count();
        while spans(&received) < 2 {
            assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0, "{}", String::from_utf8_lossy(&received));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.unwrap();
        let text = String::from_utf8_lossy(&received).into_owned();
        assert!(text.contains("GET /health/live") && !text.contains("/nowhere") && !text.contains("info"), "{text}");
    };
    let both = async { tokio::join!(export.run(stop), collecting) };
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
}
