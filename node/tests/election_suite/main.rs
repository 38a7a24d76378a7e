//! The behaviour every election has, whatever its make. A new make is one line at the end of this file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../lease/tests/keeper/fake.rs"]
#[allow(dead_code, reason = "the Lease's own tests need more of it")]
mod fake;
mod lease;
mod lock;

use storage_node::election::{Election, Role};

/// A make of election, over one element.
pub trait Make {
    /// A candidate's attempt to become master: the mastership, or why not.
    fn stand(&self) -> Result<Box<dyn Election>, String>;
}

fn a_master_knows_who_it_is(make: &impl Make) {
    let master = make.stand().unwrap();
    assert!(!master.holder().is_empty());
    assert!(matches!(master.role(), Role::Master | Role::Standalone));
    master.check().unwrap();
}

fn there_is_one_at_a_time_and_it_is_named(make: &impl Make) {
    let first = make.stand().unwrap();
    for _ in 0..3 {
        let refused = make.stand().err().unwrap();
        assert!(refused.contains(&first.holder()), "{refused}");
    }
    first.check().unwrap();
}

fn what_is_given_back_can_be_had(make: &impl Make) {
    for _ in 0..3 {
        drop(make.stand().unwrap());
    }
}

fn of_many_at_once_one_wins(make: &(impl Make + Sync)) {
    let won: Vec<_> = std::thread::scope(|scope| {
        let candidates: Vec<_> = (0..16).map(|_| scope.spawn(|| make.stand())).collect();
        candidates.into_iter().map(|candidate| candidate.join().unwrap()).collect()
    });
    assert_eq!(won.iter().filter(|stood| stood.is_ok()).count(), 1);
}

/// Runs every behaviour against one make.
macro_rules! suite {
    ($name:ident, $make:expr) => { suite!(@tests $name, $make; a_master_knows_who_it_is,
        there_is_one_at_a_time_and_it_is_named, what_is_given_back_can_be_had, of_many_at_once_one_wins); };
    (@tests $name:ident, $make:expr; $($behaviour:ident),+) => {
        mod $name {
            $(#[test]
            fn $behaviour() {
                crate::$behaviour(&$make);
            })+
        }
    };
}

suite!(by_lock, crate::lock::Locks::new());
suite!(by_lease, crate::lease::Leases::new());
