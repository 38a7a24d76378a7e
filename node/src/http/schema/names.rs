//! Names of fixed values.

use utoipa::ToSchema;

macro_rules! names {
    ($($(#[$meta:meta])* $name:ident: $($value:literal)+;)+) => {
        $(
            $(#[$meta])*
            #[derive(ToSchema)]
            #[schema(value_type = String, pattern = $($value)+)]
            pub struct $name(String);
        )+
    };
}

names! {
    /// A stage of an element's life.
    ModeName: "^(edit|rw|ro|ar)$";
    /// What a node is.
    RoleName: "^(master|standby|standalone)$";
    /// What a mode may allow.
    OperationName: "^(upload|download|update|delete|list|search|read)$";
    /// Whether a file is there.
    FileStatusName: "^(active|deleted)$";
    /// How full the element is.
    LevelName: "^(ok|warning|critical|full)$";
    /// Whether the node can work.
    ReadyName: "^(ready|unready)$";
    /// Whether a part works.
    PartName: "^(ok|failed)$";
    /// Where a value comes from.
    SourceName: "^(env|file|default)$";
    /// How far a mode change is.
    PhaseName: "^(draining|prepared)$";
    /// A part of a mode change.
    ModePhaseName: "^(prepare|commit|abort)$";
    /// What a request to change the mode has done.
    ChangePhaseName: "^(draining|prepared|committed|aborted)$";
    /// What a job does.
    JobKindName: "^(rebuild|verify|gc)$";
    /// How a job stands.
    JobStateName: "^(running|succeeded|failed|cancelled|interrupted)$";
    /// What a transaction does.
    OperationTypeName: "^(FILE_CREATE|FILE_UPDATE|FILE_DELETE|CACHE_REBUILD|MODE_CHANGE)$";
    /// How a transaction stands.
    TransactionStatusName: "^(PENDING|COMMITTED|ROLLED_BACK|FAILED)$";
}
