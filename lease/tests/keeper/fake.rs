//! An API server as far as one Lease needs it, that fails as it is told to.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::sync::watch;

pub const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Refused, and not done.
    Refuse(u16),
    /// Done, and answered with an error.
    DoAndFail(u16),
    /// Done, and never answered.
    DoAndHang,
    /// Never answered, and not done.
    Hang,
}

#[derive(Default)]
struct Inner {
    lease: Option<Value>,
    version: u64,
    uids: u64,
    changes: Vec<(u64, Value)>,
    /// What happens to the next writes, one each.
    writes: VecDeque<Trouble>,
    /// Requests of this candidate get nowhere.
    cut_off: Option<String>,
    /// The next watch ends at once with this event.
    watch_error: Option<Value>,
    log: Vec<(String, String, Option<Value>)>,
}

/// The server. It runs until the runtime of its test ends.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Mutex<Inner>>,
    changed: watch::Sender<u64>,
    pub address: SocketAddr,
}

impl Server {
    /// With a Lease that nobody ever held.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { inner: Arc::default(), changed: watch::Sender::new(0), address };
        server.make();
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = serving.clone();
                let service = hyper::service::service_fn(move |request| server.clone().serve(request));
                tokio::spawn(async move {
                    let connection = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        server
    }

    /// What a candidate of that name connects with.
    pub fn config(&self, candidate: &str) -> kube::Config {
        let mut config = kube::Config::new(format!("http://{}", self.address).parse().unwrap());
        config.headers.push(("x-candidate".parse().unwrap(), candidate.parse().unwrap()));
        config
    }

    pub fn make(&self) {
        let mut inner = self.lock();
        inner.uids += 1;
        let metadata = json!({"name": "files", "namespace": "default", "uid": format!("uid-{}", inner.uids),
            "labels": {"kept": "yes"}});
        self.store(
            &mut inner,
            "ADDED",
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}),
        );
    }

    pub fn delete(&self) {
        let mut inner = self.lock();
        let lease = inner.lease.take().unwrap();
        inner.version += 1;
        let version = inner.version;
        inner.changes.push((version, json!({"type": "DELETED", "object": lease})));
        self.changed.send_replace(version);
    }

    /// Somebody labels it.
    pub fn touch(&self) {
        let mut inner = self.lock();
        let mut lease = inner.lease.clone().unwrap();
        lease["metadata"]["labels"]["touched"] = json!("yes");
        self.store(&mut inner, "MODIFIED", lease);
    }

    pub fn lease(&self) -> Value {
        self.lock().lease.clone().unwrap_or_default()
    }

    /// What happens to the next writes.
    pub fn next_writes(&self, troubles: &[Trouble]) {
        self.lock().writes.extend(troubles);
    }

    pub fn cut_off(&self, candidate: Option<&str>) {
        self.lock().cut_off = candidate.map(ToOwned::to_owned);
    }

    pub fn break_watches(&self, code: u16) {
        self.lock().watch_error = Some(json!({"type": "ERROR", "object":
            {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Expired", "message": "too old"}}));
        self.changed.send_modify(|_| {});
    }

    /// Method, path with query, and what was written.
    pub fn log(&self) -> Vec<(String, String, Option<Value>)> {
        self.lock().log.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn store(&self, inner: &mut Inner, kind: &str, mut lease: Value) {
        inner.version += 1;
        lease["metadata"]["resourceVersion"] = json!(inner.version.to_string());
        inner.changes.push((inner.version, json!({"type": kind, "object": lease})));
        inner.lease = Some(lease);
        self.changed.send_replace(inner.version);
    }

    async fn serve(self, request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
        let candidate = request.headers().get("x-candidate").and_then(|name| name.to_str().ok()).map(ToOwned::to_owned);
        let (method, target) = (request.method().clone(), request.uri().to_string());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let written: Option<Value> = serde_json::from_slice(&body).ok();
        self.lock().log.push((method.to_string(), target.clone(), written.clone()));
        if self.lock().cut_off.is_some() && self.lock().cut_off == candidate {
            return std::future::pending().await;
        }
        let one = format!("{PATH}/files");
        Ok(match (method, target) {
            (Method::GET, target) if target.starts_with(&format!("{PATH}?")) && target.contains("watch=true") => {
                self.watch(&target, candidate)
            }
            (Method::GET, target) if target == one => {
                let lease = self.lock().lease.clone();
                lease.map_or_else(|| status(404), |lease| answer(StatusCode::OK, &lease))
            }
            (Method::PUT, target) if target.starts_with(&one) => {
                let trouble = self.lock().writes.pop_front();
                match trouble {
                    Some(Trouble::Refuse(code)) => status(code),
                    Some(Trouble::Hang) => std::future::pending().await,
                    Some(Trouble::DoAndHang) => {
                        let _ = self.put(written.unwrap());
                        std::future::pending().await
                    }
                    Some(Trouble::DoAndFail(code)) => {
                        let _ = self.put(written.unwrap());
                        status(code)
                    }
                    None => self.put(written.unwrap()),
                }
            }
            _ => status(403),
        })
    }

    fn put(&self, lease: Value) -> Response<BoxBody<Bytes, Infallible>> {
        let mut inner = self.lock();
        let Some(before) = &inner.lease else {
            // As the real one: an update without a UID makes it.
            let uid = lease["metadata"]["uid"].clone();
            if uid.is_null() {
                self.store(&mut inner, "ADDED", lease);
            }
            return status(409);
        };
        let same = |field: &str| before["metadata"][field] == lease["metadata"][field];
        if !same("uid") || !same("resourceVersion") {
            return status(409);
        }
        self.store(&mut inner, "MODIFIED", lease);
        answer(StatusCode::OK, &inner.lease.clone().unwrap())
    }

    fn watch(&self, target: &str, candidate: Option<String>) -> Response<BoxBody<Bytes, Infallible>> {
        let after = target.split(['?', '&']).find_map(|part| part.strip_prefix("resourceVersion="));
        let after: u64 = after.unwrap().parse().unwrap();
        let server = self.clone();
        let changed = self.changed.subscribe();
        let events = futures_util::stream::unfold((server, changed, after), move |(server, mut changed, after)| {
            let candidate = candidate.clone();
            async move {
                loop {
                    changed.mark_unchanged();
                    {
                        let mut inner = server.lock();
                        let cut = inner.cut_off.is_some() && inner.cut_off == candidate;
                        if after == u64::MAX {
                            return None;
                        }
                        if let Some(error) = inner.watch_error.take_if(|_| !cut) {
                            let line = format!("{error}\n");
                            drop(inner);
                            return Some((line, (server, changed, u64::MAX)));
                        }
                        let next = inner.changes.iter().find(|(version, _)| *version > after && !cut).cloned();
                        drop(inner);
                        if let Some((version, change)) = next {
                            return Some((format!("{change}\n"), (server, changed, version)));
                        }
                    }
                    let _ = tokio::time::timeout(Duration::from_millis(200), changed.changed()).await;
                }
            }
        });
        let frames = futures_util::StreamExt::map(events, |line| Ok(Frame::data(Bytes::from(line))));
        Response::builder()
            .header("content-type", "application/json")
            .body(BodyExt::boxed(StreamBody::new(Box::pin(frames))))
            .unwrap()
    }
}

fn answer(code: StatusCode, body: &Value) -> Response<BoxBody<Bytes, Infallible>> {
    let response = Response::builder().status(code).header("content-type", "application/json");
    response.body(Full::new(Bytes::from(body.to_string())).boxed()).unwrap()
}

fn status(code: u16) -> Response<BoxBody<Bytes, Infallible>> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": "Told", "message": "as it was told"});
    answer(StatusCode::from_u16(code).unwrap(), &body)
}
