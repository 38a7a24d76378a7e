//! Between the client and the API server: every request has a time limit and is counted. The tests of "killed after every
//! single write" end the process here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use crate::metrics::Metrics;

/// How long the API server may take to begin its answer. Watches begin theirs at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The layer.
#[derive(Clone)]
pub struct Counted {
    metrics: Arc<Metrics>,
    exit_after: Option<u64>,
    writes: Arc<AtomicU64>,
}

impl Counted {
    /// Counts into `metrics`; ends the process after `exit_after` writes.
    pub fn new(metrics: Arc<Metrics>, exit_after: Option<u64>) -> Self {
        Self { metrics, exit_after, writes: Arc::default() }
    }

    fn wrote(&self) {
        if self.exit_after == Some(self.writes.fetch_add(1, Ordering::SeqCst) + 1) {
            // As a SIGKILL would: nothing is flushed, released or told.
            std::process::exit(137);
        }
    }
}

impl<S> Layer<S> for Counted {
    type Service = CountedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountedService { inner, counted: self.clone() }
    }
}

/// The service the layer makes.
#[derive(Clone)]
pub struct CountedService<S> {
    inner: S,
    counted: Counted,
}

impl<S, B> Service<Request<Body>> for CountedService<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.method().clone();
        let counted = self.counted.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(BoxError::from("the API server did not answer within 15 s")),
            };
            let status =
                answer.as_ref().map_or_else(|_| "none".to_owned(), |answer| answer.status().as_str().to_owned());
            counted.metrics.requests.with_label_values(&[method.as_str(), &status]).inc();
            let written = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
            if written && method != Method::GET {
                counted.wrote();
            }
            answer
        })
    }
}
