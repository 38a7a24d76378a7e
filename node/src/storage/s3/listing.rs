//! Listings: page by page, and the kept ones by which a file is found by its id.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::error::{Failure, Kind};
use super::store::{Store, timestamp};
use crate::model::{ATTR_SUFFIX, Attr, StoragePath, Timestamp, hour_folder, id_in_name};
use crate::storage::{StorageError, StorageResult};

/// Names kept in all: about 10 MiB. A folder with more of them is read through each time, never held.
const NAMES_KEPT: u64 = 40_000;
/// How long a listing is believed about what it does not name, for ids older than [`SETTLED_HOURS`].
const BELIEVED: Duration = Duration::from_secs(5);
/// A younger file may be on its way at another node: what a kept listing does not name is looked for again.
const SETTLED_HOURS: i64 = 24;
/// Listings at once.
const AT_ONCE: usize = 4;

/// One page of keys.
pub(super) struct Page {
    pub(super) keys: Vec<Listed>,
    /// Folders, ending in `/`, where the listing stops at them.
    pub(super) folders: Vec<String>,
    pub(super) next: Option<String>,
}

/// An object as listed, its path relative to the prefix.
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
}

impl Store {
    /// One page of what is below `folder` (empty, or ending in `/`), in the order of keys. The element's own, which
    /// begins with a dot, is left out.
    pub(super) async fn page(&self, folder: &str, stop_at_folders: bool, from: Option<String>) -> StorageResult<Page> {
        let mut request = self.clients.small.list_objects_v2().bucket(&self.bucket).prefix(self.key(folder));
        if stop_at_folders {
            request = request.delimiter("/");
        }
        request = match from {
            Some(token) => request.continuation_token(token),
            // `/` is the character after `.`.
            None if folder.is_empty() => request.start_after(self.key("/")),
            None => request,
        };
        let failed = |failure: Failure| failure.at("list", if folder.is_empty() { "." } else { folder });
        let page = request.send().await.map_err(Failure::of).map_err(failed)?;
        let relative = |key: String| key.strip_prefix(&self.prefix).map(str::to_owned);
        let keys = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
            Some(Listed {
                path: relative(object.key?)?,
                size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                modified: object.last_modified.map_or(Timestamp::MIN, timestamp),
            })
        });
        let folders = page.common_prefixes.unwrap_or_default().into_iter();
        let next = if page.is_truncated == Some(true) { page.next_continuation_token } else { None };
        Ok(Page {
            keys: keys.filter(|listed| !listed.path.starts_with('.')).collect(),
            folders: folders
                .filter_map(|folder| relative(folder.prefix?))
                .filter(|folder| !folder.starts_with('.'))
                .collect(),
            next,
        })
    }
}

/// Names in hour folders by file id.
pub(super) struct Listings {
    kept: Cache<String, Arc<Listing>>,
    asking: Semaphore,
}

struct Listing {
    made: Instant,
    /// The listing has come to its end: what it does not name was not there.
    complete: AtomicBool,
    names: Mutex<HashMap<Uuid, String>>,
}

impl Listings {
    pub(super) fn new() -> Self {
        let weigh =
            |_: &String, listing: &Arc<Listing>| u32::try_from(listing.names.lock().len().max(16)).unwrap_or(u32::MAX);
        Self { kept: Cache::builder().max_capacity(NAMES_KEPT).weigher(weigh).build(), asking: Semaphore::new(AT_ONCE) }
    }

    /// Notes a file that this process has just made, so that a kept listing does not hide it.
    pub(super) fn add(&self, path: &StoragePath) {
        if let (Some(listing), Some(id)) = (self.kept.get(path.folder()), id_in_name(path.file_name())) {
            listing.names.lock().insert(id, path.file_name().to_owned());
        }
    }

    /// The path of the file with this id, from one listing of its hour folder.
    pub(super) async fn find(&self, store: &Store, id: Uuid) -> StorageResult<Option<StoragePath>> {
        let folder = hour_folder(id);
        match self.known(&folder, id) {
            Known::At(path) => return Ok(Some(path)),
            Known::Absent => return Ok(None),
            Known::Unsaid => {}
        }
        let _turn = self.asking.acquire().await.map_err(|_| closed(&folder))?;
        // Somebody may have listed it meanwhile.
        match self.known(&folder, id) {
            Known::At(path) => return Ok(Some(path)),
            Known::Absent => return Ok(None),
            Known::Unsaid => {}
        }
        // An empty one first: what is made while the listing runs is noted there.
        let listing =
            Arc::new(Listing { made: Instant::now(), complete: AtomicBool::new(false), names: Mutex::default() });
        self.kept.insert(folder.clone(), Arc::clone(&listing));
        let below = format!("{folder}/");
        let (mut from, mut found, mut keep) = (None, None, true);
        let listed = loop {
            let page = match store.page(&below, true, from).await {
                Ok(page) => page,
                Err(error) => break Err(error),
            };
            let mut names = listing.names.lock();
            for key in page.keys {
                let name = key.path.strip_prefix(&below).and_then(|name| name.strip_suffix(ATTR_SUFFIX));
                let Some((name, key_id)) = name.and_then(|name| Some((name, id_in_name(name)?))) else { continue };
                if key_id == id {
                    found = Some(name.to_owned());
                }
                keep &= (names.len() as u64) < NAMES_KEPT / 2;
                if keep {
                    names.insert(key_id, name.to_owned());
                }
            }
            drop(names);
            match page.next {
                Some(next) if keep || found.is_none() => from = Some(next),
                _ => break Ok(()),
            }
        };
        if keep && listed.is_ok() {
            listing.complete.store(true, Ordering::Release);
            // Once more, with its weight.
            self.kept.insert(folder.clone(), listing);
        } else {
            self.kept.invalidate(&folder);
        }
        listed?;
        Ok(found.and_then(|name| StoragePath::new(format!("{folder}/{name}"))))
    }

    fn known(&self, folder: &str, id: Uuid) -> Known {
        let Some(listing) = self.kept.get(folder) else { return Known::Unsaid };
        let name = listing.names.lock().get(&id).cloned();
        if let Some(path) = name.and_then(|name| StoragePath::new(format!("{folder}/{name}"))) {
            return Known::At(path);
        }
        let age = Timestamp::now().millis() - Attr::time_of_id(id).millis();
        let believed = listing.complete.load(Ordering::Acquire) && listing.made.elapsed() < BELIEVED;
        if believed && age > SETTLED_HOURS * 3_600_000 { Known::Absent } else { Known::Unsaid }
    }
}

/// What the kept listings say about a file.
enum Known {
    At(StoragePath),
    Absent,
    Unsaid,
}

fn closed(folder: &str) -> StorageError {
    Failure::new(Kind::Refused, "the storage is closed").at("list", folder)
}
