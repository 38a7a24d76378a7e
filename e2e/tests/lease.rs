//! The Lease on a real API server: what a node's account may do, what the server does with updates, and candidates that
//! follow each other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use serde_json::json;
use storage_element_e2e::ControlPlane;
use storage_element_e2e::control_plane::Access;
use storage_element_e2e::replicas::lease_for;
use storage_lease::{Belief, Ended, Keeper, Settings};
use uuid::Uuid;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

struct Ground {
    name: String,
    account: Access,
    admin: Api<Lease>,
}

impl Ground {
    async fn new() -> Self {
        let plane = tokio::task::block_in_place(ControlPlane::shared);
        let name = format!("lease-{}", Uuid::new_v4().simple());
        let account = lease_for(plane, &name).await.unwrap();
        let admin = Api::namespaced(plane.admin().client().await.unwrap(), "default");
        Self { name, account, admin }
    }

    async fn stand(&self, identity: &str) -> Arc<Keeper> {
        let settings = Settings {
            lease_duration: Duration::from_secs(6),
            renew_deadline: Duration::from_secs(4),
            retry_period: Duration::from_millis(500),
            ..Settings::new("default", &self.name, identity)
        };
        Arc::new(Keeper::start(self.account.config().await.unwrap(), settings).unwrap())
    }
}

async fn holds(keeper: &Keeper) -> u64 {
    let mut belief = keeper.belief();
    let held = belief.wait_for(|belief| matches!(belief, Belief::Holding { .. }));
    match &*tokio::time::timeout(PATIENCE, held).await.unwrap().unwrap() {
        Belief::Holding { transitions } => *transitions,
        other => panic!("{other:?}"),
    }
}

fn code<T>(outcome: kube::Result<T>) -> u16 {
    match outcome {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_may_get_update_and_watch_its_one_lease_and_nothing_else() {
    let ground = Ground::new().await;
    let other = Ground::new().await;
    let client = ground.account.client().await.unwrap();
    let leases: Api<Lease> = Api::namespaced(client.clone(), "default");
    let (post, own, others) = (PostParams::default(), ground.name.as_str(), other.name.as_str());

    let lease = leases.get(own).await.unwrap();
    let lease = leases.replace(own, &post, &lease).await.unwrap();
    let by_name = WatchParams::default().fields(&format!("metadata.name={own}"));
    let mut shown = Box::pin(leases.watch(&by_name, "0").await.unwrap());
    tokio::time::timeout(PATIENCE, shown.next()).await.unwrap().unwrap().unwrap();

    let all = ListParams::default();
    assert_eq!(code(leases.list(&all).await), 403);
    // By its own name, too.
    assert_eq!(code(leases.list(&all.clone().fields(&format!("metadata.name={own}"))).await), 403);
    assert_eq!(code(leases.watch(&WatchParams::default(), "0").await.map(drop)), 403);
    assert_eq!(code(leases.get(others).await), 403);
    assert_eq!(code(leases.replace(others, &post, &other.admin.get(others).await.unwrap()).await), 403);
    assert_eq!(code(leases.create(&post, &Lease::default()).await), 403);
    let patch = Patch::Merge(json!({"spec": {"holderIdentity": "me"}}));
    assert_eq!(code(leases.patch(own, &PatchParams::default(), &patch).await), 403);
    assert_eq!(code(leases.delete(own, &DeleteParams::default()).await), 403);
    assert_eq!(code(Api::<Lease>::namespaced(client.clone(), "kube-system").get(own).await), 403);
    assert_eq!(code(Api::<Secret>::namespaced(client.clone(), "default").list(&all).await), 403);
    assert_eq!(code(Api::<ConfigMap>::namespaced(client, "default").get("kube-root-ca.crt").await), 403);

    // An update of what is gone would make it, and that is not its to do either.
    ground.admin.delete(own, &DeleteParams::default()).await.unwrap();
    let mut unnamed = lease;
    unnamed.metadata.uid = None;
    assert_eq!(code(leases.replace(own, &post, &unnamed).await), 403);
}

/// Why each write names the UID, and not only the version.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_a_lease_that_is_gone_makes_it_unless_it_names_the_uid() {
    let ground = Ground::new().await;
    let lease = ground.admin.get(&ground.name).await.unwrap();
    ground.admin.delete(&ground.name, &DeleteParams::default()).await.unwrap();
    assert_eq!(code(ground.admin.replace(&ground.name, &PostParams::default(), &lease).await), 409);
    assert!(ground.admin.get_opt(&ground.name).await.unwrap().is_none());
    let mut unnamed = lease;
    unnamed.metadata.uid = None;
    assert!(unnamed.metadata.resource_version.is_some());
    assert_eq!(code(ground.admin.replace(&ground.name, &PostParams::default(), &unnamed).await), 200);
}

/// Looks at all of them for as long as it is not dropped.
struct OneAtATime {
    goes_on: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

impl OneAtATime {
    fn watch(keepers: Vec<Weak<Keeper>>) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let watched = Arc::clone(&goes_on);
        let thread = std::thread::spawn(move || {
            let mut looks = 0;
            while watched.load(Ordering::SeqCst) {
                let keepers: Vec<_> = keepers.iter().filter_map(Weak::upgrade).collect();
                // Two that say yes one after the other may be a change of hands; in turns it is none.
                let first: Vec<_> = keepers.iter().map(|keeper| keeper.check().is_ok()).collect();
                let again = keepers.iter().map(|keeper| keeper.check().is_ok());
                let both = again.zip(first).filter(|(again, first)| *again && *first).count();
                assert!(both <= 1, "{both} hold the Lease");
                looks += 1;
                drop(keepers);
                std::thread::sleep(Duration::from_micros(500));
            }
            looks
        });
        Self { goes_on, thread: Some(thread) }
    }

    fn end(mut self) -> u64 {
        self.goes_on.store(false, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for OneAtATime {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_follow_each_other_one_at_a_time() {
    let ground = Ground::new().await;
    let first = ground.stand("first").await;
    assert_eq!(holds(&first).await, 1);
    let mut standing = vec![ground.stand("second").await, ground.stand("third").await];
    for keeper in &standing {
        let mut belief = keeper.belief();
        let follows = belief.wait_for(|belief| *belief == Belief::Following { holder: Some("first".to_owned()) });
        tokio::time::timeout(PATIENCE, follows).await.unwrap().unwrap();
    }
    let weak = standing.iter().chain([&first]).map(Arc::downgrade).collect();
    let watched = OneAtATime::watch(weak);

    // Given up: noticed by the watch.
    let released = Instant::now();
    assert_eq!(first.release().await, Ended::Released);
    let (next, transitions) = next_of(&standing).await;
    println!("released -> held by the next after {:?}", released.elapsed());
    assert_eq!(transitions, 2);

    // Gone without a word, as by SIGKILL: waited out.
    let killed = Instant::now();
    drop(standing.swap_remove(next));
    let (next, transitions) = next_of(&standing).await;
    println!("killed -> held by the next after {:?}", killed.elapsed());
    assert_eq!(transitions, 3);
    let last = standing.swap_remove(next);

    // Deleted: held until the deadline, never made. Made again: held again, in a higher term.
    ground.admin.delete(&ground.name, &DeleteParams::default()).await.unwrap();
    let mut belief = last.belief();
    let unknown = belief.wait_for(|belief| *belief == Belief::Unknown);
    tokio::time::timeout(PATIENCE, unknown).await.unwrap().unwrap();
    assert!(ground.admin.get_opt(&ground.name).await.unwrap().is_none());
    let lease: Lease = serde_json::from_value(json!({"metadata": {"name": ground.name}, "spec": {}})).unwrap();
    ground.admin.create(&PostParams::default(), &lease).await.unwrap();
    assert_eq!(holds(&last).await, 4);
    println!("looked {} times", watched.end());
}

/// Which of them holds the Lease next, and in which transitions.
async fn next_of(standing: &[Arc<Keeper>]) -> (usize, u64) {
    let each =
        standing.iter().enumerate().map(|(number, keeper)| Box::pin(async move { (number, holds(keeper).await) }));
    futures_util::future::select_all(each).await.0
}
