//! What belongs to each element, as the watches last saw it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use kube::api::DynamicObject;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::trim::trim;
use super::{Key, Kind};
use crate::names::ELEMENT_LABEL;

/// How many deletions are remembered, so that the late answer to a write does not bring an object back.
const REMEMBERED_DELETIONS: usize = 4096;

/// An object that belongs to an element.
#[derive(Clone, Debug)]
pub struct Child {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The UID of the controller that owns it.
    pub owner: Option<String>,
    /// It is on its way out.
    pub deleting: bool,
    /// `metadata.resourceVersion` as a number, to tell older from newer.
    version: u64,
    /// The hash of the wish that the API server said it fulfils already.
    verified: Option<u64>,
    /// The rest, as JSON: a third of what the parsed value takes.
    body: Box<[u8]>,
}

impl Child {
    /// The object without what [`trim`] takes away.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The object as its own type; `None` if it cannot be read as that.
    pub fn parsed<K: DeserializeOwned>(&self) -> Option<K> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether the API server said that the object fulfils the wish with this hash.
    pub fn is_verified(&self, wish: u64) -> bool {
        self.verified == Some(wish)
    }

    /// `metadata.resourceVersion`, for a write that shall fail when somebody else has written since.
    pub fn resource_version(&self) -> String {
        self.version.to_string()
    }

    fn of(kind: Kind, object: DynamicObject) -> Option<(Key, Self)> {
        let metadata = &object.metadata;
        let element = metadata.labels.as_ref()?.get(ELEMENT_LABEL)?.clone();
        let key = Key::new(metadata.namespace.clone()?, element);
        let owners = metadata.owner_references.as_deref().unwrap_or_default();
        let owner = owners.iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.clone());
        let (name, uid) = (metadata.name.clone()?, metadata.uid.clone()?);
        let version = metadata.resource_version.as_deref()?.parse().unwrap_or(0);
        let deleting = metadata.deletion_timestamp.is_some();
        let mut value = serde_json::to_value(object).ok()?;
        trim(kind, &mut value);
        let body = serde_json::to_vec(&value).ok()?.into_boxed_slice();
        Some((key, Self { kind, name, uid, owner, deleting, version, verified: None, body }))
    }
}

/// All children, by element.
#[derive(Default)]
pub struct Children {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    children: HashMap<Key, BTreeMap<(Kind, String), Arc<Child>>>,
    deleted: VecDeque<String>,
}

impl Children {
    /// What belongs to `key`.
    pub fn of(&self, key: &Key) -> Vec<Arc<Child>> {
        self.state.lock().children.get(key).map(|children| children.values().cloned().collect()).unwrap_or_default()
    }

    /// Takes in an object. Returns the element if this is news to it.
    pub fn put(&self, kind: Kind, object: DynamicObject) -> Option<Key> {
        self.take(kind, object, None)
    }

    /// Takes in the answer to a write that fulfils the wish with this hash.
    pub fn put_verified(&self, kind: Kind, object: DynamicObject, wish: u64) {
        self.take(kind, object, Some(wish));
    }

    fn take(&self, kind: Kind, object: DynamicObject, wish: Option<u64>) -> Option<Key> {
        let (key, mut child) = Child::of(kind, object)?;
        child.verified = wish;
        let mut state = self.state.lock();
        // Watches bring things in order; only the answer to a write may come after the deletion.
        if wish.is_some() && state.deleted.contains(&child.uid) {
            return None;
        }
        let of_element = state.children.entry(key.clone()).or_default();
        let place = (kind, child.name.clone());
        let news = match of_element.get(&place) {
            Some(known) if known.uid == child.uid => {
                if known.version > child.version || (known.version == child.version && wish.is_none()) {
                    return None;
                }
                // What is the same but for its version fulfils the same wishes.
                if known.body == child.body && child.verified.is_none() {
                    child.verified = known.verified;
                }
                known.body != child.body
            }
            _ => true,
        };
        of_element.insert(place, Arc::new(child));
        news.then_some(key)
    }

    /// Takes out an object. Returns the element if it had it.
    pub fn remove(&self, kind: Kind, object: &DynamicObject) -> Option<Key> {
        let metadata = &object.metadata;
        let element = metadata.labels.as_ref().and_then(|labels| labels.get(ELEMENT_LABEL))?;
        let key = Key::new(metadata.namespace.clone()?, element.clone());
        let (name, uid) = (metadata.name.clone()?, metadata.uid.clone()?);
        self.forget(&key, kind, &name, &uid).then_some(key)
    }

    /// Takes out an object by its UID: what was deleted, or never was ours.
    pub fn forget(&self, key: &Key, kind: Kind, name: &str, uid: &str) -> bool {
        let mut state = self.state.lock();
        state.deleted.push_back(uid.to_owned());
        if state.deleted.len() > REMEMBERED_DELETIONS {
            state.deleted.pop_front();
        }
        let Some(of_element) = state.children.get_mut(key) else { return false };
        let place = (kind, name.to_owned());
        let had = of_element.get(&place).is_some_and(|child| child.uid == uid);
        if had {
            of_element.remove(&place);
        }
        if of_element.is_empty() {
            state.children.remove(key);
        }
        had
    }

    /// After a new list of `kind` in `namespace` (`None`: all): what is not among `seen` is gone. Returns whose it was.
    pub fn retain(&self, kind: Kind, namespace: Option<&str>, seen: &HashSet<String>) -> Vec<Key> {
        let mut state = self.state.lock();
        let mut losers = Vec::new();
        for (key, of_element) in &mut state.children {
            if namespace.is_some_and(|namespace| namespace != key.namespace) {
                continue;
            }
            let before = of_element.len();
            of_element.retain(|(of_kind, _), child| *of_kind != kind || seen.contains(&child.uid));
            if of_element.len() < before {
                losers.push(key.clone());
            }
        }
        state.children.retain(|_, of_element| !of_element.is_empty());
        losers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kube::api::DynamicObject;
    use serde_json::{Value, json};

    use super::Children;
    use crate::cache::{Key, Kind};

    fn object(kind: &str, version: u64, spec: &Value) -> DynamicObject {
        let value = json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": {"name": "a", "namespace": "ns", "uid": "u1", "resourceVersion": version.to_string(),
                         "labels": {"storage.artstore.dev/element": "a"}},
            "spec": spec,
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_renewed_lease_is_no_news_and_another_holder_is() {
        let children = Children::default();
        let lease = |version, holder: &str, renewed: &str| {
            object("Lease", version, &json!({"holderIdentity": holder, "renewTime": renewed}))
        };
        let key = Key::new("ns", "a");
        assert_eq!(children.put(Kind::Lease, lease(1, "x", "1")), Some(key.clone()));
        assert_eq!(children.put(Kind::Lease, lease(2, "x", "2")), None);
        assert_eq!(children.put(Kind::Lease, lease(3, "y", "3")), Some(key));
    }

    #[test]
    fn the_answer_to_a_write_is_no_news_when_the_watch_brings_it() {
        let children = Children::default();
        let key = Key::new("ns", "a");
        children.put_verified(Kind::Service, object("Service", 5, &json!({"x": 1})), 7);
        assert_eq!(children.put(Kind::Service, object("Service", 5, &json!({"x": 1}))), None);
        assert!(children.of(&key)[0].is_verified(7), "what the write said is kept");
        assert_eq!(children.put(Kind::Service, object("Service", 4, &json!({"x": 0}))), None, "older than known");
        assert_eq!(children.put(Kind::Service, object("Service", 6, &json!({"x": 2}))), Some(key.clone()));
        assert!(!children.of(&key)[0].is_verified(7), "somebody changed it since");
    }

    #[test]
    fn what_is_gone_does_not_come_back_with_a_late_answer() {
        let children = Children::default();
        let key = Key::new("ns", "a");
        children.put(Kind::Service, object("Service", 5, &json!({})));
        assert_eq!(children.remove(Kind::Service, &object("Service", 6, &json!({}))), Some(key.clone()));
        children.put_verified(Kind::Service, object("Service", 5, &json!({})), 1);
        assert!(children.of(&key).is_empty());
    }

    #[test]
    fn a_new_list_takes_away_what_it_does_not_name() {
        let children = Children::default();
        let key = Key::new("ns", "a");
        children.put(Kind::Service, object("Service", 5, &json!({})));
        assert!(children.retain(Kind::Service, Some("other"), &HashSet::new()).is_empty());
        assert!(children.retain(Kind::Role, None, &HashSet::new()).is_empty());
        assert_eq!(children.retain(Kind::Service, None, &HashSet::new()), vec![key.clone()]);
        assert!(children.of(&key).is_empty());
    }
}
