//! A time-out for whoever is polled.

use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A timer that is made once and used again.
#[derive(Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Timer {
    /// Whether `after` has passed since this was asked first; [`Self::stop`] begins anew.
    pub fn has_passed(&mut self, after: Duration, cx: &mut Context<'_>) -> bool {
        let deadline = || Instant::now() + after;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline())));
        if !self.armed {
            self.armed = true;
            sleep.as_mut().reset(deadline());
        }
        sleep.as_mut().poll(cx).is_ready()
    }

    /// What was waited for has come.
    pub const fn stop(&mut self) {
        self.armed = false;
    }
}
