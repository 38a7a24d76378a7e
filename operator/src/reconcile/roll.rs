//! Which pod is replaced next: pure, from what is seen to one named step.
//!
//! The StatefulSet replaces nothing by itself (`OnDelete`). Never-ready pods go first: they serve nobody, and a broken
//! revision is got out of by nothing else. Then standbys, one at a time, and the master last: its end is a hand-over.

use super::pods::PodView;

/// What pods should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Their shape.
    pub shape: String,
    /// The StatefulSet's newest revision, if its controller has seen the newest template.
    pub revision: Option<String>,
    /// The mode takes writes: a pod with a read-only volume is of no use.
    pub writable: bool,
    /// How many there shall be.
    pub replicas: usize,
    /// The pod that is master.
    pub master: Option<String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Every pod is as it should be.
    Settled,
    /// Not now, because of this.
    Wait(String),
    /// Delete this pod, for this reason.
    Replace {
        /// Which.
        pod: String,
        /// Its UID: no other of that name.
        uid: String,
        /// Why, for people.
        why: &'static str,
    },
}

/// The next step.
pub fn next(wanted: &Wanted, pods: &[PodView]) -> Step {
    let Some(revision) = &wanted.revision else {
        return Step::Wait("the StatefulSet's controller has not seen the newest template yet".to_owned());
    };
    let is_master = |pod: &PodView| wanted.master.as_ref() == Some(&pod.name);
    let outdated = |pod: &PodView| pod.shape.as_ref() != Some(&wanted.shape) || (pod.sealed && wanted.writable);
    let live: Vec<&PodView> = pods.iter().filter(|pod| !pod.deleting).collect();

    let stuck = live
        .iter()
        .find(|pod| pod.never_ready && !is_master(pod) && (outdated(pod) || pod.revision.as_ref() != Some(revision)));
    if let Some(pod) = stuck {
        return replace(pod, "it never became ready and is not what it should be");
    }
    if !live.iter().any(|pod| outdated(pod)) {
        return Step::Settled;
    }
    if let Some(pod) = pods.iter().find(|pod| pod.deleting) {
        return Step::Wait(format!("pod {} is ending", pod.name));
    }
    if live.len() < wanted.replicas {
        return Step::Wait(format!("{} of {} pods exist", live.len(), wanted.replicas));
    }
    if let Some(pod) = live.iter().find(|pod| !outdated(pod) && !pod.ready) {
        return Step::Wait(format!("pod {} has its new shape and is not ready yet", pod.name));
    }
    let mut left: Vec<&&PodView> = live.iter().filter(|pod| outdated(pod)).collect();
    // The master last; of the others those first that serve nobody; then from the end, as StatefulSets do.
    left.sort_by_key(|pod| (is_master(pod), pod.ready, std::cmp::Reverse(ordinal(&pod.name))));
    match left.first() {
        Some(pod) if is_master(pod) => replace(pod, "every other pod has its new shape; the master hands over"),
        Some(pod) => replace(pod, "it is a standby of the old shape"),
        None => Step::Settled,
    }
}

fn replace(pod: &PodView, why: &'static str) -> Step {
    Step::Replace { pod: pod.name.clone(), uid: pod.uid.clone(), why }
}

fn ordinal(pod: &str) -> u32 {
    pod.rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{PodView, Step, Wanted, next};

    fn pod(name: &str, shape: &str, ready: bool) -> PodView {
        PodView {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            shape: Some(shape.to_owned()),
            revision: Some(format!("rev-{shape}")),
            ready,
            ..PodView::default()
        }
    }

    fn wanted(replicas: usize, master: &str) -> Wanted {
        Wanted {
            shape: "new".to_owned(),
            revision: Some("rev-new".to_owned()),
            writable: true,
            replicas,
            master: Some(master.to_owned()),
        }
    }

    fn replaced(step: &Step) -> &str {
        match step {
            Step::Replace { pod, .. } => pod,
            Step::Settled => "settled",
            Step::Wait(_) => "wait",
        }
    }

    #[test]
    fn standbys_go_one_at_a_time_and_the_master_last() {
        let mut pods = vec![pod("a-0", "old", true), pod("a-1", "old", true), pod("a-2", "old", true)];
        let wanted = wanted(3, "a-2");
        for (expected, index) in [("a-1", 1), ("a-0", 0), ("a-2", 2)] {
            assert_eq!(replaced(&next(&wanted, &pods)), expected);
            // After the last one there is nothing more to replace, whatever still ends or starts.
            let then = if index == 2 { "settled" } else { "wait" };
            pods[index].deleting = true;
            assert_eq!(replaced(&next(&wanted, &pods)), then, "one at a time");
            let mut gone = pods.clone();
            gone.remove(index);
            assert_eq!(replaced(&next(&wanted, &gone)), then);
            pods[index] = pod(&format!("a-{index}"), "new", false);
            pods[index].never_ready = true;
            assert_eq!(replaced(&next(&wanted, &pods)), then, "not ready yet");
            pods[index] = pod(&format!("a-{index}"), "new", true);
        }
        assert_eq!(next(&wanted, &pods), Step::Settled);
    }

    #[test]
    fn a_broken_revision_is_got_out_of() {
        let mut broken = pod("a-1", "broken", false);
        broken.never_ready = true;
        let pods = vec![pod("a-0", "new", true), broken];
        assert_eq!(replaced(&next(&wanted(2, "a-0"), &pods)), "a-1");
        // The fix came without another shape, such as by `adopt`.
        let mut same_shape = pod("a-0", "new", false);
        same_shape.never_ready = true;
        same_shape.revision = Some("rev-before".to_owned());
        assert_eq!(replaced(&next(&wanted(1, "none"), &[same_shape.clone()])), "a-0");
        same_shape.revision = Some("rev-new".to_owned());
        assert_eq!(next(&wanted(1, "none"), &[same_shape]), Step::Settled, "left to come up");
    }

    #[test]
    fn a_new_pod_that_does_not_become_ready_stops_the_roll() {
        let mut broken = pod("a-1", "new", false);
        broken.never_ready = true;
        let pods = vec![pod("a-0", "old", true), broken];
        assert_eq!(replaced(&next(&wanted(2, "a-0"), &pods)), "wait");
    }

    #[test]
    fn an_upgrade_of_the_operator_restarts_nothing() {
        let mut pods = vec![pod("a-0", "new", true), pod("a-1", "new", true)];
        for pod in &mut pods {
            pod.revision = Some("rev-of-the-old-operator".to_owned());
        }
        assert_eq!(next(&wanted(2, "a-0"), &pods), Step::Settled);
        pods[1].ready = false;
        assert_eq!(next(&wanted(2, "a-0"), &pods), Step::Settled, "ready once, it is not stuck");
    }

    #[test]
    fn nothing_is_deleted_before_the_controller_knows_the_template() {
        let wanted = Wanted { revision: None, ..wanted(1, "a-0") };
        assert_eq!(replaced(&next(&wanted, &[pod("a-0", "old", true)])), "wait");
    }

    #[test]
    fn one_unready_old_standby_goes_before_ready_ones() {
        let pods = vec![pod("a-0", "old", false), pod("a-1", "old", true), pod("a-2", "old", true)];
        assert_eq!(replaced(&next(&wanted(3, "a-2"), &pods)), "a-0");
    }
}
