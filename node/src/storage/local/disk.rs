//! System calls with their errors named, durable folders, and syncs that are shared.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::layout::Layout;
use crate::storage::{StorageError, StorageResult};

/// The volume as a set of system calls. Everything here blocks: it is called from blocking threads only.
pub(super) struct Disk {
    pub(super) layout: Layout,
    /// Folders whose whole chain of parents this process has made durable since it started.
    durable_folders: Mutex<HashSet<PathBuf>>,
    folder_syncs: Mutex<HashMap<PathBuf, Arc<FolderSync>>>,
    syncs_made: AtomicU64,
    /// Why no more writes are taken. Set by the first fsync that fails, never cleared: what the disk holds of that
    /// file cannot be known by this process any more.
    broken: Mutex<Option<String>>,
}

/// Syncs of one folder that several wait for together.
#[derive(Default)]
struct FolderSync {
    state: Mutex<SyncState>,
    ended: Condvar,
}

#[derive(Default)]
struct SyncState {
    started: u64,
    completed: u64,
    running: bool,
    /// Operations that have staged what they will rename into this folder, and have not come to its sync yet.
    coming: u32,
}

/// How long a sync waits for operations that are about to need it too. Less than a sync takes; nobody waits who is alone.
const GATHER: Duration = Duration::from_millis(1);

/// An operation that is about to rename something in a folder and to sync it.
pub(super) struct Coming {
    shared: Arc<FolderSync>,
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.shared.state.lock().coming -= 1;
        self.shared.ended.notify_all();
    }
}

impl Disk {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            layout: Layout::new(root),
            durable_folders: Mutex::default(),
            folder_syncs: Mutex::default(),
            syncs_made: AtomicU64::new(0),
            broken: Mutex::default(),
        }
    }

    pub(super) fn syncs_made(&self) -> u64 {
        self.syncs_made.load(Ordering::Relaxed)
    }

    pub(super) fn broken(&self) -> Option<String> {
        self.broken.lock().clone()
    }

    /// Names an error of the system.
    pub(super) fn error(&self, action: &'static str, path: &Path, source: io::Error) -> StorageError {
        let path = self.layout.shown(path);
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StorageError::Full { action, path },
            _ => StorageError::Io { action, path, source },
        }
    }

    /// Makes a file's content durable. A failure is final for the whole volume, see [`Self::broken`].
    pub(super) fn sync_file(&self, file: &File, path: &Path) -> StorageResult<()> {
        file.sync_all().map_err(|source| self.sync_failed(path, source))
    }

    pub(super) fn sync_failed(&self, path: &Path, source: io::Error) -> StorageError {
        let path = self.layout.shown(path);
        // With delayed allocation a full disk may only show itself here. Nothing of this file was promised, and the
        // space of other files is not touched: the volume is full, not broken.
        if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return StorageError::Full { action: "sync", path };
        }
        let error = StorageError::SyncFailed { path, source };
        self.broken.lock().get_or_insert_with(|| error.to_string());
        error
    }

    /// Says that an operation is about to need a sync of this folder: one that starts meanwhile waits a moment for it.
    pub(super) fn coming(&self, folder: &Path) -> Coming {
        let shared = self.folder_sync(folder);
        shared.state.lock().coming += 1;
        Coming { shared }
    }

    fn folder_sync(&self, folder: &Path) -> Arc<FolderSync> {
        let mut syncs = self.folder_syncs.lock();
        match syncs.get(folder) {
            Some(shared) => Arc::clone(shared),
            None => Arc::clone(syncs.entry(folder.to_owned()).or_default()),
        }
    }

    /// Makes renames and removals in a folder durable. Callers that come while a sync runs share the next one.
    pub(super) fn sync_folder(&self, folder: &Path) -> StorageResult<()> {
        let shared = self.folder_sync(folder);
        let mut state = shared.state.lock();
        // A sync that already runs may have begun before our rename: only one that starts from now on counts.
        let needed = state.started + 1;
        loop {
            if state.completed >= needed {
                return Ok(());
            }
            if let Some(reason) = self.broken() {
                let source = io::Error::other(reason);
                return Err(StorageError::SyncFailed { path: self.layout.shown(folder), source });
            }
            if !state.running {
                break;
            }
            shared.ended.wait(&mut state);
        }
        state.running = true;
        let gathered = Instant::now() + GATHER;
        while state.coming > 0 && !shared.ended.wait_until(&mut state, gathered).timed_out() {}
        state.started += 1;
        let mine = state.started;
        drop(state);
        // A folder that is not there any more (a successor's takeover) says nothing about the disk.
        let result = File::open(folder)
            .map_err(|source| self.error("open folder", folder, source))
            .and_then(|file| file.sync_all().map_err(|source| self.sync_failed(folder, source)));
        self.syncs_made.fetch_add(1, Ordering::Relaxed);
        let mut state = shared.state.lock();
        state.running = false;
        if result.is_ok() {
            state.completed = state.completed.max(mine);
        }
        shared.ended.notify_all();
        result
    }

    /// A folder is about to be removed: whoever needs one of this name again has to make it.
    pub(super) fn forget_folder(&self, folder: &Path) {
        self.durable_folders.lock().remove(folder);
    }

    /// Makes a folder below the root, and the chain of its parents durable. Only the first caller since the process
    /// started pays for it, others wait: a folder that merely exists may not survive a power cut.
    pub(super) fn durable_folder(&self, folder: &Path) -> StorageResult<()> {
        let mut durable = self.durable_folders.lock();
        if durable.contains(folder) {
            return Ok(());
        }
        fs::create_dir_all(folder).map_err(|source| self.error("make folder", folder, source))?;
        let root = self.layout.root();
        let mut chain: Vec<&Path> = folder.ancestors().take_while(|part| part.starts_with(root)).collect();
        chain.reverse();
        for part in chain {
            if durable.contains(part) {
                continue;
            }
            self.sync_folder(part)?;
        }
        // Hour folders come one an hour; the set is cleared rather than kept for ever.
        if durable.len() > 4096 {
            durable.clear();
            self.folder_syncs.lock().clear();
        }
        durable.insert(folder.to_owned());
        Ok(())
    }

    /// Creates a file that must not be there yet.
    pub(super) fn create_new(&self, path: &Path) -> StorageResult<File> {
        OpenOptions::new().write(true).create_new(true).open(path).map_err(|source| self.error("create", path, source))
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> StorageResult<()> {
        fs::rename(from, to).map_err(|source| self.error("rename", from, source))
    }

    /// Removes a file; not being there is success. True when it was there.
    pub(super) fn remove(&self, path: &Path) -> StorageResult<bool> {
        match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.error("remove", path, error)),
        }
    }

    /// Names in a folder; none when it is not there. Names that are not UTF-8 are nobody's here and left out.
    pub(super) fn names(&self, folder: &Path) -> StorageResult<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.error("list", folder, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| self.error("list", folder, source))?;
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Whether the system said that something on the way is not there.
pub(super) fn is_missing(error: &StorageError) -> bool {
    matches!(error, StorageError::Io { source, .. } if source.kind() == ErrorKind::NotFound)
}
