//! Mode changes: prepared, committed, taken back; and who may.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use storage_element_crds::Mode;
use storage_node::catalog::{ConfigRow, IntentVerdict, ModeChange, RowGuard, Transition, TransitionVerdict};
use storage_node::model::{Nonce, OperationType, Term, Timestamp, WalRow, WalStatus};
use uuid::Uuid;

use crate::made::{Make, Ready, intent, new_term};

/// Seconds a transition is held where its end does not matter.
const LONG: u32 = 120;

fn transition(id: &str, attempt: u64) -> Transition {
    Transition { id: id.to_owned(), attempt, target: Mode::Ro }
}

fn change(transition: &Transition) -> ModeChange {
    let started_at = Timestamp::now();
    let row = WalRow {
        transaction_id: Uuid::now_v7(),
        operation_type: OperationType::ModeChange,
        status: WalStatus::Pending,
        file_id: None,
        operation_data: json!({"from": "rw", "to": transition.target, "reason": "конец года"}),
        error_message: None,
        started_at,
        completed_at: Some(started_at.plus_micros(3_000)),
        duration_ms: Some(3),
        user_id: Some("u-1".to_owned()),
        epoch: 1,
    };
    ModeChange { transition: transition.clone(), at: started_at.plus_micros(1_000), by: "u-1".to_owned(), row }
}

fn done(verdict: TransitionVerdict) -> ConfigRow {
    match verdict {
        TransitionVerdict::Done(row) => *row,
        other => panic!("not done: {other:?}"),
    }
}

async fn config(ready: &Ready) -> ConfigRow {
    ready.catalog.config().await.unwrap().unwrap()
}

async fn ask(ready: &Ready) -> IntentVerdict {
    ready.catalog.intent(ready.term, intent(&ready.file("a.txt"), OperationType::FileCreate)).await.unwrap()
}

async fn prepare(ready: &Ready, transition: &Transition) -> TransitionVerdict {
    ready.catalog.prepare(RowGuard::Term(ready.term), transition, LONG).await.unwrap()
}

async fn passed(ready: &Ready) {
    let until = config(ready).await.prepared_until.unwrap();
    while ready.catalog.now().await.unwrap() <= until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The whole way: the door is closed, the row and the log change together, and nobody waits for anything after.
pub async fn prepared_and_committed(make: &dyn Make) {
    let ready = Ready::in_mode(make, Mode::Rw).await;
    let guard = RowGuard::Term(ready.term);
    let wanted = transition("t", 1);
    let before = config(&ready).await;
    let row = done(prepare(&ready, &wanted).await);
    assert_eq!(row, config(&ready).await, "seen by every connection at once");
    assert_eq!((&row.transition, row.mode, row.row_version), (&Some(wanted.clone()), Mode::Rw, before.row_version + 1));
    let held = row.prepared_until.unwrap().micros() - ready.catalog.now().await.unwrap().micros();
    assert!((110_000_000..=120_000_000).contains(&held), "{held}");
    assert_eq!(ask(&ready).await, IntentVerdict::TransitionPrepared);
    assert_eq!(done(ready.catalog.may_commit(guard, &wanted).await.unwrap()), row);

    let change = change(&wanted);
    let after = done(ready.catalog.commit_mode(guard, &change).await.unwrap());
    assert_eq!(after, config(&ready).await);
    assert_eq!((after.mode, after.mode_changed_at), (Mode::Ro, change.at));
    assert_eq!((after.mode_changed_by.as_deref(), after.transition.clone()), (Some("u-1"), None));
    assert_eq!((after.prepared_until, after.row_version), (None, row.row_version + 1));
    let logged = ready.catalog.wal_row(change.row.transaction_id).await.unwrap().unwrap();
    assert_eq!(logged, WalRow { status: WalStatus::Committed, ..change.row.clone() });
    assert_eq!(ask(&ready).await, IntentVerdict::ModeRefuses(Mode::Ro));

    // The answer was lost: asked again, by whatever guard, it is done, and done once.
    for guard in [guard, RowGuard::Version(row.row_version)] {
        assert_eq!(done(ready.catalog.commit_mode(guard, &change).await.unwrap()), after);
    }
    // Another change of the same transition has nothing to commit any more.
    let other = ModeChange { row: WalRow { transaction_id: Uuid::now_v7(), ..change.row.clone() }, ..change };
    assert_eq!(ready.catalog.commit_mode(guard, &other).await.unwrap(), TransitionVerdict::NotPrepared);
    assert_eq!(ready.catalog.wal_row(other.row.transaction_id).await.unwrap(), None);
    assert_eq!(config(&ready).await, after);
}

pub async fn one_transition_at_a_time(make: &dyn Make) {
    let ready = Ready::in_mode(make, Mode::Rw).await;
    let guard = RowGuard::Term(ready.term);
    let (first, second, other) = (transition("t", 1), transition("t", 2), transition("other", 9));
    let began = done(prepare(&ready, &second).await);
    let other_target = Transition { target: Mode::Ar, ..second.clone() };
    for refused in [&first, &other, &other_target] {
        assert_eq!(prepare(&ready, refused).await, TransitionVerdict::Other(second.clone()), "{refused:?}");
        let verdict = ready.catalog.may_commit(guard, refused).await.unwrap();
        assert_eq!(verdict, TransitionVerdict::Other(second.clone()), "{refused:?}");
        let verdict = ready.catalog.commit_mode(guard, &change(refused)).await.unwrap();
        assert_eq!(verdict, TransitionVerdict::Other(second.clone()), "{refused:?}");
    }
    assert_eq!(config(&ready).await, began, "what is refused changes nothing");

    tokio::time::sleep(Duration::from_millis(2)).await;
    let again = done(prepare(&ready, &second).await);
    assert!(again.prepared_until > began.prepared_until, "repeated, it is extended");
    let third = transition("t", 3);
    assert_eq!(ready.catalog.may_commit(guard, &third).await.unwrap(), TransitionVerdict::NotPrepared);
    assert_eq!(ready.catalog.commit_mode(guard, &change(&third)).await.unwrap(), TransitionVerdict::NotPrepared);
    assert_eq!(done(prepare(&ready, &third).await).transition, Some(third.clone()), "a higher attempt takes its place");
    assert_eq!(prepare(&ready, &second).await, TransitionVerdict::Other(third.clone()));

    assert_eq!(done(ready.catalog.abort(guard, "other").await.unwrap()).transition, Some(third));
    let row = done(ready.catalog.abort(guard, "t").await.unwrap());
    assert_eq!((&row.transition, row.prepared_until, row.mode), (&None, None, Mode::Rw));
    assert_eq!(done(ready.catalog.abort(guard, "t").await.unwrap()), row, "not being there is success");
    assert_eq!(ask(&ready).await, IntentVerdict::Accepted);
    assert_eq!(ready.catalog.may_commit(guard, &second).await.unwrap(), TransitionVerdict::NotPrepared);
}

/// Nobody has to take back what is never committed.
pub async fn ends_by_itself(make: &dyn Make) {
    let ready = Ready::in_mode(make, Mode::Rw).await;
    let guard = RowGuard::Term(ready.term);
    let (wanted, lower) = (transition("t", 2), transition("t", 1));
    done(ready.catalog.prepare(guard, &wanted, 1).await.unwrap());
    assert_eq!(ask(&ready).await, IntentVerdict::TransitionPrepared);
    passed(&ready).await;
    for late in [&wanted, &transition("other", 1)] {
        assert_eq!(ready.catalog.may_commit(guard, late).await.unwrap(), TransitionVerdict::NotPrepared);
        assert_eq!(ready.catalog.commit_mode(guard, &change(late)).await.unwrap(), TransitionVerdict::NotPrepared);
    }
    assert_eq!(ask(&ready).await, IntentVerdict::Accepted);
    assert_eq!(config(&ready).await.mode, Mode::Rw);
    assert_eq!(prepare(&ready, &lower).await, TransitionVerdict::Other(wanted.clone()), "a lower attempt even then");
    done(prepare(&ready, &wanted).await);
    done(ready.catalog.prepare(guard, &wanted, 0).await.unwrap());
    passed(&ready).await;
    let other = transition("other", 1);
    assert_eq!(done(prepare(&ready, &other).await).transition, Some(other));
}

pub async fn guarded_by_term_or_version(make: &dyn Make) {
    let ready = Ready::in_mode(make, Mode::Rw).await;
    let wanted = transition("t", 1);
    let seen = config(&ready).await.row_version;
    let stale = [
        RowGuard::Term(Term { nonce: Nonce::fresh(), ..ready.term }),
        RowGuard::Term(Term { epoch: 2, ..ready.term }),
        RowGuard::Version(seen - 1),
        RowGuard::Version(seen + 1),
    ];
    let before = config(&ready).await;
    for guard in stale {
        assert_eq!(
            ready.catalog.prepare(guard, &wanted, LONG).await.unwrap(),
            TransitionVerdict::Overtaken,
            "{guard:?}"
        );
    }
    assert_eq!(config(&ready).await, before);

    let row = done(ready.catalog.prepare(RowGuard::Version(seen), &wanted, LONG).await.unwrap());
    let stale = [stale[0], stale[1], RowGuard::Version(seen)];
    for guard in stale {
        assert_eq!(ready.catalog.may_commit(guard, &wanted).await.unwrap(), TransitionVerdict::Overtaken);
        assert_eq!(ready.catalog.commit_mode(guard, &change(&wanted)).await.unwrap(), TransitionVerdict::Overtaken);
        assert_eq!(ready.catalog.abort(guard, "t").await.unwrap(), TransitionVerdict::Overtaken);
    }
    assert_eq!(config(&ready).await, row);
    // Whose answer was lost has been overtaken by nobody but himself.
    let again = done(ready.catalog.prepare(RowGuard::Version(seen), &wanted, LONG).await.unwrap());
    assert_eq!((&again.transition, again.row_version), (&Some(wanted.clone()), row.row_version + 1));
    let higher = transition("t", 2);
    let verdict = ready.catalog.prepare(RowGuard::Version(seen), &higher, LONG).await.unwrap();
    assert_eq!(verdict, TransitionVerdict::Overtaken);

    let row = done(ready.catalog.abort(RowGuard::Version(again.row_version), "t").await.unwrap());
    assert_eq!(row.transition, None);
    assert_eq!(done(ready.catalog.abort(RowGuard::Version(again.row_version), "t").await.unwrap()), row);
    let verdict = ready.catalog.abort(stale[0], "t").await.unwrap();
    assert_eq!(verdict, TransitionVerdict::Overtaken, "a term that is over is told so");
    let verdict = ready.catalog.prepare(RowGuard::Version(seen), &wanted, LONG).await.unwrap();
    assert_eq!(verdict, TransitionVerdict::Overtaken, "taken back by somebody, not prepared once more");

    // Two who have seen the same row: one changes it.
    let version = RowGuard::Version(row.row_version);
    let (one, two) = (transition("one", 1), transition("two", 1));
    let (first, second) =
        tokio::join!(ready.catalog.prepare(version, &one, LONG), ready.catalog.prepare(version, &two, LONG));
    let verdicts = [first.unwrap(), second.unwrap()];
    let made = verdicts.iter().filter(|verdict| matches!(verdict, TransitionVerdict::Done(_))).count();
    assert_eq!((made, verdicts.contains(&TransitionVerdict::Overtaken)), (1, true), "{verdicts:?}");
}

/// Whoever comes after inherits a transition, but not one that was done up to the row.
pub async fn inherited_unless_done(make: &dyn Make) {
    let ready = Ready::in_mode(make, Mode::Rw).await;
    let wanted = transition("t", 1);
    let prepared = done(prepare(&ready, &wanted).await);
    let second = Term { epoch: 2, nonce: Nonce::fresh() };
    assert!(ready.catalog.begin_term(&new_term(second, 1, Mode::Rw)).await.unwrap());
    let row = config(&ready).await;
    assert_eq!((&row.transition, row.prepared_until), (&Some(wanted.clone()), prepared.prepared_until));
    let file = intent(&ready.file("a.txt"), OperationType::FileCreate);
    assert_eq!(ready.catalog.intent(second, file).await.unwrap(), IntentVerdict::TransitionPrepared);
    assert_eq!(prepare(&ready, &wanted).await, TransitionVerdict::Overtaken);
    done(ready.catalog.may_commit(RowGuard::Term(second), &wanted).await.unwrap());

    let third = Term { epoch: 3, nonce: Nonce::fresh() };
    assert!(ready.catalog.begin_term(&new_term(third, 2, Mode::Ro)).await.unwrap());
    let row = config(&ready).await;
    assert_eq!((row.mode, row.transition, row.prepared_until), (Mode::Ro, None, None));
}

/// A prepared change is not committed while a transaction on a file is open, whether it is at work or nobody can tell.
pub async fn waits_for_open_transactions(make: &dyn Make) {
    let ready = Ready::in_mode(make, Mode::Rw).await;
    let guard = RowGuard::Term(ready.term);
    let (at_work, unclear) = (ready.file("a.txt"), ready.file("b.txt"));
    for file in [&at_work, &unclear] {
        let row = intent(file, OperationType::FileCreate);
        assert_eq!(ready.catalog.intent(ready.term, row).await.unwrap(), IntentVerdict::Accepted);
    }
    ready.catalog.fail(ready.term, unclear.attr.tx, "cannot tell").await.unwrap();
    let wanted = transition("t", 1);
    let prepared = done(prepare(&ready, &wanted).await);
    let change = change(&wanted);
    let refused = async |open: u64| {
        let open = TransitionVerdict::OpenTransactions(open);
        assert_eq!(ready.catalog.may_commit(guard, &wanted).await.unwrap(), open);
        assert_eq!(ready.catalog.commit_mode(guard, &change).await.unwrap(), open);
        assert_eq!(config(&ready).await, prepared);
        assert_eq!(ready.catalog.wal_row(change.row.transaction_id).await.unwrap(), None);
    };
    refused(2).await;
    ready.commit(&at_work).await;
    refused(1).await;
    ready.catalog.roll_back(ready.term, unclear.attr.tx, "undone").await.unwrap();
    assert_eq!(done(ready.catalog.commit_mode(guard, &change).await.unwrap()).mode, Mode::Ro);
}

/// A transaction that another operation already has in the log is not taken for a mode change that was done.
pub async fn a_foreign_row_is_no_commit(make: &dyn Make) {
    let ready = Ready::in_mode(make, Mode::Rw).await;
    let file = ready.file("a.txt");
    ready.put(&file).await;
    let wanted = Transition { target: Mode::Rw, ..transition("t", 1) };
    done(prepare(&ready, &wanted).await);
    let mut change = change(&wanted);
    change.row.transaction_id = file.attr.tx;
    let verdict = ready.catalog.commit_mode(RowGuard::Term(ready.term), &change).await.unwrap();
    assert!(!matches!(verdict, TransitionVerdict::Done(_)), "{verdict:?}");
}

/// 64 uploads announce themselves while the door closes: none is accepted after, and none that was is overlooked.
pub async fn closes_the_door_exactly(make: &dyn Make) {
    for round in 0..6_u64 {
        let ready = Ready::in_mode(make, Mode::Rw).await;
        let guard = RowGuard::Term(ready.term);
        let wanted = transition("t", 1);
        let intents: Vec<_> =
            (0..64).map(|n| intent(&ready.file(&format!("{n}.txt")), OperationType::FileCreate)).collect();
        let tasks: Vec<_> = intents
            .iter()
            .cloned()
            .enumerate()
            .map(|(n, row)| {
                let (catalog, term) = (Arc::clone(&ready.catalog), ready.term);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_micros(u64::try_from(n).unwrap() % 8 * round * 200)).await;
                    catalog.intent(term, row).await.unwrap()
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_micros(round * 400)).await;
        done(prepare(&ready, &wanted).await);
        assert_eq!(ask(&ready).await, IntentVerdict::TransitionPrepared);
        let open = ready.catalog.wal_pending().await.unwrap().pending;
        assert_eq!(
            ready.catalog.may_commit(guard, &wanted).await.unwrap() == TransitionVerdict::OpenTransactions(open),
            open > 0
        );
        let mut accepted = Vec::new();
        for (row, task) in intents.iter().zip(tasks) {
            match task.await.unwrap() {
                IntentVerdict::Accepted => accepted.push(row.transaction_id),
                verdict => assert_eq!(verdict, IntentVerdict::TransitionPrepared),
            }
        }
        assert_eq!(u64::try_from(accepted.len()).unwrap(), open, "accepted after the door was closed");
        let change = change(&wanted);
        if open > 0 {
            let verdict = ready.catalog.commit_mode(guard, &change).await.unwrap();
            assert_eq!(verdict, TransitionVerdict::OpenTransactions(open));
        }
        for transaction in accepted {
            ready.catalog.roll_back(ready.term, transaction, "undone").await.unwrap();
        }
        assert_eq!(done(ready.catalog.commit_mode(guard, &change).await.unwrap()).mode, Mode::Ro);
    }
}

/// A commit that races uploads: never a row PENDING in `ro`.
pub async fn a_commit_races_uploads(make: &dyn Make) {
    let ready = Ready::in_mode(make, Mode::Rw).await;
    let guard = RowGuard::Term(ready.term);
    let mut committed = false;
    for attempt in 1..=20 {
        let wanted = transition("t", attempt);
        let uploads = (0..16).map(async |n| {
            let row = intent(&ready.file(&format!("{n}.txt")), OperationType::FileCreate);
            let verdict = ready.catalog.intent(ready.term, row.clone()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(n % 4)).await;
            if verdict == IntentVerdict::Accepted {
                ready.catalog.roll_back(ready.term, row.transaction_id, "undone").await.unwrap();
            }
        });
        let mode = async {
            done(prepare(&ready, &wanted).await);
            tokio::time::sleep(Duration::from_millis(attempt % 5)).await;
            let verdict = ready.catalog.commit_mode(guard, &change(&wanted)).await.unwrap();
            if matches!(verdict, TransitionVerdict::Done(_)) {
                assert_eq!(ready.catalog.wal_pending().await.unwrap().pending, 0, "a row PENDING in ro");
            }
            verdict
        };
        let (verdict, _) = tokio::join!(mode, futures_util::future::join_all(uploads));
        match verdict {
            TransitionVerdict::Done(row) => {
                assert_eq!(row.mode, Mode::Ro);
                assert_eq!(ask(&ready).await, IntentVerdict::ModeRefuses(Mode::Ro));
                committed = true;
                break;
            }
            TransitionVerdict::OpenTransactions(open) => assert!(open > 0),
            other => panic!("{other:?}"),
        }
        done(ready.catalog.abort(guard, "t").await.unwrap());
    }
    assert!(committed, "20 attempts met open transactions each time");
    assert_eq!(ready.catalog.wal_pending().await.unwrap().pending, 0);
}
