//! A timer on the boot clock.

use std::io;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::BootInstant;

/// Elapses at a moment of `CLOCK_BOOTTIME`: not a runtime's sleep, which counts on a clock that stands still while the
/// machine is suspended and would be late by that long.
#[derive(Debug)]
pub(crate) struct BootTimer(AsyncFd<rustix::fd::OwnedFd>);

impl BootTimer {
    /// A timer that is not set. Needs a runtime.
    #[expect(deprecated, reason = "for what answers with another descriptor each time; this one owns its descriptor")]
    pub(crate) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self(AsyncFd::new(timer)?))
    }

    /// Sets it to a moment, at once if that has passed, or to none.
    pub(crate) fn set(&self, at: Option<BootInstant>) -> io::Result<()> {
        // Zero would mean never. What is further away than the kernel counts is never, too.
        let nanos = at.map_or(0, |at| at.as_nanos().max(1));
        let it_value = match (i64::try_from(nanos / 1_000_000_000), i64::try_from(nanos % 1_000_000_000)) {
            (Ok(tv_sec), Ok(tv_nsec)) => Timespec { tv_sec, tv_nsec },
            _ => Timespec::default(),
        };
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }

    /// Waits for the moment.
    pub(crate) async fn elapsed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut times = [0; 8];
            match ready.try_io(|timer| Ok(rustix::io::read(timer, &mut times)?)) {
                Ok(read) => return read.map(drop),
                // It was set anew before this was read.
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::BootTimer;
    use crate::BootInstant;

    #[tokio::test]
    async fn it_elapses_when_set_and_not_before() {
        let timer = BootTimer::new().unwrap();
        let at = BootInstant::now() + Duration::from_millis(30);
        timer.set(Some(at)).unwrap();
        timer.elapsed().await.unwrap();
        assert!(BootInstant::now() >= at);
        // A moment that has passed is now.
        timer.set(Some(BootInstant::ZERO)).unwrap();
        timer.elapsed().await.unwrap();
        // Set anew before it was looked at, it is the new moment that counts.
        timer.set(Some(BootInstant::ZERO)).unwrap();
        timer.set(None).unwrap();
        let never = tokio::time::timeout(Duration::from_millis(30), timer.elapsed()).await;
        assert!(never.is_err());
    }
}
