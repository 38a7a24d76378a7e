//! A lane: work that waits together is done together.

use std::collections::{HashSet, VecDeque};

use tokio::sync::mpsc::Receiver;
use uuid::Uuid;

/// Work for a lane.
pub(super) trait Lined {
    /// The file it is about. A file stands once in a group.
    fn file_id(&self) -> Option<Uuid>;
}

/// What waits, on the side that works.
pub(super) struct Lane<W> {
    taken: Receiver<W>,
    /// Work on a file that stood in the last group already, oldest first.
    deferred: VecDeque<W>,
    /// The most that is done together.
    most: usize,
}

impl<W: Lined> Lane<W> {
    pub(super) fn new(taken: Receiver<W>, most: usize) -> Self {
        Self { taken, deferred: VecDeque::new(), most }
    }

    /// All that waits now, in the order it came, at most one piece for each file; waits for the first piece. `None` when
    /// nothing can come any more.
    pub(super) async fn next(&mut self) -> Option<Vec<W>> {
        let mut group = Group { files: HashSet::new(), work: Vec::new() };
        let mut again = VecDeque::new();
        for work in std::mem::take(&mut self.deferred) {
            if group.work.len() < self.most {
                again.extend(group.take(work));
            } else {
                again.push_back(work);
            }
        }
        self.deferred = again;
        if group.work.is_empty() {
            group.take(self.taken.recv().await?);
        }
        // No more is kept aside than fits a group, so that what waits stays in the bounded channel.
        while group.work.len() < self.most && self.deferred.len() < self.most {
            let Ok(work) = self.taken.try_recv() else { break };
            self.deferred.extend(group.take(work));
        }
        Some(group.work)
    }
}

struct Group<W> {
    files: HashSet<Uuid>,
    work: Vec<W>,
}

impl<W: Lined> Group<W> {
    /// Gives the piece back when its file stands in the group already.
    fn take(&mut self, work: W) -> Option<W> {
        if work.file_id().is_some_and(|file_id| !self.files.insert(file_id)) {
            return Some(work);
        }
        self.work.push(work);
        None
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use uuid::Uuid;

    use super::{Lane, Lined};

    impl Lined for (u128, u32) {
        fn file_id(&self) -> Option<Uuid> {
            (self.0 > 0).then(|| Uuid::from_u128(self.0))
        }
    }

    #[tokio::test]
    async fn a_file_stands_once_in_a_group_and_keeps_its_order() {
        let (give, taken) = mpsc::channel(16);
        for work in [(1, 1), (2, 2), (1, 3), (0, 4), (0, 5), (1, 6)] {
            give.send(work).await.unwrap();
        }
        drop(give);
        let mut lane = Lane::new(taken, 4);
        assert_eq!(lane.next().await, Some(vec![(1, 1), (2, 2), (0, 4), (0, 5)]));
        assert_eq!(lane.next().await, Some(vec![(1, 3)]));
        assert_eq!(lane.next().await, Some(vec![(1, 6)]));
        assert_eq!(lane.next().await, None);
    }
}
