//! Many elements: memory, time, and silence. Sixty by default; `SE_ELEMENTS=1000 SE_QUIET_SECONDS=300` is the long form.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use storage_element_e2e::Operator;

use crate::ground::{Ground, plane, small};

/// What is promised.
const RESIDENT_BYTES: u64 = 100 << 20;
const RESTART: Duration = Duration::from_mins(1);
/// So long nothing is asked for before it is called steady.
const STILL: Duration = Duration::from_secs(8);
const UNTIL_STILL: Duration = Duration::from_mins(6);

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One key for all: making a thousand would measure the processor.
fn fixture() -> String {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let body = STANDARD.encode(pair.as_der().unwrap().as_ref());
    let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

async fn make(ground: &Ground, elements: usize) {
    let pem = fixture();
    let each = |index: usize| {
        let pem = pem.clone();
        async move {
            let name = format!("e-{index}");
            for key in ["issuer", "operator"] {
                let secret = json!({
                    "metadata": {"name": format!("{name}-{key}"), "labels": {"storage.artstore.dev/element": name}},
                    "stringData": {"private.pem": pem},
                });
                let secret = serde_json::from_value(secret).unwrap();
                ground.api("Secret").create(&PostParams::default(), &secret).await.unwrap();
            }
            ground.apply(&name, &small()).await;
        }
    };
    futures_util::stream::iter(0..elements).for_each_concurrent(8, each).await;
}

async fn settled(ground: &Ground) -> usize {
    let elements = ground.elements().list(&ListParams::default()).await.unwrap();
    elements.items.iter().filter(|element| element.data["status"]["observedGeneration"].is_i64()).count()
}

fn metric(operator: &Operator, line: &str) -> f64 {
    let page = operator.page("/metrics").map(|(_, page)| page).unwrap_or_default();
    let found = page.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or(0.0)
}

/// Renews the Leases of all elements, as their nodes do, until told to stop. Returns how often.
async fn renew(ground: &Ground, elements: usize, stop: Arc<AtomicBool>, renewed: Arc<AtomicUsize>) {
    let mut round = 0;
    while !stop.load(Ordering::SeqCst) {
        round += 1;
        let change = json!({"spec": {"holderIdentity": "node", "renewTime": format!("2026-01-01T00:{:02}:00.000000Z", round % 60)}});
        let each = |index: usize| {
            let (change, renewed, stop) = (&change, &renewed, &stop);
            async move {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let name = format!("e-{index}");
                ground.api("Lease").patch(&name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
                renewed.fetch_add(1, Ordering::SeqCst);
            }
        };
        futures_util::stream::iter(0..elements).for_each_concurrent(8, each).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn many_elements_are_quiet_and_small() {
    let elements = number("SE_ELEMENTS", 60);
    let quiet = Duration::from_secs(u64::try_from(number("SE_QUIET_SECONDS", 20)).unwrap());
    let plane = plane();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ground = Ground::new().await;
        make(&ground, elements).await;
        let operator = ground.operator().start_ready().unwrap();
        let begun = Instant::now();
        while settled(&ground).await < elements {
            let patience = Duration::from_mins(3) + Duration::from_secs(2) * u32::try_from(elements).unwrap();
            assert!(begun.elapsed() < patience, "{} of {elements} settled", settled(&ground).await);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        println!("{elements} elements made in {:?}", begun.elapsed());
        // The first holder of each Lease is news; so are the pods.
        let (stop, renewed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let renewing = renew(&ground, elements, Arc::clone(&stop), Arc::clone(&renewed));
        let watching = async {
            let begun = Instant::now();
            while renewed.load(Ordering::SeqCst) < 2 * elements {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            // The cluster's own controllers take their time to make the pods of many: each one is news.
            loop {
                let mark = plane.audit().unwrap().mark().unwrap();
                tokio::time::sleep(STILL).await;
                if ground.asked(mark, |request| request.verb != "watch").is_empty() {
                    break;
                }
                assert!(begun.elapsed() < UNTIL_STILL, "after {UNTIL_STILL:?} something is still written");
            }
            println!("{elements} elements at rest after {:?}", begun.elapsed());
            let (mark, from) = (plane.audit().unwrap().mark().unwrap(), renewed.load(Ordering::SeqCst));
            let processor = operator.processor_seconds();
            tokio::time::sleep(quiet).await;
            let asked = ground.asked(mark, |request| request.verb != "watch");
            let used = operator.processor_seconds() - processor;
            let count = renewed.load(Ordering::SeqCst) - from;
            stop.store(true, Ordering::SeqCst);
            println!(
                "{count} renewals in {quiet:?}: {} calls, {:.1} % of a processor, {} MiB",
                asked.len(),
                100.0 * used / quiet.as_secs_f64(),
                operator.resident_bytes() >> 20
            );
            assert!(asked.is_empty(), "no writes and no lists: {asked:?}");
            assert!(count > elements / 2, "renewals went on: {count}");
        };
        tokio::join!(renewing, watching);
        assert!(operator.resident_bytes() < RESIDENT_BYTES, "{} MiB", operator.resident_bytes() >> 20);

        let mark = plane.audit().unwrap().mark().unwrap();
        drop(operator);
        let begun = Instant::now();
        let operator = ground.operator().start_ready().unwrap();
        let all = f64::from(u32::try_from(elements).unwrap());
        let looked = || {
            let of =
                |result: &str| metric(&operator, &format!("storage_operator_reconciles_total{{result=\"{result}\"}}"));
            of("settled") + of("waiting")
        };
        while looked() < all {
            assert!(begun.elapsed() < RESTART, "{} of {elements} after {RESTART:?}", looked());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        println!("settled {:?} after a restart, {} MiB", begun.elapsed(), operator.resident_bytes() >> 20);
        let written = ground.asked(mark, |request| !["get", "list", "watch"].contains(&request.verb.as_str()));
        assert!(written.is_empty(), "a restart writes nothing: {written:?}");
        assert!(operator.resident_bytes() < RESIDENT_BYTES, "{} MiB", operator.resident_bytes() >> 20);

        // Keys of the size that is made by default, made once.
        let begun = Instant::now();
        ground.apply("fresh", &json!({"mode": "rw", "backend": {"local": {"size": "1Gi"}}})).await;
        ground.settled("fresh").await;
        println!("one element with new keys of 3072 bits in {:?}", begun.elapsed());
    });
}
