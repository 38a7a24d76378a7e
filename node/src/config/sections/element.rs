//! Sections about the element itself: identity, capacity, retention.

use std::time::Duration;

use storage_element_crds::Mode;
use uuid::Uuid;

use super::{Ask, Reader};

/// `element`: which element this node serves.
#[derive(Clone, Debug)]
pub struct ElementConfig {
    /// The id it must have; `None`: whatever `element.json` says, or a new one for a new element.
    pub id: Option<Uuid>,
    /// The mode of a new element; an existing one keeps its own. `None` is `edit` for a new element.
    pub mode: Option<Mode>,
    /// Take over a storage that holds files although the catalog is new.
    pub adopt: bool,
}

impl ElementConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        Self {
            id: r.parsed(
                Ask(
                    "element.id",
                    "",
                    "The element's id, a UUID. Unset: what `element.json` on the volume says, or a new id \
                 for a new element. Another id on the volume is refused.",
                ),
                "a UUID",
            ),
            mode: r.choice(
                Ask(
                    "element.mode",
                    "",
                    "The mode of a new element: `edit`, `rw`, `ro` or `ar`. An existing element keeps \
                     its own; a difference is logged and reported. Unset: `edit`, and nothing is \
                     compared.",
                ),
                &Mode::ALL.map(|mode| (mode.as_str(), mode)),
            ),
            adopt: r.flag(Ask(
                "element.adopt",
                "false",
                "Take over a volume that holds files although the catalog is new. Only asked for with \
                 a Lease; with the lock it is done anyway.",
            )),
        }
    }
}

/// `capacity`: how full is how bad. Of percent and bytes the larger counts.
#[derive(Clone, Debug)]
pub struct CapacityConfig {
    /// Bytes the element may take; `None`: all of the file system.
    pub quota_bytes: Option<u64>,
    /// Free space below which the level is `warning`, as a part of the total.
    pub warning_percent: f64,
    /// The same in bytes.
    pub warning_bytes: u64,
    /// Free space below which only small files are taken.
    pub critical_percent: f64,
    /// The same in bytes.
    pub critical_bytes: u64,
    /// Free space below which no files are taken.
    pub full_percent: f64,
    /// The same in bytes.
    pub full_bytes: u64,
    /// The largest file taken at `critical`, in bytes.
    pub critical_max_file_bytes: u64,
}

impl CapacityConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        let size = |r: &mut Reader, ask| r.size(ask, 0, u64::MAX).unwrap_or_default();
        let it = Self {
            quota_bytes: r.size(
                Ask("capacity.quota_bytes", "", "What the element may take at most. Unset: all of the file system."),
                1,
                u64::MAX,
            ),
            warning_percent: r.percent(Ask(
                "capacity.warning_percent",
                "15",
                "Free space in percent below which the level is `warning`. Of percent and bytes the \
                 larger counts; the bytes count at most as 20, 10, 5 % of the total.",
            )),
            warning_bytes: size(r, Ask("capacity.warning_bytes", "10GiB", "The same in bytes.")),
            critical_percent: r.percent(Ask(
                "capacity.critical_percent",
                "8",
                "Free space in percent below which only small files are taken.",
            )),
            critical_bytes: size(r, Ask("capacity.critical_bytes", "4GiB", "The same in bytes.")),
            full_percent: r.percent(Ask(
                "capacity.full_percent",
                "2",
                "Free space in percent below which no files are taken (507).",
            )),
            full_bytes: size(r, Ask("capacity.full_bytes", "1GiB", "The same in bytes.")),
            critical_max_file_bytes: size(
                r,
                Ask("capacity.critical_max_file_bytes", "1MiB", "The largest file taken at `critical`."),
            ),
        };
        let steps = [
            ("capacity.warning_percent", it.warning_percent > it.critical_percent, "capacity.critical_percent"),
            ("capacity.critical_percent", it.critical_percent > it.full_percent, "capacity.full_percent"),
            ("capacity.warning_bytes", it.warning_bytes >= it.critical_bytes, "capacity.critical_bytes"),
            ("capacity.critical_bytes", it.critical_bytes >= it.full_bytes, "capacity.full_bytes"),
        ];
        for (upper, in_order, lower) in steps {
            if !in_order {
                r.wrong(
                    upper,
                    format!("must be larger than {lower}: the levels come one after the other as space runs out"),
                );
            }
        }
        it
    }
}

/// `retention`: how long files are kept.
#[derive(Clone, Debug)]
pub struct RetentionConfig {
    /// No file can be deleted sooner, in days.
    pub minimum_days: u32,
    /// Files of an element in `edit` expire after this many days; `None`: never.
    pub time_to_live_days: Option<u32>,
    /// Bytes of deleted files stay for this long.
    pub deleted_grace: Duration,
}

impl RetentionConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        let days = |days: Option<u64>| days.and_then(|days| u32::try_from(days).ok());
        let minimum_days = r.small(
            Ask("retention.minimum_days", "0", "No file can be deleted before it is this old."),
            0,
            36_500,
            "days",
        );
        let time_to_live_days = days(r.whole(
            Ask("retention.time_to_live_days", "", "In `edit`, files expire when they are this old. Unset: never."),
            1,
            36_500,
            "days",
        ));
        let deleted_grace = r.hours(
            Ask("retention.deleted_grace_hours", "24", "The bytes of a deleted file stay on the volume for this long."),
            0,
        );
        if time_to_live_days.is_some_and(|days| days < minimum_days) {
            r.wrong(
                "retention.time_to_live_days",
                "must not be less than retention.minimum_days: files could not expire when they should",
            );
        }
        Self { minimum_days, time_to_live_days, deleted_grace: deleted_grace.unwrap_or_default() }
    }
}
