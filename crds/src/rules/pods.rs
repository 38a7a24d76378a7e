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
              || self.podTemplate.env.all(e, !e.name.startsWith('SE_') && !e.name.startsWith('STORAGE_ELEMENT_') \
              && !(e.name in ['POD_NAME', 'POD_NAMESPACE', 'POD_UID']))",
        message: "names beginning with SE_ or STORAGE_ELEMENT_ are the node's settings: use config, or the fields of spec; POD_NAME, \
                  POD_NAMESPACE and POD_UID are set by the operator",
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
    Rule {
        name: "label-keys",
        place: Place::Spec,
        field: Some(".podTemplate"),
        cel: "!has(self.podTemplate) || (\
              (!has(self.podTemplate.labels) || self.podTemplate.labels.all(key, \
              key.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))) \
              && (!has(self.podTemplate.annotations) || self.podTemplate.annotations.all(key, \
              key.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))) \
              && (!has(self.podTemplate.nodeSelector) || self.podTemplate.nodeSelector.all(key, \
              key.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))))",
        message: "keys of labels, annotations and nodeSelector are NAME or PREFIX/NAME, such as example.org/team: a name of \
                  letters, digits, '-', '_' and '.', at most 63, and a prefix that is a DNS name",
    },
];
