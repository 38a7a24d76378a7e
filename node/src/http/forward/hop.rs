//! How far a request has come on its way to the master.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::http::error::ApiError;

/// How far a request has come. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Hop(Arc<State>);

#[derive(Default)]
struct State {
    asked: CancellationToken,
    begun: AtomicBool,
    ended: CancellationToken,
    answered: AtomicBool,
    client_fault: OnceLock<ApiError>,
}

impl Hop {
    /// The master asks for the body.
    pub fn ask(&self) {
        self.0.asked.cancel();
    }

    /// Returns when it has asked.
    pub fn until_asked(&self) -> WaitForCancellationFutureOwned {
        self.0.asked.clone().cancelled_owned()
    }

    /// What the master can act on leaves this node from here on.
    pub fn begin(&self) {
        self.0.begun.store(true, Ordering::Release);
    }

    /// Takes [`Self::begin`] back: it turned out that nothing had left.
    pub fn has_not_begun(&self) {
        self.0.begun.store(false, Ordering::Release);
    }

    /// Whether the master may have acted.
    pub fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::Acquire)
    }

    /// All of the request has left.
    pub fn end(&self) {
        self.0.ended.cancel();
    }

    /// Returns when all of it has.
    pub async fn until_ended(&self) {
        self.0.ended.cancelled().await;
    }

    /// The master has answered: it wants no more of the body.
    pub fn answer(&self) {
        self.0.answered.store(true, Ordering::Release);
    }

    /// Whether it has answered.
    pub fn is_answered(&self) -> bool {
        self.0.answered.load(Ordering::Acquire)
    }

    /// The client did not send its body to the end.
    pub fn blame_client(&self, fault: ApiError) {
        let _ = self.0.client_fault.set(fault);
    }

    /// What the client did wrong, if it did.
    pub fn client_fault(&self) -> Option<&ApiError> {
        self.0.client_fault.get()
    }
}
