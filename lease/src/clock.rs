//! The clock that everything here is judged by: it never steps, and it counts the time a machine was suspended.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment on `CLOCK_BOOTTIME`, in nanoseconds since this machine was booted.
///
/// `std::time::Instant` is `CLOCK_MONOTONIC`, which stands still while the machine is suspended: a laptop's lid, a
/// frozen virtual machine. A master judged by it would find its Lease fresh after a night. The wall clock steps, and two
/// machines never agree on it. Moments of two machines, or of two boots, must not be compared; that is why this type
/// is never serialised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootInstant(u64);

impl BootInstant {
    /// The moment of the boot, before everything.
    pub const ZERO: Self = Self(0);

    /// Now, read without a system call where the kernel offers that.
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        // Neither is ever negative on this clock.
        let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// That many nanoseconds after the boot.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the boot.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is: zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for BootInstant {
    type Output = Self;

    /// Ends at the last moment there is rather than wrap around: a Lease may say any duration.
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for BootInstant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for BootInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1000)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::BootInstant;

    #[test]
    fn arithmetic_ends_at_the_edges() {
        let late = BootInstant::from_nanos(u64::MAX - 1);
        assert_eq!(late + Duration::MAX, BootInstant::from_nanos(u64::MAX));
        assert_eq!(BootInstant::ZERO - late, Duration::ZERO);
        assert_eq!(BootInstant::from_nanos(1_500_000_000) - BootInstant::ZERO, Duration::from_millis(1500));
    }

    #[test]
    fn it_runs() {
        let before = BootInstant::now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(BootInstant::now() - before >= Duration::from_millis(2));
    }
}
