//! Who is the master, as this node last saw it.

use tokio::sync::watch;

use crate::model::Epoch;

/// A master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterSeen {
    /// As it calls itself.
    pub holder: String,
    /// Host and port of its peer port; `None` where it has none.
    pub address: Option<String>,
    /// The term in which it is master.
    pub epoch: Epoch,
}

/// Who is the master, followed: told by whoever learns of it, read by whoever passes writes on. Cheap to clone; all
/// clones are one.
#[derive(Clone, Debug)]
pub struct Mastership(watch::Sender<Option<MasterSeen>>);

impl Default for Mastership {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Mastership {
    /// The master as last seen; `None` while there is none, or none is known.
    pub fn seen(&self) -> Option<MasterSeen> {
        self.0.borrow().clone()
    }

    /// Follows it.
    pub fn watch(&self) -> watch::Receiver<Option<MasterSeen>> {
        self.0.subscribe()
    }

    /// Somebody has become master, or nobody is. Only a change wakes those that follow.
    pub fn saw(&self, master: Option<MasterSeen>) {
        self.0.send_if_modified(|seen| {
            let changed = *seen != master;
            *seen = master;
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{MasterSeen, Mastership};

    #[test]
    fn only_a_change_wakes_those_that_follow() {
        let mastership = Mastership::default();
        let mut following = mastership.clone().watch();
        let master = MasterSeen { holder: "a".to_owned(), address: Some("a:8443".to_owned()), epoch: 3 };
        mastership.saw(Some(master.clone()));
        assert!(following.has_changed().unwrap());
        assert_eq!(following.borrow_and_update().clone(), Some(master.clone()));
        mastership.saw(Some(master));
        assert!(!following.has_changed().unwrap());
        mastership.saw(None);
        assert_eq!(mastership.seen(), None);
    }
}
