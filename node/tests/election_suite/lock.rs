//! Locks of the operating system, and what only they can be shown to do.

use std::path::PathBuf;

use storage_node::election::Election;
use storage_node::election::lock::LockElection;
use storage_node::storage::StorageError;
use tempfile::TempDir;

use crate::Make;

/// The two locks of one element: on the volume, and beside the catalog.
pub struct Locks(TempDir);

impl Locks {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn paths(&self) -> [PathBuf; 2] {
        [self.0.path().join("lock"), self.0.path().join("catalog.sqlite.lock")]
    }
}

impl Make for Locks {
    fn stand(&self) -> Result<Box<dyn Election>, String> {
        match LockElection::acquire(&self.paths()) {
            Ok(election) => Ok(Box::new(election)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Neither a volume with another catalog nor a catalog with another volume is served twice, and who was refused holds
/// on to nothing.
#[test]
fn each_of_the_locks_is_enough_to_refuse() {
    let locks = Locks::new();
    let [volume, catalog] = locks.paths();
    for taken in [&volume, &catalog] {
        let held = LockElection::acquire(std::slice::from_ref(taken)).unwrap();
        let refused = LockElection::acquire(&locks.paths());
        let named = taken.display().to_string();
        assert!(matches!(refused, Err(StorageError::Locked { path, .. }) if path == named));
        let other = if *taken == volume { &catalog } else { &volume };
        drop(LockElection::acquire(std::slice::from_ref(other)).unwrap());
        drop(held);
    }
    locks.stand().unwrap().check().unwrap();
}

/// What stands in the file is for people: a name left by a dead process keeps nobody out.
#[test]
fn only_the_lock_counts_not_what_is_written_there() {
    let locks = Locks::new();
    for path in locks.paths() {
        std::fs::write(path, "process 1 on a machine that is long gone, with a name longer than the next one\n")
            .unwrap();
    }
    let master = locks.stand().unwrap();
    let written = std::fs::read_to_string(&locks.paths()[0]).unwrap();
    assert_eq!(written.trim(), master.holder());
}

#[test]
fn a_place_where_no_lock_can_be_is_said() {
    let locks = Locks::new();
    let missing = locks.0.path().join("not there/lock");
    let refused = LockElection::acquire(std::slice::from_ref(&missing)).err().unwrap();
    assert!(refused.to_string().contains(&missing.display().to_string()), "{refused}");
}
