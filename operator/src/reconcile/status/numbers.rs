//! Numbers for people.

use storage_element_crds::Quantity;
use storage_element_crds::status::{Capacity, CapacityLevel, Files};

use crate::node_client::{CapacityInfo, FilesInfo};

/// Space.
pub fn capacity(info: &CapacityInfo) -> Capacity {
    Capacity {
        total: info.total.map(Quantity::rounded),
        used: Quantity::rounded(info.used),
        available: info.available.map(Quantity::rounded),
        level: match info.level.as_str() {
            "warning" => CapacityLevel::Warning,
            "critical" => CapacityLevel::Critical,
            "full" => CapacityLevel::Full,
            _ => CapacityLevel::Ok,
        },
    }
}

/// Files.
pub fn files(info: FilesInfo) -> Files {
    Files { active: info.active, deleted: info.deleted, pending_wal: info.pending_wal }
}
