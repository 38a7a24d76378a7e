//! Rules about steps of the mode. They are judged at the root, against `status.mode`: the mode that was asked for last may
//! never have been reached, or lifecycle may have gone beyond it.

use super::{Place, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "mode-edit",
        place: Place::Root,
        field: Some(".spec.mode"),
        cel: "self.spec.mode == oldSelf.spec.mode || !has(self.status) || !has(self.status.mode) \
              || (self.spec.mode == 'edit') == (self.status.mode == 'edit')",
        message: "edit is never left and never entered: set it back to status.mode, or declare another StorageElement and \
                  copy the files",
    },
    Rule {
        name: "mode-step",
        place: Place::Root,
        field: Some(".spec.mode"),
        cel: "self.spec.mode == oldSelf.spec.mode || !has(self.status) || !has(self.status.mode) \
              || self.spec.mode == 'edit' || self.status.mode == 'edit' || self.spec.mode == self.status.mode \
              || (self.status.mode == 'rw' && self.spec.mode == 'ro') \
              || (self.status.mode == 'ro' && self.spec.mode == 'ar') \
              || (has(self.spec.transition.rollback) && self.spec.transition.rollback.from == self.status.mode \
              && self.spec.transition.rollback.to == self.spec.mode)",
        message: "the mode moves one step from status.mode, rw to ro or ro to ar, and status.mode itself cancels a step; for a \
                  step back set transition.rollback {from: status.mode, to: mode, requestID} in the same change",
    },
    Rule {
        name: "rollback-step",
        place: Place::Spec,
        field: Some(".transition.rollback"),
        cel: "!has(self.transition.rollback) \
              || (self.transition.rollback.from == 'ro' && self.transition.rollback.to == 'rw') \
              || (self.transition.rollback.from == 'ar' && self.transition.rollback.to == 'ro')",
        message: "a step back is from ro to rw, or from ar to ro",
    },
];
