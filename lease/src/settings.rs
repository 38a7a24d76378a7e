//! What a candidate is told: which Lease, under what name, with which times.

use std::time::Duration;

/// The times and names of one candidate. All candidates of one Lease should have the same times. A longer duration that
/// another wrote is honoured, so times can be changed one process after the other; but while they differ, nothing
/// protects a longer deadline when the Lease is deleted, or its duration edited by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The Lease's name. It must exist: nothing here ever creates one.
    pub name: String,
    /// Who this candidate is. **Unique to the process**, not to the pod: pod name, pod UID and a UUID of the process.
    /// An earlier life under the same name is waited out like a stranger.
    pub identity: String,
    /// How long others wait, without having seen a change, before they take the Lease over. Written to the Lease in
    /// whole seconds, rounded up.
    pub lease_duration: Duration,
    /// How long a holder may write after its last successful renewal *was sent*.
    pub renew_deadline: Duration,
    /// How long to wait after an attempt that failed, counted from when it was sent.
    pub retry_period: Duration,
    /// Takes a Lease that nobody has ever held at once.
    ///
    /// Off, such a Lease is watched for a whole duration first: it may be one that was deleted and made again, while a
    /// holder of the deleted one, cut off, still counts on its deadline. Set it only where that cannot be: where what
    /// the Lease protects is new as well.
    pub take_unheld_at_once: bool,
}

/// Why settings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A name is empty.
    #[error("the Lease's {0} is empty; it has to be named")]
    Empty(&'static str),
    /// A holder could go on when another has already begun.
    #[error(
        "the lease duration ({duration:?}) must be longer than the renew deadline ({deadline:?}): otherwise a successor \
         may begin while the old holder still writes"
    )]
    DurationNotOverDeadline {
        /// As configured.
        duration: Duration,
        /// As configured.
        deadline: Duration,
    },
    /// There would be no second attempt within the deadline.
    #[error(
        "the renew deadline ({deadline:?}) must be longer than 1.2 times the retry period ({retry:?}): otherwise one \
         request that fails loses the Lease"
    )]
    DeadlineNotOverRetry {
        /// As configured.
        deadline: Duration,
        /// As configured.
        retry: Duration,
    },
    /// Would ask the API server without a pause.
    #[error("the retry period ({0:?}) must be at least 10 ms")]
    RetryTooShort(Duration),
    /// Does not fit the Lease's field.
    #[error("the lease duration ({0:?}) must be at most a day")]
    DurationTooLong(Duration),
}

impl Settings {
    /// A candidate with the times of the specification: 15 s duration, 10 s deadline, 2 s retry.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
            take_unheld_at_once: false,
        }
    }

    /// Refuses what could not work.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), SettingsError> {
        for (what, value) in
            [("namespace", &self.namespace), ("name", &self.name), ("holder's identity", &self.identity)]
        {
            if value.is_empty() {
                return Err(SettingsError::Empty(what));
            }
        }
        let Self { lease_duration: duration, renew_deadline: deadline, retry_period: retry, .. } = *self;
        if duration <= deadline {
            return Err(SettingsError::DurationNotOverDeadline { duration, deadline });
        }
        if deadline <= retry.saturating_mul(6) / 5 {
            return Err(SettingsError::DeadlineNotOverRetry { deadline, retry });
        }
        if retry < Duration::from_millis(10) {
            return Err(SettingsError::RetryTooShort(retry));
        }
        if duration > Duration::from_hours(24) {
            return Err(SettingsError::DurationTooLong(duration));
        }
        Ok(())
    }

    /// How long after a renewal was sent the next one is: half the deadline.
    #[must_use]
    pub fn renewal_interval(&self) -> Duration {
        self.renew_deadline / 2
    }

    /// The longest that an answer is waited for: two retry periods, and not so little that a slow server never answers
    /// in time, and less than a deadline. A holder waits less when its deadline is near.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        (self.retry_period * 2).max(self.renew_deadline / 4).min(self.renew_deadline * 3 / 5)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Settings, SettingsError};

    #[test]
    fn the_defaults_are_those_of_the_specification() {
        let settings = Settings::new("default", "files", "files-0_1_2");
        assert_eq!(settings.validate(), Ok(()));
        let times = [settings.lease_duration, settings.renew_deadline, settings.retry_period];
        assert_eq!(times, [15, 10, 2].map(Duration::from_secs));
    }

    #[test]
    fn times_that_cannot_work_are_refused() {
        let base = Settings::new("default", "files", "files-0_1_2");
        let ms = Duration::from_millis;
        let with = |duration, deadline, retry| {
            let times = Settings {
                lease_duration: ms(duration),
                renew_deadline: ms(deadline),
                retry_period: ms(retry),
                ..base.clone()
            };
            times.validate()
        };
        assert!(matches!(with(10_000, 10_000, 2_000), Err(SettingsError::DurationNotOverDeadline { .. })));
        assert_eq!(with(10_001, 10_000, 2_000), Ok(()));
        assert!(matches!(with(15_000, 12_000, 10_000), Err(SettingsError::DeadlineNotOverRetry { .. })));
        assert_eq!(with(15_000, 12_001, 10_000), Ok(()));
        assert!(matches!(with(15, 10, 2), Err(SettingsError::RetryTooShort(_))));
        assert!(matches!(with(90_000_000, 10_000, 2_000), Err(SettingsError::DurationTooLong(_))));
        let nameless = Settings { identity: String::new(), ..base };
        assert_eq!(nameless.validate(), Err(SettingsError::Empty("holder's identity")));
    }
}
