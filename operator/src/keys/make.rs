//! Making keys takes seconds of a core: at most two threads do it, and none that serves anything else.

use std::collections::HashMap;

use parking_lot::Mutex;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::{KeyError, KeyPair, PeerCertificate};

/// Threads that make keys at the same time.
const THREADS: usize = 2;

/// Makes keys.
pub struct Maker {
    places: Semaphore,
    /// Pairs that are made and not written yet, by where they will stand: what fails on the way to the API server does not
    /// cost seconds of a core each time.
    pending: Mutex<HashMap<String, KeyPair>>,
}

impl Default for Maker {
    fn default() -> Self {
        Self { places: Semaphore::new(THREADS), pending: Mutex::default() }
    }
}

impl Maker {
    /// An RSA pair of that many bits for `place`: the same one until [`Maker::written`].
    pub async fn pair(&self, place: &str, bits: u32) -> Result<KeyPair, KeyError> {
        if let Some(pair) = self.pending.lock().get(place) {
            return Ok(pair.clone());
        }
        let pair = self.on_a_thread(move || KeyPair::generate(bits)).await?;
        self.pending.lock().insert(place.to_owned(), pair.clone());
        Ok(pair)
    }

    /// The pair for `place` is where it belongs, or nobody wants it any more.
    pub fn written(&self, place: &str) {
        self.pending.lock().remove(place);
    }

    /// A certificate for the peer port of the element. `before`: the authorities in use so far.
    pub async fn peer(&self, name: &str, namespace: &str, before: &str) -> Result<PeerCertificate, KeyError> {
        let (name, namespace, before) = (name.to_owned(), namespace.to_owned(), before.to_owned());
        self.on_a_thread(move || PeerCertificate::make(&name, &namespace, &before, OffsetDateTime::now_utc())).await
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, KeyError> {
        let _place = self.places.acquire().await.map_err(|_| KeyError::Ended)?;
        tokio::task::spawn_blocking(make).await.map_err(|_| KeyError::Ended)?
    }
}
