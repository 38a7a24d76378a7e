//! Rules about where files and catalog are kept: exactly one place each, and the same place for good.

use super::{Place, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "backend-one-of",
        place: Place::Spec,
        field: Some(".backend"),
        cel: "has(self.backend.local) != has(self.backend.s3)",
        message: "set exactly one of local and s3",
    },
    Rule {
        name: "backend-kind",
        place: Place::Spec,
        field: Some(".backend"),
        cel: "has(self.backend.local) == has(oldSelf.backend.local) && has(self.backend.s3) == has(oldSelf.backend.s3)",
        message: "files do not move from local to s3 or back: declare another StorageElement and copy them",
    },
    Rule {
        name: "backend-bucket",
        place: Place::Spec,
        field: Some(".backend.s3.bucket"),
        cel: "!has(self.backend.s3) || !has(oldSelf.backend.s3) || self.backend.s3.bucket == oldSelf.backend.s3.bucket",
        message: "the bucket is for good: declare another StorageElement and copy the files",
    },
    Rule {
        name: "backend-prefix",
        place: Place::Spec,
        field: Some(".backend.s3.prefix"),
        cel: "!has(self.backend.s3) || !has(oldSelf.backend.s3) \
              || (has(self.backend.s3.prefix) == has(oldSelf.backend.s3.prefix) \
              && (!has(self.backend.s3.prefix) || self.backend.s3.prefix == oldSelf.backend.s3.prefix))",
        message: "the prefix is for good: declare another StorageElement and copy the files",
    },
    Rule {
        name: "backend-storage-class",
        place: Place::Spec,
        field: Some(".backend.local.storageClassName"),
        cel: "!has(self.backend.local) || !has(oldSelf.backend.local) \
              || (has(self.backend.local.storageClassName) == has(oldSelf.backend.local.storageClassName) \
              && (!has(self.backend.local.storageClassName) \
              || self.backend.local.storageClassName == oldSelf.backend.local.storageClassName))",
        message: "the storage class of a claim is for good: declare another StorageElement and copy the files",
    },
    Rule {
        name: "backend-access-modes",
        place: Place::Spec,
        field: Some(".backend.local.accessModes"),
        cel: "!has(self.backend.local) || !has(oldSelf.backend.local) \
              || (size(self.backend.local.accessModes) == size(oldSelf.backend.local.accessModes) \
              && self.backend.local.accessModes.all(mode, mode in oldSelf.backend.local.accessModes))",
        message: "the access modes of a claim are for good: declare another StorageElement and copy the files",
    },
    Rule {
        name: "backend-access-modes-alone",
        place: Place::Spec,
        field: Some(".backend.local.accessModes"),
        cel: "!has(self.backend.local) || !('ReadWriteOncePod' in self.backend.local.accessModes) \
              || size(self.backend.local.accessModes) == 1",
        message: "ReadWriteOncePod stands alone: Kubernetes refuses a claim that names it with others",
    },
    Rule {
        name: "backend-size",
        place: Place::Spec,
        field: Some(".backend"),
        cel: "(!has(self.backend.local) || quantity(string(self.backend.local.size)).isGreaterThan(quantity('0'))) \
              && (!has(self.backend.s3) || !has(self.backend.s3.quota) \
              || quantity(string(self.backend.s3.quota)).isGreaterThan(quantity('0')))",
        message: "size and quota must be more than 0, such as 500Gi",
    },
    Rule {
        name: "backend-size-not-below-claim",
        place: Place::Root,
        field: Some(".spec.backend.local.size"),
        cel: "!has(self.spec.backend.local) || !has(self.status) || !has(self.status.claim) \
              || (has(oldSelf.spec.backend.local) && self.spec.backend.local.size == oldSelf.spec.backend.local.size) \
              || !quantity(string(self.spec.backend.local.size)).isLessThan(quantity(string(self.status.claim.capacity)))",
        message: "a volume does not shrink: set it to status.claim.capacity or more",
    },
    Rule {
        name: "database-one-of",
        place: Place::Spec,
        field: Some(".database"),
        cel: "has(self.database.embedded) != has(self.database.postgres)",
        message: "set exactly one of embedded and postgres, or leave database out for embedded",
    },
    Rule {
        name: "database-kind",
        place: Place::Spec,
        field: Some(".database"),
        cel: "has(self.database.embedded) == has(oldSelf.database.embedded) \
              && has(self.database.postgres) == has(oldSelf.database.postgres)",
        message: "the catalog does not move from embedded to postgres or back: declare another StorageElement, with \
                  deletionPolicy Retain and adopt on the same storage, or copy the files",
    },
    Rule {
        name: "database-storage-class",
        place: Place::Spec,
        field: Some(".database.embedded.storageClassName"),
        cel: "!has(self.database.embedded) || !has(oldSelf.database.embedded) \
              || (has(self.database.embedded.storageClassName) == has(oldSelf.database.embedded.storageClassName) \
              && (!has(self.database.embedded.storageClassName) \
              || self.database.embedded.storageClassName == oldSelf.database.embedded.storageClassName))",
        message: "the storage class of a claim is for good: delete the element with deletionPolicy Retain, then its claim \
                  NAME-db, and declare it again with adopt; the catalog is made again from the files",
    },
    Rule {
        name: "database-size",
        place: Place::Spec,
        field: Some(".database.embedded.size"),
        cel: "!has(self.database.embedded) || quantity(string(self.database.embedded.size)).isGreaterThan(quantity('0'))",
        message: "size must be more than 0, such as 5Gi",
    },
];
