//! The StorageElements themselves, as the watches last saw them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use parking_lot::Mutex;
use storage_element_crds::StorageElement;

use super::Key;

/// An element that this version cannot read: one from a newer version, or one with a field that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its UID.
    pub uid: String,
    /// What is wrong with it.
    pub reason: String,
}

/// All elements.
#[derive(Default)]
pub struct Elements {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    readable: HashMap<Key, Arc<StorageElement>>,
    unreadable: HashMap<Key, Unreadable>,
    /// Removed, and nobody was told yet.
    departed: HashMap<Key, Arc<StorageElement>>,
}

impl Elements {
    /// The element, if it is there and can be read.
    pub fn get(&self, key: &Key) -> Option<Arc<StorageElement>> {
        self.state.lock().readable.get(key).cloned()
    }

    /// Why the element cannot be read.
    pub fn unreadable(&self, key: &Key) -> Option<Unreadable> {
        self.state.lock().unreadable.get(key).cloned()
    }

    /// Numbers of elements that can be read, and that cannot.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.readable.len(), state.unreadable.len())
    }

    /// Takes in what a watch brought. Returns the element if it is news.
    pub fn put(&self, DeserializeGuard(object): DeserializeGuard<StorageElement>) -> Option<Key> {
        match object {
            Ok(mut element) => {
                element.metadata.managed_fields = None;
                self.put_readable(element)
            }
            Err(invalid) => {
                let metadata = invalid.metadata;
                let key = Key::new(metadata.namespace?, metadata.name?);
                let unreadable = Unreadable { uid: metadata.uid.unwrap_or_default(), reason: invalid.error };
                let mut state = self.state.lock();
                state.readable.remove(&key);
                let before = state.unreadable.insert(key.clone(), unreadable.clone());
                (before.as_ref() != Some(&unreadable)).then_some(key)
            }
        }
    }

    /// Takes in the answer to a write of our own, so that the watch's echo of it is no news.
    pub fn put_readable(&self, element: StorageElement) -> Option<Key> {
        let key = Key::new(element.namespace()?, element.name_any());
        let mut state = self.state.lock();
        state.unreadable.remove(&key);
        if let Some(known) = state.readable.get(&key)
            && known.metadata.uid == element.metadata.uid
            && version(known) >= version(&element)
        {
            return None;
        }
        state.readable.insert(key.clone(), Arc::new(element));
        Some(key)
    }

    /// Takes out what is gone.
    pub fn remove(&self, object: &DeserializeGuard<StorageElement>) -> Option<Key> {
        let metadata = kube::Resource::meta(object);
        let key = Key::new(metadata.namespace.clone()?, metadata.name.clone()?);
        let mut state = self.state.lock();
        state.unreadable.remove(&key);
        if let Some(element) = state.readable.remove(&key) {
            state.departed.insert(key.clone(), element);
        }
        Some(key)
    }

    /// The element that was removed since this was last asked.
    pub fn departed(&self, key: &Key) -> Option<Arc<StorageElement>> {
        self.state.lock().departed.remove(key)
    }

    /// After a new list of `namespace` (`None`: all): what is not among `seen` is gone.
    pub fn retain(&self, namespace: Option<&str>, seen: &HashSet<Key>) -> Vec<Key> {
        let mut state = self.state.lock();
        let is_gone = |key: &Key| namespace.is_none_or(|namespace| namespace == key.namespace) && !seen.contains(key);
        let gone: Vec<Key> =
            state.readable.keys().chain(state.unreadable.keys()).filter(|key| is_gone(key)).cloned().collect();
        state.readable.retain(|key, _| !is_gone(key));
        state.unreadable.retain(|key, _| !is_gone(key));
        gone
    }
}

fn version(element: &StorageElement) -> u64 {
    element.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}
