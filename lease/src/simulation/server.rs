//! The API server, as far as one Lease sees it.

use crate::protocol::{Answer, Seen, Write};

/// One change of the Lease, as a watch shows it.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Is(Seen),
    Deleted { uid: String },
}

/// The Lease, and all that ever happened to it.
#[derive(Debug)]
pub(super) struct Server {
    lease: Option<Seen>,
    pub(super) version: u64,
    /// When it last changed.
    pub(super) changed_at: u64,
    uids: u64,
    /// Versions rise, so a watch begins after one.
    pub(super) changes: Vec<(u64, Change)>,
    /// A candidate made a Lease, which only the operator may.
    pub(super) made_by_a_candidate: bool,
}

impl Server {
    pub(super) fn new() -> Self {
        let mut server =
            Self { lease: None, version: 100, changed_at: 0, uids: 0, changes: Vec::new(), made_by_a_candidate: false };
        server.make();
        server
    }

    /// The operator makes the Lease, if there is none.
    pub(super) fn make(&mut self) {
        if self.lease.is_none() {
            self.uids += 1;
            let uid = format!("uid-{}", self.uids);
            let version = String::new();
            self.store(Seen { uid, version, holder: None, transitions: 0, duration: None, renewed_micros: None });
        }
    }

    pub(super) fn delete(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.version += 1;
            self.changes.push((self.version, Change::Deleted { uid: lease.uid }));
        }
    }

    /// Whether, since that version, it was ever anything but held by that name with those transitions.
    pub(super) fn was_lost_since(&self, version: u64, holder: &str, transitions: u64) -> bool {
        let since = self.changes.partition_point(|(changed, _)| *changed <= version);
        self.changes[since..].iter().any(|(_, change)| match change {
            Change::Is(seen) => seen.holder.as_deref() != Some(holder) || seen.transitions != transitions,
            Change::Deleted { .. } => true,
        })
    }

    /// Somebody labels it, or edits its duration by hand.
    pub(super) fn touch(&mut self, edit: impl FnOnce(&mut Seen)) {
        if let Some(mut lease) = self.lease.clone() {
            edit(&mut lease);
            self.store(lease);
        }
    }

    pub(super) fn get(&self) -> Answer {
        self.lease.clone().map_or(Answer::NotFound, Answer::Lease)
    }

    /// As the real one: an update without a UID, of a Lease that is not there, makes it, whatever version it names.
    pub(super) fn put(&mut self, write: &Write) -> Answer {
        let named = &write.base;
        let uid = match &self.lease {
            None if named.uid.is_empty() => {
                self.made_by_a_candidate = true;
                "made".to_owned()
            }
            None => return Answer::Conflict,
            Some(lease) if !named.uid.is_empty() && named.uid != lease.uid => return Answer::Conflict,
            Some(lease) if !named.version.is_empty() && named.version != lease.version => return Answer::Conflict,
            Some(lease) => lease.uid.clone(),
        };
        self.store(Seen {
            uid,
            version: String::new(),
            holder: write.holder.clone(),
            transitions: write.transitions,
            duration: Some(write.duration),
            renewed_micros: Some(write.wall_micros),
        });
        self.get()
    }

    fn store(&mut self, mut lease: Seen) {
        // Other objects of the cluster have versions too.
        self.version += 3;
        lease.version = self.version.to_string();
        self.changes.push((self.version, Change::Is(lease.clone())));
        self.lease = Some(lease);
    }
}
