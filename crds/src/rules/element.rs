//! Rules about the element as a whole: its name, its identity, how many nodes it has, its keys.

use super::{Place, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "name",
        place: Place::Root,
        field: None,
        cel: "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 40",
        message: "metadata.name: use at most 40 lower-case letters, digits and '-', beginning with a letter and not ending \
                  with '-': the names of all that is built from the element begin with it",
    },
    Rule {
        name: "adopt-same-element",
        place: Place::Root,
        field: Some(".spec.adopt"),
        cel: "!has(self.spec.adopt) || !has(self.status) || !has(self.status.elementID) \
              || self.spec.adopt.elementID == self.status.elementID \
              || (has(oldSelf.spec.adopt) && oldSelf.spec.adopt.elementID == self.spec.adopt.elementID)",
        message: "adopt.elementID must be status.elementID: this object has an element already; declare another \
                  StorageElement to take over another one",
    },
    Rule {
        name: "replicas-need-postgres",
        place: Place::Spec,
        field: Some(".replicas"),
        cel: "self.replicas <= 1 || has(self.database.postgres)",
        message: "more than one replica needs database.postgres: the embedded catalog belongs to one node; set replicas to 1, \
                  or declare the element with database.postgres",
    },
    Rule {
        name: "replicas-need-shared-storage",
        place: Place::Spec,
        field: Some(".replicas"),
        cel: "self.replicas <= 1 || !has(self.backend.local) || 'ReadWriteMany' in self.backend.local.accessModes",
        message: "more than one replica needs shared storage: set replicas to 1, or declare the element with backend.s3, or \
                  with backend.local.accessModes [ReadWriteMany]",
    },
    Rule {
        name: "election-deadline",
        place: Place::Spec,
        field: Some(".election"),
        cel: "self.election.leaseDurationSeconds > self.election.renewDeadlineSeconds",
        message: "leaseDurationSeconds must be longer than renewDeadlineSeconds: a master has to stop before another takes \
                  over",
    },
    Rule {
        name: "election-retry",
        place: Place::Spec,
        field: Some(".election"),
        cel: "self.election.renewDeadlineSeconds * 5 > self.election.retryPeriodSeconds * 6",
        message: "renewDeadlineSeconds must be longer than 1.2 times retryPeriodSeconds: a master has to try twice before it \
                  stops",
    },
    Rule {
        name: "keys-overlap-tokens",
        place: Place::Spec,
        field: Some(".auth.jwt.keys"),
        cel: "self.auth.jwt.keys.overlapHours >= self.auth.jwt.keys.maxTokenLifetimeHours",
        message: "overlapHours must not be less than maxTokenLifetimeHours: tokens signed with a replaced key would die early",
    },
    Rule {
        name: "keys-rotation",
        place: Place::Spec,
        field: Some(".auth.jwt.keys"),
        cel: "self.auth.jwt.keys.overlapHours <= self.auth.jwt.keys.rotateEveryDays * 24",
        message: "overlapHours must not be more than the time between two rotations (24 times rotateEveryDays): replaced keys \
                  would pile up",
    },
];
