//! The work of a takeover, done beside the life of the process so that it can be broken off at any moment.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::catalog::CatalogError;
use crate::commands::opening::{Claim, OpeningError, Rooms};
use crate::commands::serve::running::Running;
use crate::config::Config;
use crate::element::Adoption;
use crate::jobs::JobError;
use crate::settling::{SettleError, TakenOver, TakeoverError};
use crate::storage::StorageError;

/// How long to wait before a part of a takeover that failed is tried again.
const PAUSE: Duration = Duration::from_millis(300);

/// A part of a takeover that has ended.
pub(super) enum Step {
    /// The epoch is raised, others are harmless.
    Begun(Result<TakenOver, OpeningError>),
    /// Everything is settled: writes are let in.
    Opened(Result<(), OpeningError>),
}

/// What an error of a takeover means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may pass.
    Again,
    /// Another term has begun meanwhile.
    Passed,
    /// It will never pass by itself.
    Never,
}

/// Begins the term of the Lease's `transitions`.
pub(super) async fn begin(rooms: Arc<Rooms>, config: Arc<Config>, transitions: u64, again: bool) -> Step {
    if again {
        tokio::time::sleep(PAUSE).await;
    }
    let adoption = if config.element.adopt { Adoption::Always } else { Adoption::Only(None) };
    Step::Begun(rooms.begin_term(&config, Claim { adoption, above: transitions }).await)
}

/// Settles, makes the catalog again where that is due, and lets writes in.
pub(super) async fn open(running: Arc<Running>, taken_over: TakenOver, stop: CancellationToken, again: bool) -> Step {
    if again {
        tokio::time::sleep(PAUSE).await;
    }
    let opened = async {
        running.rooms.settle(&taken_over).await?;
        running.recover(&taken_over, &stop).await
    };
    Step::Opened(opened.await)
}

pub(super) fn judge(error: &OpeningError) -> Verdict {
    match error {
        OpeningError::Takeover(TakeoverError::Refused(_) | TakeoverError::ElementFile(_)) => Verdict::Never,
        OpeningError::Catalog(error)
        | OpeningError::Takeover(TakeoverError::Catalog(error))
        | OpeningError::Settle(SettleError::Catalog(error))
        | OpeningError::Rebuild(JobError::Catalog(error)) => match error {
            CatalogError::SchemaNewer { .. } | CatalogError::Corrupt { .. } => Verdict::Never,
            _ => Verdict::Again,
        },
        OpeningError::Storage(StorageError::TermOver { .. })
        | OpeningError::Settle(SettleError::NotNow(_) | SettleError::Storage(StorageError::TermOver { .. }))
        | OpeningError::Rebuild(JobError::TermOver | JobError::Storage(StorageError::TermOver { .. })) => {
            Verdict::Passed
        }
        // A takeover that was overtaken reads anew how far the epochs have come.
        _ => Verdict::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge};
    use crate::catalog::CatalogError;
    use crate::commands::opening::OpeningError;
    use crate::settling::TakeoverError;

    #[test]
    fn only_what_a_person_has_to_mend_ends_the_process() {
        let away = || CatalogError::Unavailable { action: "answer", reason: String::new() };
        assert_eq!(judge(&OpeningError::Catalog(away())), Verdict::Again);
        assert_eq!(judge(&TakeoverError::Catalog(away()).into()), Verdict::Again);
        assert_eq!(judge(&TakeoverError::Overtaken(3).into()), Verdict::Again);
        assert_eq!(judge(&TakeoverError::Refused(String::new()).into()), Verdict::Never);
        assert_eq!(judge(&CatalogError::SchemaNewer { found: 9, known: 1 }.into()), Verdict::Never);
        assert_eq!(judge(&crate::jobs::JobError::TermOver.into()), Verdict::Passed);
    }
}
