//! The keeper against an API server that does what it is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

mod fake;

use std::time::Duration;

use storage_lease::{Belief, BootInstant, Ended, Keeper, Settings};
use tokio::time::timeout;

use self::fake::{PATH, Server, Trouble};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn settings(identity: &str) -> Settings {
    Settings {
        lease_duration: Duration::from_secs(8),
        renew_deadline: Duration::from_secs(6),
        retry_period: Duration::from_millis(300),
        take_unheld_at_once: true,
        ..Settings::new("default", "files", identity)
    }
}

fn start(server: &Server, identity: &str) -> Keeper {
    Keeper::start(server.config(identity), settings(identity)).unwrap()
}

async fn until(keeper: &Keeper, wanted: impl FnMut(&Belief) -> bool) -> Belief {
    let mut belief = keeper.belief();
    timeout(PATIENCE, belief.wait_for(wanted)).await.expect("it never believes that").unwrap().clone()
}

async fn holds(keeper: &Keeper) -> u64 {
    match until(keeper, |belief| matches!(belief, Belief::Holding { .. })).await {
        Belief::Holding { transitions } => transitions,
        other => panic!("{other:?}"),
    }
}

fn follows(holder: &str) -> impl Fn(&Belief) -> bool {
    move |belief| *belief == Belief::Following { holder: Some(holder.to_owned()) }
}

async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let polls = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, polls).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn one_holds_another_follows_and_takes_what_is_released() {
    let server = Server::start().await;
    let first = start(&server, "first");
    assert_eq!(holds(&first).await, 1);
    first.check().unwrap();
    first.check_term(1).unwrap();
    first.check_term(2).unwrap_err();
    let second = start(&server, "second");
    until(&second, follows("first")).await;
    second.check().unwrap_err();
    let renewed = first.counts().renewals_ok;
    eventually("it renews", || first.counts().renewals_ok > renewed).await;
    assert!(second.since_renewal().unwrap() < settings("second").lease_duration);

    let released = BootInstant::now();
    assert_eq!(timeout(PATIENCE, first.release()).await.unwrap(), Ended::Released);
    first.check().unwrap_err();
    assert_eq!(holds(&second).await, 2);
    // The watch says so: far sooner than the Lease would have expired.
    assert!(BootInstant::now() - released < settings("second").lease_duration / 2);
    let lease = server.lease();
    assert_eq!(lease["spec"]["holderIdentity"], "second");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 8);
    assert_eq!(lease["metadata"]["labels"]["kept"], "yes");
    only_what_is_allowed(&server);
}

/// `get` and `update` of the one, `watch` by its name; no `list`, no `create`; every write names UID and version.
fn only_what_is_allowed(server: &Server) {
    for (method, target, written) in server.log() {
        let one = target.starts_with(&format!("{PATH}/files"));
        let watch = target.starts_with(&format!("{PATH}?"))
            && target.contains("watch=true")
            && target.contains("fieldSelector=metadata.name%3Dfiles");
        match method.as_str() {
            "GET" => assert!(one || watch, "GET {target}"),
            "PUT" => {
                assert!(one, "PUT {target}");
                let metadata = &written.unwrap()["metadata"];
                assert!(metadata["uid"].is_string() && metadata["resourceVersion"].is_string(), "{metadata}");
            }
            other => panic!("{other} {target}"),
        }
    }
}

#[tokio::test]
async fn failures_within_the_deadline_do_not_end_the_term() {
    let server = Server::start().await;
    let keeper = start(&server, "one");
    assert_eq!(holds(&keeper).await, 1);
    server.next_writes(&[
        Trouble::Refuse(429),
        Trouble::DoAndFail(500),
        Trouble::Refuse(503),
        Trouble::DoAndHang,
        Trouble::Hang,
    ]);
    // Each of them leaves the term alone, and the renewal after it succeeds.
    eventually("an error and a time-out are counted", || {
        let counts = keeper.counts();
        counts.renewals_error >= 3 && counts.renewals_timeout >= 2
    })
    .await;
    let renewed = keeper.counts().renewals_ok;
    eventually("it renews again", || keeper.counts().renewals_ok > renewed).await;
    keeper.check_term(1).unwrap();
    assert_eq!(keeper.counts().takeovers, 1);

    let conflicts = keeper.counts().renewals_conflict;
    server.next_writes(&[Trouble::Refuse(409), Trouble::DoAndFail(409)]);
    eventually("conflicts are counted", || keeper.counts().renewals_conflict >= conflicts + 2).await;
    let renewed = keeper.counts().renewals_ok;
    eventually("it renews again", || keeper.counts().renewals_ok > renewed).await;
    keeper.check_term(1).unwrap();
    only_what_is_allowed(&server);
}

#[tokio::test]
async fn a_take_whose_answer_is_lost_is_not_believed_until_it_is_confirmed() {
    for trouble in [Trouble::DoAndFail(500), Trouble::DoAndHang, Trouble::DoAndFail(409)] {
        let server = Server::start().await;
        server.next_writes(&[trouble]);
        let keeper = start(&server, "one");
        // The term that nobody ever believed in stays unused.
        assert_eq!(holds(&keeper).await, 2, "{trouble:?}");
        assert_eq!(server.lease()["spec"]["leaseTransitions"], 2);
    }
}

#[tokio::test]
async fn one_that_is_cut_off_stops_before_another_begins() {
    let server = Server::start().await;
    let first = start(&server, "first");
    assert_eq!(holds(&first).await, 1);
    let second = start(&server, "second");
    until(&second, follows("first")).await;
    server.cut_off(Some("first"));
    eventually("it stops", || first.check().is_err()).await;
    assert_eq!(*second.belief().borrow(), Belief::Following { holder: Some("first".to_owned()) });
    assert_eq!(holds(&second).await, 2);
    // When it is back it follows, and what it began in its own term stays refused.
    server.cut_off(None);
    until(&first, follows("second")).await;
    first.check_term(1).unwrap_err();
}

#[tokio::test]
async fn a_watch_that_breaks_is_begun_again() {
    let server = Server::start().await;
    let first = start(&server, "first");
    holds(&first).await;
    let second = start(&server, "second");
    until(&second, follows("first")).await;
    for _ in 0..3 {
        server.break_watches(410);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(timeout(PATIENCE, first.release()).await.unwrap(), Ended::Released);
    assert_eq!(holds(&second).await, 2);
    only_what_is_allowed(&server);
}

#[tokio::test]
async fn a_deleted_lease_is_held_until_the_deadline_and_never_made() {
    let server = Server::start().await;
    let keeper = start(&server, "one");
    assert_eq!(holds(&keeper).await, 1);
    server.delete();
    eventually("the deadline passes", || keeper.check().is_err()).await;
    until(&keeper, |belief| *belief == Belief::Unknown).await;
    assert!(server.lease().is_null());
    server.make();
    // Higher than in the Lease that is gone.
    assert_eq!(holds(&keeper).await, 2);
    only_what_is_allowed(&server);
}

#[tokio::test]
async fn a_label_does_not_disturb_a_term_and_survives_it() {
    let server = Server::start().await;
    let keeper = start(&server, "one");
    holds(&keeper).await;
    server.touch();
    let renewed = keeper.counts().renewals_ok;
    eventually("it renews", || keeper.counts().renewals_ok > renewed).await;
    keeper.check_term(1).unwrap();
    assert_eq!(server.lease()["metadata"]["labels"]["touched"], "yes");
}

#[tokio::test]
async fn a_new_term_has_higher_transitions_and_ends_the_old() {
    let server = Server::start().await;
    let keeper = start(&server, "one");
    assert_eq!(holds(&keeper).await, 1);
    keeper.new_term().await;
    until(&keeper, |belief| *belief == Belief::Holding { transitions: 2 }).await;
    keeper.check_term(1).unwrap_err();
    keeper.check_term(2).unwrap();
}

#[tokio::test]
async fn one_that_stands_aside_leaves_the_lease_to_another() {
    let server = Server::start().await;
    let first = start(&server, "first");
    holds(&first).await;
    let second = start(&server, "second");
    until(&second, follows("first")).await;
    first.stand_aside(settings("first").lease_duration * 2).await;
    assert_eq!(holds(&second).await, 2);
    until(&first, follows("second")).await;
    first.check().unwrap_err();
}

#[tokio::test]
async fn settings_that_cannot_work_start_nothing() {
    let server = Server::start().await;
    let wrong = Settings { renew_deadline: Duration::from_secs(8), ..settings("one") };
    let refused = Keeper::start(server.config("one"), wrong).unwrap_err().to_string();
    assert!(refused.contains("lease duration"), "{refused}");
    assert!(server.log().is_empty());
}

#[tokio::test]
async fn without_a_server_it_waits() {
    // A port that nobody listens at.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let keeper =
        Keeper::start(kube::Config::new(format!("http://{address}").parse().unwrap()), settings("one")).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    keeper.check().unwrap_err();
    assert_eq!(*keeper.belief().borrow(), Belief::Unknown);
    // There is nothing to give up.
    assert_eq!(timeout(PATIENCE, keeper.release()).await.unwrap(), Ended::Released);
}
