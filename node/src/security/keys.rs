//! The public keys in force, and how they follow their files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::keyfile::{Contents, KeyError, Keys, parse, read};
use crate::element::PartHealth;

/// How often the files are looked at, and how often at most a token with an unknown `kid` makes the node look at once.
const POLL: Duration = Duration::from_secs(1);

/// The keys at one moment.
pub(super) struct KeySet {
    /// Rises with every change: what was checked with other keys is checked again.
    pub generation: u64,
    /// Keys of those who issue tokens to people and services.
    pub issuer: Keys,
    /// Keys of the operator.
    pub operator: Keys,
}

/// Names of the loaded keys, for `GET /api/v1/admin/mode`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadedKids {
    /// Keys of those who issue tokens to people and services.
    pub issuer: Vec<String>,
    /// Keys of the operator.
    pub operator: Vec<String>,
}

/// What was last read.
struct Reading {
    issuer: Contents,
    operator: Contents,
    /// When a token with an unknown `kid` last made the node look.
    asked_at: Option<Instant>,
}

/// The public keys that tokens are checked with. They follow their files: changed contents count within a second, and
/// at once when a token names an unknown key. Contents that cannot be used change nothing and are reported; a source
/// that has gone, or has become empty, takes its keys with it.
pub struct KeyStore {
    issuer_path: PathBuf,
    operator_path: Option<PathBuf>,
    set: ArcSwap<KeySet>,
    /// Held while the key files are read, which a hanging mount can make long: requests never wait for it.
    reading: Mutex<Reading>,
    /// Why the last reading could not be used.
    error: ArcSwapOption<KeyError>,
}

impl KeyStore {
    /// Loads the keys.
    ///
    /// # Errors
    /// When a file cannot be used, or a configured source has no key: a node without keys must not start.
    pub fn open(issuer: PathBuf, operator: Option<PathBuf>) -> Result<Self, KeyError> {
        let load = |path: &PathBuf| {
            let contents = read(path)?;
            let keys = parse(&contents)?;
            if keys.is_empty() { Err(KeyError::NoKey { path: path.clone() }) } else { Ok((contents, keys)) }
        };
        let (issuer_contents, issuer_keys) = load(&issuer)?;
        let (operator_contents, operator_keys) = operator.as_ref().map(load).transpose()?.unwrap_or_default();
        let reading = Reading { issuer: issuer_contents, operator: operator_contents, asked_at: None };
        Ok(Self {
            issuer_path: issuer,
            operator_path: operator,
            set: ArcSwap::from_pointee(KeySet { generation: 1, issuer: issuer_keys, operator: operator_keys }),
            reading: Mutex::new(reading),
            error: ArcSwapOption::empty(),
        })
    }

    /// Follows the files until `stop`. To be run as a task of the node's.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
            let keys = Arc::clone(&self);
            // The outcome is kept in the store; a panic in it would have been logged by the hook.
            let _ = tokio::task::spawn_blocking(move || keys.reload()).await;
        }
    }

    /// Reads the files again now.
    pub fn reload(&self) {
        self.reload_locked(&mut self.reading.lock());
    }

    /// Reads the files again for a token with an unknown `kid`, at most once a second, so that such tokens cannot keep
    /// the node busy. Whether the keys may have changed. Others do not wait while one looks.
    pub(super) fn reload_for_unknown_kid(&self) -> bool {
        let Some(mut reading) = self.reading.try_lock() else { return false };
        if reading.asked_at.is_some_and(|at| at.elapsed() < POLL) {
            return false;
        }
        reading.asked_at = Some(Instant::now());
        self.reload_locked(&mut reading);
        true
    }

    fn reload_locked(&self, reading: &mut Reading) {
        match self.read_changed(reading) {
            Ok(None) => self.error.store(None),
            Ok(Some((issuer, operator, set))) => {
                tracing::info!(
                    issuer = ?set.issuer.keys().collect::<Vec<_>>(),
                    operator = ?set.operator.keys().collect::<Vec<_>>(),
                    "the keys have changed"
                );
                *reading = Reading { issuer, operator, asked_at: reading.asked_at };
                self.error.store(None);
                self.set.store(Arc::new(set));
            }
            Err(error) => {
                if self.error.load().as_deref() != Some(&error) {
                    tracing::error!(%error, "the keys could not be loaded again: those loaded before stay in force");
                }
                self.error.store(Some(Arc::new(error)));
            }
        }
    }

    fn read_changed(&self, reading: &Reading) -> Result<Option<(Contents, Contents, KeySet)>, KeyError> {
        let issuer = read(&self.issuer_path)?;
        let operator = self.operator_path.as_deref().map(read).transpose()?.unwrap_or_default();
        if issuer == reading.issuer && operator == reading.operator {
            return Ok(None);
        }
        let generation = self.set.load().generation + 1;
        let set = KeySet { generation, issuer: parse(&issuer)?, operator: parse(&operator)? };
        Ok(Some((issuer, operator, set)))
    }

    pub(super) fn current(&self) -> Arc<KeySet> {
        self.set.load_full()
    }

    pub(super) fn generation(&self) -> u64 {
        self.set.load().generation
    }

    /// Names of the loaded keys.
    pub fn loaded_kids(&self) -> LoadedKids {
        let set = self.set.load();
        LoadedKids { issuer: set.issuer.keys().cloned().collect(), operator: set.operator.keys().cloned().collect() }
    }

    /// Whether tokens can be checked, for the ready check: not while a configured source has no key.
    pub fn status(&self) -> PartHealth {
        let set = self.set.load();
        let missing = [
            (set.issuer.is_empty()).then_some(&self.issuer_path),
            self.operator_path.as_ref().filter(|_| set.operator.is_empty()),
        ];
        if let Some(path) = missing.into_iter().flatten().next() {
            let message = format!("{}; until then such tokens are refused", KeyError::NoKey { path: path.clone() });
            return PartHealth { ok: false, message };
        }
        let count = set.issuer.len() + set.operator.len();
        let message = match self.error.load().as_deref() {
            Some(error) => {
                format!("{count} keys loaded before stay in force, the last change could not be used: {error}")
            }
            None => format!("{count} keys loaded"),
        };
        PartHealth { ok: true, message }
    }
}
