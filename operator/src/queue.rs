//! What is to be reconciled, and when: each element once, never twice at the same time, the earliest wish wins.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cache::Key;

/// A queue of elements with a time for each.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    due: BTreeSet<(Instant, Key)>,
    times: HashMap<Key, Instant>,
    running: HashSet<Key>,
    /// Asked for while running.
    again: HashMap<Key, Instant>,
}

impl State {
    fn add(&mut self, key: Key, at: Instant) {
        if self.running.contains(&key) {
            let earliest = self.again.entry(key).or_insert(at);
            *earliest = at.min(*earliest);
            return;
        }
        if let Some(before) = self.times.get(&key).copied() {
            if before <= at {
                return;
            }
            self.due.remove(&(before, key.clone()));
        }
        self.times.insert(key.clone(), at);
        self.due.insert((at, key));
    }
}

impl Queue {
    /// Asks for `key` after `delay`, or sooner if it was asked for sooner.
    pub fn add(&self, key: Key, delay: Duration) {
        self.state.lock().add(key, Instant::now() + delay);
        self.changed.notify_one();
    }

    /// How many wait, those for later too.
    pub fn len(&self) -> usize {
        let state = self.state.lock();
        state.due.len() + state.again.len()
    }

    /// The next element that is due. It counts as running until [`Queue::done`].
    pub async fn next(&self) -> Key {
        loop {
            let wait_until = {
                let mut state = self.state.lock();
                match state.due.first().cloned() {
                    Some((at, key)) if at <= Instant::now() => {
                        state.due.pop_first();
                        state.times.remove(&key);
                        state.running.insert(key.clone());
                        // Another worker may find the next one due.
                        self.changed.notify_one();
                        return key;
                    }
                    Some((at, _)) => Some(at),
                    None => None,
                }
            };
            match wait_until {
                Some(at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => {}
                        () = self.changed.notified() => {}
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// Ends a run; `again` asks for the next one. What was asked for meanwhile is not forgotten.
    pub fn done(&self, key: &Key, again: Option<Duration>) {
        let mut state = self.state.lock();
        state.running.remove(key);
        let asked = state.again.remove(key);
        for at in asked.into_iter().chain(again.map(|delay| Instant::now() + delay)) {
            state.add(key.clone(), at);
        }
        drop(state);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Queue;
    use crate::cache::Key;

    fn key(name: &str) -> Key {
        Key::new("ns", name)
    }

    #[tokio::test]
    async fn the_earliest_wish_wins_and_each_element_comes_once() {
        let queue = Queue::default();
        queue.add(key("b"), Duration::from_millis(40));
        queue.add(key("a"), Duration::from_mins(1));
        queue.add(key("a"), Duration::ZERO);
        queue.add(key("a"), Duration::from_mins(2));
        assert_eq!(queue.next().await, key("a"));
        assert_eq!(queue.next().await, key("b"));
        queue.done(&key("a"), None);
        queue.done(&key("b"), None);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn what_is_asked_for_while_running_comes_after() {
        let queue = Queue::default();
        queue.add(key("a"), Duration::ZERO);
        let running = queue.next().await;
        queue.add(key("a"), Duration::ZERO);
        assert!(tokio::time::timeout(Duration::from_millis(30), queue.next()).await.is_err());
        queue.done(&running, Some(Duration::from_mins(1)));
        assert_eq!(queue.next().await, key("a"));
        queue.done(&key("a"), None);
        assert_eq!(queue.len(), 0);
    }
}
