//! From a Lease object to what the protocol sees, and back.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

use crate::protocol::{Seen, Write, WriteKind};

/// What the protocol sees of it. `None` for an object that has no UID or version, which no server sends.
pub(super) fn seen(lease: &Lease) -> Option<Seen> {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    Some(Seen {
        uid: lease.metadata.uid.clone()?,
        version: lease.metadata.resource_version.clone()?,
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        transitions: spec.lease_transitions.and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
        duration: seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs),
        renewed_micros: spec.renew_time.map(|time| time.0.as_microsecond()),
    })
}

/// Whether it is that version of that Lease.
pub(super) fn is_version(lease: &Lease, seen: &Seen) -> bool {
    let metadata = &lease.metadata;
    metadata.uid.as_ref() == Some(&seen.uid) && metadata.resource_version.as_ref() == Some(&seen.version)
}

/// The object with a write in it. Its UID and version stay in its metadata, and with them the server refuses it when
/// the Lease has changed (`resourceVersion`), or is gone or another (`uid`). The latter matters: an update of a Lease that
/// does not exist *creates* it, for this kind of object, and `resourceVersion` alone does not prevent that.
pub(super) fn written(mut lease: Lease, write: &Write) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    let time = Timestamp::from_microsecond(write.wall_micros).ok().map(MicroTime);
    // Empty rather than absent, as client-go writes it.
    spec.holder_identity = Some(write.holder.clone().unwrap_or_default());
    spec.lease_transitions = Some(i32::try_from(write.transitions).unwrap_or(i32::MAX));
    spec.lease_duration_seconds = Some(whole_seconds(write.duration));
    if write.kind == WriteKind::Take {
        spec.acquire_time.clone_from(&time);
    }
    spec.renew_time = time;
    lease
}

/// Rounded up: whoever honours it may wait too long, never too short.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::api::coordination::v1::Lease;
    use serde_json::json;

    use super::{is_version, seen, written};
    use crate::protocol::{Write, WriteKind};

    fn lease(spec: &serde_json::Value) -> Lease {
        let labels = json!({"app.kubernetes.io/name": "files"});
        let metadata =
            json!({"name": "files", "namespace": "default", "uid": "u1", "resourceVersion": "41", "labels": labels});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    #[test]
    fn an_empty_holder_is_none() {
        for spec in [json!({}), json!({"holderIdentity": ""}), json!(null)] {
            assert_eq!(seen(&lease(&spec)).unwrap().holder, None);
        }
        assert!(seen(&lease(&json!({}))).unwrap().never_held());
        assert!(!seen(&lease(&json!({"holderIdentity": "", "leaseTransitions": 3}))).unwrap().never_held());
        assert!(!seen(&lease(&json!({"renewTime": "2026-11-28T10:00:00.000000Z"}))).unwrap().never_held());
    }

    #[test]
    fn nonsense_is_not_believed() {
        let odd = seen(&lease(&json!({"leaseDurationSeconds": -3, "leaseTransitions": -1}))).unwrap();
        assert_eq!((odd.duration, odd.transitions), (None, 0));
        assert_eq!(seen(&lease(&json!({"leaseDurationSeconds": 0}))).unwrap().duration, None);
        assert_eq!(seen(&Lease::default()), None);
    }

    #[test]
    fn a_write_names_what_it_writes_over_and_keeps_what_is_not_ours() {
        let before =
            lease(&json!({"holderIdentity": "a", "acquireTime": "2026-11-28T10:00:00.000001Z", "leaseTransitions": 3}));
        let write = Write {
            kind: WriteKind::Renew,
            base: seen(&before).unwrap(),
            holder: Some("a".to_owned()),
            transitions: 3,
            duration: Duration::from_millis(14_001),
            wall_micros: 1_764_324_000_123_456,
        };
        let after = written(before.clone(), &write);
        assert!(is_version(&after, &write.base));
        assert_eq!(after.metadata, before.metadata);
        let spec = serde_json::to_value(&after.spec).unwrap();
        assert_eq!(spec["leaseDurationSeconds"], 15);
        assert_eq!(spec["renewTime"], "2025-11-28T10:00:00.123456Z");
        assert_eq!(spec["acquireTime"], "2026-11-28T10:00:00.000001Z");
        // What was written is recognised to the microsecond.
        assert_eq!(seen(&after).unwrap().renewed_micros, Some(write.wall_micros));
        let taken = written(before, &Write { kind: WriteKind::Take, ..write.clone() });
        assert_eq!(taken.spec.unwrap().acquire_time, after.spec.clone().unwrap().renew_time);
        let released = written(after, &Write { kind: WriteKind::Release, holder: None, ..write });
        assert_eq!(released.spec.unwrap().holder_identity.as_deref(), Some(""));
    }
}
