//! For each rule what it refuses, and what it lets pass: judged by the tests of this crate and by a real API server.

mod element;
mod life;
mod mode;
mod pods;
mod storage;

use serde_json::{Map, Value, json};

/// What has to happen to an [`Example`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The API server refuses it with the rule's message.
    Refused,
    /// The API server takes it.
    Allowed,
}

/// An object that is created, or a change to one that exists.
#[derive(Clone, Debug)]
pub struct Example {
    /// The rule it is about.
    pub rule: &'static str,
    /// What is tried, in words.
    pub what: &'static str,
    /// What has to happen.
    pub verdict: Verdict,
    /// The `spec` that exists, when this is a change.
    pub old: Option<Value>,
    /// The `status` that exists, `null` when there is none.
    pub status: Value,
    /// The `spec` that is tried.
    pub new: Value,
    /// The object's name; most examples do not care.
    pub name: Option<&'static str>,
}

impl Example {
    /// The object that exists before, under the name `name` where the example has none of its own.
    pub fn old_object(&self, name: &str) -> Option<Value> {
        self.old.as_ref().map(|spec| self.object(name, spec))
    }

    /// The object that is tried.
    pub fn new_object(&self, name: &str) -> Value {
        self.object(name, &self.new)
    }

    fn object(&self, name: &str, spec: &Value) -> Value {
        let mut object = json!({
            "apiVersion": "storage.artstore.dev/v1alpha1",
            "kind": "StorageElement",
            "metadata": {"name": self.name.unwrap_or(name)},
            "spec": spec,
        });
        if !self.status.is_null() {
            merge(&mut object, &json!({"status": self.status}));
        }
        object
    }
}

/// Every example.
pub fn all() -> Vec<Example> {
    [element::examples(), mode::examples(), storage::examples(), life::examples(), pods::examples()].concat()
}

/// One replica in `rw`, a volume, everything else by default.
fn local() -> Value {
    json!({"mode": "rw", "backend": {"local": {"size": "10Gi"}}})
}

/// Three replicas on a shared volume and PostgreSQL.
fn shared() -> Value {
    json!({
        "mode": "rw",
        "replicas": 3,
        "backend": {"local": {"size": "10Gi", "storageClassName": "shared", "accessModes": ["ReadWriteMany"]}},
        "database": {"postgres": {"secretRef": {"name": "db", "key": "uri"}}},
    })
}

/// Three replicas on a bucket and PostgreSQL.
fn s3() -> Value {
    json!({
        "mode": "rw",
        "replicas": 3,
        "backend": {"s3": {"bucket": "files", "prefix": "one/", "credentialsSecretRef": {"name": "s3"}}},
        "database": {"postgres": {"secretRef": {"name": "db"}}},
    })
}

/// A working area.
fn edit() -> Value {
    json!({"mode": "edit", "backend": {"local": {"size": "10Gi"}}})
}

/// `spec` with `patch` merged into it.
fn with(mut spec: Value, patch: &Value) -> Value {
    merge(&mut spec, patch);
    spec
}

/// An object that is created.
fn create(rule: &'static str, verdict: Verdict, what: &'static str, new: Value) -> Example {
    Example { rule, what, verdict, old: None, status: Value::Null, new, name: None }
}

/// A change, by merge patch, to `old`.
fn change(rule: &'static str, verdict: Verdict, what: &'static str, old: Value, patch: &Value) -> Example {
    change_with_status(rule, verdict, what, old, Value::Null, patch)
}

/// A change, by merge patch, to `old`, whose status is `status`.
fn change_with_status(
    rule: &'static str,
    verdict: Verdict,
    what: &'static str,
    old: Value,
    status: Value,
    patch: &Value,
) -> Example {
    let new = with(old.clone(), patch);
    Example { rule, what, verdict, old: Some(old), status, new, name: None }
}

/// A JSON merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else {
                merge(target.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
    }
}
