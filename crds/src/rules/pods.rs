//! Rules about what reaches the nodes' process: settings that the operator writes come from nowhere else.

use super::{Place, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "config-owned",
        place: Place::Spec,
        field: Some(".config"),
        cel: "!has(self.config) || !(has(self.config.element) || has(self.config.election) || has(self.config.storage) \
              || has(self.config.database) || has(self.config.auth) || has(self.config.retention) || has(self.config.tls) \
              || has(self.config.server) || has(self.config.peer))",
        message: "the operator writes element, election, storage, database, auth, retention, tls, server and peer: use the \
                  fields of spec instead",
    },
    Rule {
        name: "env-owned",
        place: Place::Spec,
        field: Some(".podTemplate.env"),
        cel: "!has(self.podTemplate) || !has(self.podTemplate.env) \
              || self.podTemplate.env.all(e, !e.name.startsWith('SE_') && !e.name.startsWith('STORAGE_ELEMENT_'))",
        message: "names beginning with SE_ or STORAGE_ELEMENT_ are the node's settings: use config, or the fields of spec",
    },
    Rule {
        name: "env-source",
        place: Place::Spec,
        field: Some(".podTemplate.env"),
        cel: "!has(self.podTemplate) || !has(self.podTemplate.env) || self.podTemplate.env.all(e, !has(e.valueFrom) \
              || (!has(e.value) && [has(e.valueFrom.secretKeyRef), has(e.valueFrom.configMapKeyRef), \
              has(e.valueFrom.fieldRef), has(e.valueFrom.resourceFieldRef)].filter(x, x).size() == 1))",
        message: "each variable has a value, or exactly one source in valueFrom",
    },
];
