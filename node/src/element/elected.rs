//! Terms that begin and end while the process lives, and what a node that is not master learns of the element.

use std::sync::atomic::Ordering;

use super::{Closed, Door, Element, ElementFile};
use crate::catalog::ConfigRow;
use crate::model::Term;

/// Before the first write of a term.
pub(super) fn settling() -> Closed {
    Closed::Recovering("interrupted operations are being settled".to_owned())
}

impl Element {
    /// A term of this node has begun; what was interrupted is not settled yet.
    pub fn begin_term(&self, file: ElementFile, term: Term, needs_rebuild: bool) {
        if needs_rebuild {
            self.needs_rebuild.store(true, Ordering::Release);
            // Not as after an outage: the end of the rebuild brings the trust back, nothing else.
            self.catalog_trusted.store(false, Ordering::Release);
        }
        self.gate.close(settling(), false);
        let mut state = self.state.write();
        (state.file, state.term, state.shared, state.transition) = (file, Some(term), None, None);
        state.changes += 1;
    }

    /// `term` of this node is over: no writes any more, running ones end. Nothing happens when another one has begun
    /// since: what tells of the end may come late.
    pub fn step_down(&self, term: Term, reason: &str) {
        let mut state = self.state.write();
        if state.term != Some(term) {
            return;
        }
        tracing::error!(reason, epoch = term.epoch, "this node is no longer the master: it takes no writes any more");
        state.term = None;
        state.transition = None;
        state.changes += 1;
        self.gate.close(Closed::NotMaster(reason.to_owned()), true);
    }

    /// The mode needs no master any more: the term ends in good order.
    pub fn end_term(&self) {
        let mut state = self.state.write();
        state.term = None;
        self.gate.close(Closed::NotMaster("no election runs in this mode".to_owned()), true);
    }

    /// Returns when this node is in no term of its own.
    pub async fn out_of_term(&self) {
        let mut door = self.gate.watch();
        let _ = door.wait_for(|door| matches!(door, Door::Closed { reason: Closed::NotMaster(_), .. })).await;
    }

    /// How many changes this node has made itself, to tell whether what was read meanwhile is still news.
    pub fn changes(&self) -> u64 {
        self.state.read().changes
    }

    /// Takes over what another node wrote: `row`, and with it what only `element.json` says. Nothing happens where this
    /// node is in a term of its own, or has changed something since `changes` was asked for.
    pub fn follow(&self, row: &ConfigRow, file: ElementFile, changes: u64) {
        let mut state = self.state.write();
        if state.term.is_some() || state.changes != changes {
            return;
        }
        let mode = row.mode;
        if state.file.mode != mode {
            tracing::info!(from = %state.file.mode, to = %mode, "another node has changed the mode");
        }
        state.file = ElementFile { mode, mode_changed_at: row.mode_changed_at, epoch: row.epoch, ..file };
        state.transition = row.transition.clone().map(|transition| (transition, row.prepared_until));
        state.shared = row.nonce.filter(|_| !mode.is_writable()).map(|nonce| Term { epoch: row.epoch, nonce });
        drop(state);
        let needed = self.needs_rebuild.swap(row.needs_rebuild, Ordering::AcqRel);
        if row.needs_rebuild {
            self.catalog_trusted.store(false, Ordering::Release);
        } else if !self.has_recovered.swap(true, Ordering::AcqRel) || needed {
            // Not after an outage: whoever noticed it brings the trust back.
            self.catalog_trusted.store(true, Ordering::Release);
        }
    }

    /// Whether the catalog has to be made again before reads trust it.
    pub fn needs_rebuild(&self) -> bool {
        self.needs_rebuild.load(Ordering::Acquire)
    }
}
