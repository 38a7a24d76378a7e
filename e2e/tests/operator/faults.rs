//! An API server that answers 409, 429, 500 or not at all, loses answers to what it did, and drops watches: by seed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::net::TcpListener;

use crate::ground::{Ground, PATIENCE, plane, small, until};

/// After so many faults the server is sound again: what is wrong then stays wrong.
const FAULTS: u32 = 40;

type Broken = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Broken>>;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Refuse(u16),
    /// Nothing is done, and the connection breaks.
    Break,
    /// It is done, and nobody hears of it.
    LoseAnswer,
    /// A watch that ends at once.
    CutShort,
}

struct Faulty {
    client: Client,
    random: Mutex<StdRng>,
    left: AtomicU32,
}

impl Faulty {
    fn fault(&self, request: &Request<Incoming>) -> Option<Fault> {
        let mut random = self.random.lock().unwrap();
        if self.left.load(Ordering::SeqCst) == 0 || !random.random_bool(0.15) {
            return None;
        }
        self.left.fetch_sub(1, Ordering::SeqCst);
        let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let all: &[Fault] = match *request.method() {
            Method::GET if watch => &[Fault::Refuse(410), Fault::Refuse(500), Fault::CutShort, Fault::Break],
            Method::GET => &[Fault::Refuse(429), Fault::Refuse(500), Fault::Break],
            _ => &[Fault::Refuse(409), Fault::Refuse(429), Fault::Refuse(500), Fault::Break, Fault::LoseAnswer],
        };
        Some(all[random.random_range(0..all.len())])
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Broken> {
        let fault = self.fault(&request);
        match fault {
            Some(Fault::Refuse(code)) => return Ok(refusal(code)),
            Some(Fault::Break) => return Err("broken on purpose".into()),
            _ => {}
        }
        let (mut parts, body) = request.into_parts();
        // Who asks is who this client is.
        parts.headers.remove(http::header::AUTHORIZATION);
        parts.headers.remove(http::header::HOST);
        let body = body.collect().await.map_err(|error| -> Broken { Box::new(error) })?.to_bytes();
        let forwarded = Request::from_parts(parts, Body::from(body.to_vec()));
        let answered = self.client.send(forwarded).await.map_err(|error| -> Broken { Box::new(error) })?;
        let (parts, body) = answered.into_parts();
        match fault {
            Some(Fault::LoseAnswer) => Err("the answer is lost on purpose".into()),
            Some(Fault::CutShort) => Ok(Response::from_parts(parts, whole(Bytes::new()))),
            _ => Ok(Response::from_parts(parts, body.map_err(|error| -> Broken { Box::new(error) }).boxed_unsync())),
        }
    }
}

fn whole(bytes: Bytes) -> UnsyncBoxBody<Bytes, Broken> {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn refusal(code: u16) -> Answer {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
                        "message": "refused on purpose"});
    let mut answer = Response::builder().status(code).header("Content-Type", "application/json");
    if code == 429 {
        answer = answer.header("Retry-After", "1");
    }
    answer.body(whole(status.to_string().into())).unwrap()
}

/// Serves until it is dropped with its runtime.
async fn serve(faulty: Arc<Faulty>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let faulty = Arc::clone(&faulty);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let faulty = Arc::clone(&faulty);
                    faulty.answer(request)
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let _ = connection.await;
            });
        }
    });
    address
}

fn kubeconfig(folder: &std::path::Path, address: SocketAddr) -> std::path::PathBuf {
    let path = folder.join("faulty.json");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
        "clusters": [{"name": "e2e", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "e2e", "user": {}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

#[test]
fn whatever_the_api_server_answers_the_end_is_the_same() {
    plane();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        for seed in [1_u64, 2, 3] {
            let ground = Ground::new().await;
            let client = ground.operator_client().await;
            let random = Mutex::new(StdRng::seed_from_u64(seed));
            let faulty = Arc::new(Faulty { client, random, left: AtomicU32::new(FAULTS) });
            let address = serve(Arc::clone(&faulty)).await;
            let folder = tempfile::tempdir().unwrap();
            let config = kubeconfig(folder.path(), address);
            let operator = ground.operator().with("KUBECONFIG", config.to_string_lossy().into_owned()).start().unwrap();
            ground.apply("a", &small()).await;
            let begun = std::time::Instant::now();
            while ground.versions("a").await.len() < 17 {
                let log = operator.process().log_tail();
                assert!(
                    begun.elapsed() < PATIENCE * 3,
                    "not all is made, seed {seed}: {:?}\n{log}",
                    ground.versions("a").await
                );
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            ground.settled("a").await;
            let key = ground.get("Secret", "a-issuer").await.unwrap()["data"].clone();
            // A deletion in the middle of all that is seen too.
            ground.delete("Service", "a").await;
            until("the Service is back", async || ground.get("Service", "a").await.is_some()).await;
            until("all faults were made", async || {
                // Each change makes requests, and so chances for faults.
                let word = format!("{:?}", std::time::Instant::now());
                ground.patch("a", &json!({"spec": {"service": {"annotations": {"word": word}}}})).await;
                tokio::time::sleep(Duration::from_millis(300)).await;
                faulty.left.load(Ordering::SeqCst) == 0
            })
            .await;
            ground.patch("a", &json!({"spec": {"service": {"annotations": {"word": "last"}}}})).await;
            until(&format!("the last word is taken, seed {seed}"), async || {
                ground.get("Service", "a").await.is_some_and(|it| it["metadata"]["annotations"]["word"] == "last")
            })
            .await;
            ground.settled("a").await;
            assert_eq!(ground.condition("a", "Stalled").await.0, "False", "seed {seed}");
            let now = ground.get("Secret", "a-issuer").await.unwrap()["data"].clone();
            assert_eq!(now, key, "PROMISE BROKEN: a lost answer led to another key, seed {seed}");
            assert!(operator.process().is_running(), "seed {seed}");
        }
    });
}
