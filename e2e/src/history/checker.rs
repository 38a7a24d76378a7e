//! The check: pure, over one file at a time.

use std::collections::BTreeMap;

use super::{Act, Event, LAG, Saw};

/// All that no store which keeps its promises could have shown, one sentence each. Empty is good.
pub fn violations(events: &[Event]) -> Vec<String> {
    let mut files: BTreeMap<usize, Vec<&Event>> = BTreeMap::new();
    for event in events {
        files.entry(event.file).or_default().push(event);
    }
    files.into_iter().flat_map(|(file, events)| of_one(file, &events)).collect()
}

fn of_one(file: usize, events: &[&Event]) -> Vec<String> {
    let mut found = Vec::new();
    revisions_are_unique(events, &mut found);
    marks_were_written(events, &mut found);
    for (index, earlier) in events.iter().enumerate() {
        for later in events.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, event)| event) {
            if let Some(sentence) = after(earlier, later, events) {
                found.push(format!("{sentence}: first {earlier:?}, then {later:?}"));
            }
        }
    }
    found.iter().map(|sentence| format!("file {file}: {sentence}")).collect()
}

/// Two acknowledged writes with one revision are two masters.
fn revisions_are_unique(events: &[&Event], found: &mut Vec<String>) {
    let mut seen: BTreeMap<u64, &Event> = BTreeMap::new();
    for event in events.iter().filter(|event| matches!(event.act, Act::Create { .. } | Act::Update { .. })) {
        if let Saw::Done { revision } = event.saw {
            // A repeated create answers with the file as it is: with whatever revision it has by then.
            if matches!(event.act, Act::Create { .. }) && revision != 1 {
                continue;
            }
            if let Some(other) = seen.insert(revision, event) {
                found.push(format!("revision {revision} was given twice: {other:?} and {event:?}"));
            }
        }
    }
}

/// What is shown was written by somebody, and a revision shows one thing only.
fn marks_were_written(events: &[&Event], found: &mut Vec<String>) {
    let mut shown: BTreeMap<u64, &str> = BTreeMap::new();
    for event in events {
        let (Act::Update { mark } | Act::Create { mark }, Saw::Done { revision }) = (&event.act, &event.saw) else {
            continue;
        };
        if matches!(event.act, Act::Update { .. }) || *revision == 1 {
            shown.insert(*revision, mark);
        }
    }
    for event in events {
        let Saw::Shown { revision, mark } = &event.saw else { continue };
        let written = events.iter().any(|other| {
            matches!(&other.act, Act::Create { mark: own } | Act::Update { mark: own } if own == mark)
                && other.began <= event.ended
                && other.saw != Saw::Refused
        });
        if !written {
            found.push(format!("nobody wrote what was shown, or it was refused: {event:?}"));
        }
        if let Some(other) = shown.insert(*revision, mark).filter(|other| other != mark) {
            found.push(format!("revision {revision} is both {other:?} and {mark:?}: {event:?}"));
        }
    }
}

/// What must not be seen after something else was seen. One node may not show less than it showed; another one may be
/// behind by [`LAG`].
fn after(earlier: &Event, later: &Event, events: &[&Event]) -> Option<&'static str> {
    let behind = if earlier.node == later.node { std::time::Duration::ZERO } else { LAG };
    if later.began <= earlier.ended + behind || later.act != Act::Read {
        return None;
    }
    let deleting = || {
        events.iter().any(|event| event.act == Act::Delete && event.began <= later.ended && event.saw != Saw::Refused)
    };
    let known = match (&earlier.act, &earlier.saw) {
        (Act::Create { .. } | Act::Update { .. }, Saw::Done { revision })
        | (Act::Read, Saw::Shown { revision, .. }) => *revision,
        (Act::Delete, Saw::Done { .. }) => {
            return matches!(later.saw, Saw::Shown { .. }).then_some("a deleted file has returned");
        }
        (Act::Read, Saw::Gone) => {
            let created = events.iter().any(|event| {
                matches!((&event.act, &event.saw), (Act::Create { .. }, Saw::Done { .. }))
                    && event.ended < earlier.began
            });
            return (created && matches!(later.saw, Saw::Shown { .. })).then_some("a file that was gone has returned");
        }
        _ => return None,
    };
    match &later.saw {
        Saw::Shown { revision, .. } if *revision < known => Some("a revision went back"),
        Saw::Gone if !deleting() => Some("a file is lost"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Act, Event, Saw};
    use super::violations;

    fn event(node: usize, second: u64, act: Act, saw: Saw) -> Event {
        let began = Duration::from_secs(second * 10);
        Event { client: 0, node, file: 7, began, ended: began + Duration::from_secs(1), act, saw }
    }

    fn create(second: u64) -> Event {
        event(0, second, Act::Create { mark: "a".to_owned() }, Saw::Done { revision: 1 })
    }

    fn update(second: u64, mark: &str, revision: u64) -> Event {
        event(1, second, Act::Update { mark: mark.to_owned() }, Saw::Done { revision })
    }

    fn read(second: u64, revision: u64, mark: &str) -> Event {
        event(0, second, Act::Read, Saw::Shown { revision, mark: mark.to_owned() })
    }

    fn said(events: &[Event]) -> String {
        violations(events).join("\n")
    }

    #[test]
    fn a_good_history_is_good() {
        let events = [
            create(1),
            read(2, 1, "a"),
            update(3, "b", 2),
            read(4, 2, "b"),
            event(1, 5, Act::Update { mark: "c".to_owned() }, Saw::Unknown),
            read(6, 3, "c"),
            event(1, 7, Act::Delete, Saw::Unknown),
            event(0, 8, Act::Read, Saw::Gone),
        ];
        assert_eq!(said(&events), "");
    }

    #[test]
    fn each_broken_promise_is_named() {
        assert!(said(&[create(1), event(1, 2, Act::Read, Saw::Gone)]).contains("a file is lost"));
        assert!(said(&[create(1), update(2, "b", 2), read(3, 1, "a")]).contains("a revision went back"));
        assert!(said(&[create(1), update(2, "b", 2), update(3, "c", 2)]).contains("given twice"));
        assert!(
            said(&[create(1), event(1, 2, Act::Delete, Saw::Done { revision: 0 }), read(3, 1, "a")])
                .contains("deleted file has returned")
        );
        assert!(
            said(&[
                create(1),
                event(1, 2, Act::Delete, Saw::Unknown),
                event(0, 3, Act::Read, Saw::Gone),
                read(4, 1, "a")
            ])
            .contains("gone has returned")
        );
        assert!(said(&[create(1), read(2, 1, "z")]).contains("nobody wrote"));
        assert!(
            said(&[create(1), event(1, 2, Act::Update { mark: "b".to_owned() }, Saw::Refused), read(3, 2, "b")])
                .contains("refused")
        );
    }

    #[test]
    fn another_node_may_be_behind_for_a_moment_and_the_same_one_may_not() {
        let mut late = read(2, 1, "a");
        let written = update(1, "b", 2);
        late.began = written.ended + Duration::from_secs(1);
        late.ended = late.began;
        assert_eq!(said(&[create(0), written.clone(), late.clone()]), "");
        late.node = written.node;
        assert!(said(&[create(0), written, late]).contains("a revision went back"));
    }
}
