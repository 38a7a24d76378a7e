//! Single decisions, one at a time. What they add up to is for the simulation.

use std::time::Duration;

use super::{Action, Answer, Belief, Moment, Observation, RequestId, Seen, State, Wish, Write, WriteKind};
use crate::{BootInstant, Settings};

const SECOND: u64 = 1_000_000_000;

fn at(millis: u64) -> Moment {
    let boot = BootInstant::from_nanos(1000 * SECOND + millis * 1_000_000);
    Moment { boot, wall_micros: i64::try_from(millis).unwrap() * 1000 }
}

fn settings() -> Settings {
    Settings::new("default", "files", "me")
}

fn lease(version: u64, holder: Option<&str>, transitions: u64) -> Seen {
    Seen {
        uid: "u".to_owned(),
        version: version.to_string(),
        holder: holder.map(ToOwned::to_owned),
        transitions,
        duration: Some(Duration::from_secs(15)),
        renewed_micros: Some(7),
    }
}

/// The request among what is to be done.
fn request(actions: &[Action]) -> Option<&Action> {
    actions.iter().find(|action| !matches!(action, Action::Watch { .. }))
}

fn put(actions: &[Action]) -> (RequestId, Write) {
    match request(actions) {
        Some(Action::Put(id, write)) => (*id, write.clone()),
        other => panic!("{other:?}"),
    }
}

fn get(actions: &[Action]) -> RequestId {
    match request(actions) {
        Some(Action::Get(id)) => *id,
        other => panic!("{other:?}"),
    }
}

fn written(write: &Write, version: u64) -> Answer {
    Answer::Lease(Seen {
        uid: write.base.uid.clone(),
        version: version.to_string(),
        holder: write.holder.clone(),
        transitions: write.transitions,
        duration: Some(write.duration),
        renewed_micros: Some(write.wall_micros),
    })
}

/// One that has read the Lease, at 0.
fn having_read(settings: Settings, seen: Seen) -> (State, Vec<Action>) {
    let mut state = State::new(settings);
    let id = get(&state.step(Observation::Tick, at(0)));
    let actions = state.step(Observation::Answered(id, Answer::Lease(seen)), at(0));
    (state, actions)
}

/// One that holds the Lease, at version 11 in transitions 4, since 0.
fn holding() -> State {
    let (mut state, actions) = having_read(settings(), lease(10, None, 3));
    let (id, take) = put(&actions);
    assert_eq!((take.kind, take.transitions), (WriteKind::Take, 4));
    state.step(Observation::Answered(id, written(&take, 11)), at(0));
    assert_eq!(state.term(), Some((4, at(10_000).boot)));
    state
}

#[test]
fn a_released_lease_is_taken_at_first_sight_and_one_never_held_is_not() {
    let never = Seen { renewed_micros: None, duration: None, ..lease(10, None, 0) };
    let (state, actions) = having_read(settings(), never.clone());
    assert_eq!(request(&actions), None);
    assert!(state.next_wake().unwrap() <= at(15_000).boot);
    let (_, actions) = having_read(Settings { take_unheld_at_once: true, ..settings() }, never);
    assert_eq!(put(&actions).1.kind, WriteKind::Take);
    let (_, actions) = having_read(settings(), lease(10, None, 1));
    assert_eq!(put(&actions).1.kind, WriteKind::Take);
}

#[test]
fn a_lease_is_taken_at_the_moment_it_expires_even_in_the_middle_of_a_read() {
    for (recorded, expires_after) in [(None, 15_000), (Some(1), 15_000), (Some(40), 40_000)] {
        let seen = Seen { duration: recorded.map(Duration::from_secs), ..lease(10, Some("other"), 3) };
        let (mut state, _) = having_read(settings(), seen);
        let expires = at(expires_after);
        // Its watch is silent, and so is the server, until the very end.
        while state.next_wake().unwrap() < expires.boot {
            let wake = state.next_wake().unwrap();
            let actions = state.step(Observation::Tick, Moment { boot: wake, wall_micros: 0 });
            assert!(!matches!(request(&actions), Some(Action::Put(..))), "{recorded:?}: taken too early");
        }
        assert!(state.under_way.is_some(), "a read is under way");
        assert_eq!(state.next_wake(), Some(expires.boot));
        let actions = state.step(Observation::Tick, expires);
        assert_eq!(put(&actions).1.base.version, "10");
    }
}

#[test]
fn each_renewal_seen_starts_the_time_anew() {
    let (mut state, _) = having_read(settings(), lease(10, Some("other"), 3));
    state.step(Observation::Watched(lease(12, Some("other"), 3)), at(14_000));
    // What is older, or the same again, is no renewal.
    state.step(Observation::Watched(lease(11, Some("other"), 3)), at(14_500));
    state.step(Observation::Watched(lease(12, Some("other"), 3)), at(14_900));
    let mut taken = None;
    while taken.is_none() {
        let wake = state.next_wake().unwrap();
        let actions = state.step(Observation::Tick, Moment { boot: wake, wall_micros: 0 });
        taken = matches!(request(&actions), Some(Action::Put(..))).then_some(wake);
    }
    assert_eq!(taken, Some(at(29_000).boot));
}

#[test]
fn a_renewal_is_sent_at_half_the_deadline_and_counts_from_then() {
    let mut state = holding();
    assert_eq!(state.next_wake(), Some(at(5_000).boot));
    let (id, renewal) = put(&state.step(Observation::Tick, at(5_000)));
    assert_eq!((renewal.kind, renewal.transitions, renewal.base.version.as_str()), (WriteKind::Renew, 4, "11"));
    state.step(Observation::Answered(id, written(&renewal, 12)), at(6_500));
    assert_eq!(state.term(), Some((4, at(15_000).boot)));
}

#[test]
fn no_answer_brings_back_a_deadline_that_has_passed() {
    let mut state = holding();
    let (id, renewal) = put(&state.step(Observation::Tick, at(5_000)));
    // The process was frozen, and hears of its success first of all.
    let actions = state.step(Observation::Answered(id, written(&renewal, 12)), at(10_000));
    assert_eq!(state.term(), None);
    // Whether it was written is not known: it is read, and then it is a new term.
    let id = get(&actions);
    let Answer::Lease(seen) = written(&renewal, 12) else { unreachable!() };
    let (_, take) = put(&state.step(Observation::Answered(id, Answer::Lease(seen)), at(10_010)));
    assert_eq!((take.kind, take.transitions), (WriteKind::Take, 5));
}

#[test]
fn a_holder_that_sees_it_lost_stops_at_once() {
    let taken = lease(12, Some("other"), 5);
    let emptied = lease(12, None, 4);
    let again = lease(12, Some("me"), 5);
    let another = Seen { uid: "v".to_owned(), ..lease(12, Some("other"), 1) };
    for seen in [taken, emptied, again, another] {
        let mut state = holding();
        state.step(Observation::Watched(seen.clone()), at(100));
        assert_eq!(state.term(), None, "{seen:?}");
    }
}

#[test]
fn a_holder_that_sees_a_label_or_the_past_goes_on() {
    let mut state = holding();
    let labelled = Seen { renewed_micros: Some(0), ..lease(13, Some("me"), 4) };
    state.step(Observation::Watched(labelled), at(100));
    state.step(Observation::Watched(lease(9, Some("other"), 3)), at(200));
    state.step(Observation::WatchedDeletion { uid: "another".to_owned() }, at(300));
    assert_eq!(state.belief(), Belief::Holding { transitions: 4 });
    // It is written over what was seen last.
    assert_eq!(put(&state.step(Observation::Tick, at(5_000))).1.base.version, "13");
}

#[test]
fn a_lost_renewal_is_read_again_within_the_deadline_and_then_sent_again() {
    let mut state = holding();
    put(&state.step(Observation::Tick, at(5_000)));
    let gives_up = state.next_wake().unwrap();
    assert!(gives_up < at(9_000).boot);
    let id = get(&state.step(Observation::Tick, Moment { boot: gives_up, wall_micros: 0 }));
    let now = at(8_500);
    // It had not happened.
    let (id, renewal) = put(&state.step(Observation::Answered(id, Answer::Lease(lease(11, Some("me"), 4))), now));
    state.step(Observation::Answered(id, written(&renewal, 12)), now);
    assert_eq!(state.term(), Some((4, at(18_500).boot)));
}

#[test]
fn one_conflict_is_looked_into_at_once_and_many_are_not() {
    let mut state = holding();
    let mut now = 5_000;
    let mut actions = state.step(Observation::Tick, at(now));
    let mut reads = Vec::new();
    for version in 20..23 {
        let (id, _) = put(&actions);
        state.step(Observation::Answered(id, Answer::Conflict), at(now));
        // Right away the first time, else when its time has come.
        let id = match &state.under_way {
            Some(request) => {
                assert!(request.write.is_none());
                RequestId(id.0 + 1)
            }
            None => {
                now = u64::try_from((state.next_wake().unwrap() - at(0).boot).as_millis()).unwrap();
                get(&state.step(Observation::Tick, at(now)))
            }
        };
        reads.push(now);
        actions = state.step(Observation::Answered(id, Answer::Lease(lease(version, Some("me"), 4))), at(now));
    }
    assert_eq!(reads, [5_000, 7_000, 9_000]);
}

#[test]
fn an_earlier_life_is_waited_out() {
    let (state, actions) = having_read(settings(), lease(10, Some("me"), 3));
    assert_eq!(request(&actions), None);
    assert_eq!(state.belief(), Belief::Following { holder: None });
}

#[test]
fn a_release_stops_first_and_says_so_once() {
    let mut state = holding();
    let (id, release) = put(&state.step(Observation::Wished(Wish::Release), at(1_000)));
    assert_eq!(state.term(), None);
    assert_eq!((release.kind, release.holder.clone(), release.transitions), (WriteKind::Release, None, 4));
    state.step(Observation::Answered(id, written(&release, 12)), at(1_010));
    assert!(state.has_ended());
    assert_eq!(state.step(Observation::Tick, at(60_000)), []);
    assert_eq!(state.next_wake(), None);
}

#[test]
fn a_release_while_a_take_is_on_its_way_gives_up_what_it_gets() {
    let (mut state, actions) = having_read(settings(), lease(10, None, 3));
    let (id, take) = put(&actions);
    assert_eq!(state.step(Observation::Wished(Wish::Release), at(5)), []);
    let (id, release) = put(&state.step(Observation::Answered(id, written(&take, 11)), at(10)));
    assert_eq!((state.term(), release.kind), (None, WriteKind::Release));
    state.step(Observation::Answered(id, written(&release, 12)), at(20));
    assert!(state.has_ended());
}

#[test]
fn a_release_that_gets_no_answer_ends_at_the_deadline() {
    let mut state = holding();
    let mut now = at(1_000);
    let mut actions = state.step(Observation::Wished(Wish::Release), now);
    while !state.has_ended() {
        assert!(now.boot < at(10_001).boot);
        assert!(actions.len() < 2);
        now.boot = state.next_wake().unwrap();
        actions = state.step(Observation::Tick, now);
    }
}

#[test]
fn a_cluster_that_was_restored_is_believed_when_it_is_read() {
    let (mut state, _) = having_read(settings(), lease(1000, Some("other"), 9));
    let id = get(&state.step(Observation::WatchEnded, at(3_000)));
    state.step(Observation::Answered(id, Answer::Lease(lease(500, Some("third"), 7))), at(3_010));
    assert_eq!(state.belief(), Belief::Following { holder: Some("third".to_owned()) });
    // And watched from there, after a pause.
    let actions = state.step(Observation::Tick, at(5_010));
    assert!(actions.contains(&Action::Watch { after: "500".to_owned() }), "{actions:?}");
}

#[test]
fn a_lease_made_again_is_left_alone_for_as_long_as_the_one_before_said() {
    for (holder, transitions) in [(None, 0), (None, 4)] {
        let before = Seen { duration: Some(Duration::from_mins(1)), ..lease(10, Some("other"), 3) };
        let (mut state, _) = having_read(settings(), before);
        state.step(Observation::WatchedDeletion { uid: "u".to_owned() }, at(1_000));
        let uid = "v".to_owned();
        let made = Seen { uid, duration: None, renewed_micros: None, ..lease(20, holder, transitions) };
        let actions = state.step(Observation::Watched(made.clone()), at(2_000));
        assert_eq!(request(&actions), None);
        let mut taken = None;
        while taken.is_none() {
            let wake = state.next_wake().unwrap();
            let actions = state.step(Observation::Tick, Moment { boot: wake, wall_micros: 0 });
            taken = matches!(request(&actions), Some(Action::Put(..))).then_some(wake);
        }
        assert_eq!(taken, Some(at(62_000).boot), "{made:?}");
    }
}
