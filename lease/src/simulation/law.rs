//! What must hold, whatever happens.

use std::collections::HashMap;

/// A promise that was broken.
#[derive(Clone, Debug)]
pub(super) struct Violation(pub(super) String);

/// A term, and whose: the process, told apart from its earlier lives and from others of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) process: u64,
    pub(super) uid: String,
    pub(super) transitions: u64,
}

/// Remembers terms, and the catalog's epoch.
#[derive(Debug, Default)]
pub(super) struct Law {
    /// Which process had which transitions in which Lease.
    terms: HashMap<(String, u64), u64>,
    /// The highest of each Lease.
    of_lease: HashMap<String, u64>,
    /// The highest of each process, in any Lease.
    of_process: HashMap<u64, u64>,
    /// The catalog's epoch, and which process may write under it.
    epoch: (u64, Option<u64>),
    pub(super) begun: u64,
}

impl Law {
    /// A term goes on in a Lease that was made again.
    pub(super) fn moves(&mut self, term: &Term) -> Result<(), Violation> {
        let Term { process, uid, transitions } = term;
        if self.terms.insert((uid.clone(), *transitions), *process).is_some() {
            return Err(Violation(format!("{term:?} goes on, and has the transitions of an earlier term")));
        }
        let of_lease = self.of_lease.entry(uid.clone()).or_default();
        *of_lease = (*of_lease).max(*transitions);
        Ok(())
    }

    /// A term begins: its numbers are new, and higher than any before.
    pub(super) fn begins(&mut self, term: &Term) -> Result<(), Violation> {
        self.begun += 1;
        let Term { process, uid, transitions } = term;
        if let Some(other) = self.terms.insert((uid.clone(), *transitions), *process) {
            let whose = if other == *process { "its own".to_owned() } else { format!("process {other}'s") };
            return Err(Violation(format!("{term:?} begins, and has the transitions of {whose} earlier term")));
        }
        let of_lease = self.of_lease.entry(uid.clone()).or_default();
        if *transitions <= *of_lease {
            return Err(Violation(format!("{term:?} begins after one with transitions {of_lease} of this Lease")));
        }
        *of_lease = *transitions;
        let of_process = self.of_process.entry(*process).or_default();
        if *transitions <= *of_process {
            return Err(Violation(format!("{term:?} begins after one of its own with transitions {of_process}")));
        }
        *of_process = *transitions;
        // As a node does before it opens for writes: more than any epoch found in the catalog and than the transitions.
        let epoch = self.epoch.0.max(*transitions) + 1;
        self.epoch = (epoch, Some(*process));
        Ok(())
    }

    /// Somebody raised the epoch in the catalog without holding the Lease.
    pub(super) fn pass_epoch(&mut self) {
        self.epoch = (self.epoch.0 + 1, None);
    }

    /// Of those whose own check says that they may write, there is one.
    pub(super) fn one_writer(&self, writers: &[(u64, String)]) -> Result<(), Violation> {
        match writers {
            [] => Ok(()),
            [(process, name)] => match self.epoch.1 {
                Some(epochs) if epochs != *process => {
                    Err(Violation(format!("{name} (process {process}) may write, under the epoch of process {epochs}")))
                }
                _ => Ok(()),
            },
            several => Err(Violation(format!("several may write at one time: {several:?}"))),
        }
    }
}
