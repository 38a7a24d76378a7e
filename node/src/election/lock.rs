//! The lock: one process for one element, where there is no cluster to elect a master.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures_util::future::select_all;

use super::{Election, MastershipLost, RemoteLock, Role};
use crate::storage::{StorageError, StorageResult};

/// Operating-system locks held for as long as the process lives: on the volume, and beside the catalog. The system
/// releases them when the process ends, however it ends. A catalog on a server has a lock there instead, which goes with
/// its connection: when it is lost another process may serve the element, so this one ends.
pub struct LockElection {
    holder: String,
    _held: Vec<File>,
    remote: Vec<Box<dyn RemoteLock>>,
}

impl LockElection {
    /// Takes the locks on `paths` (made if need be), or says who holds one.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another process holds one of them.
    pub fn acquire(paths: &[PathBuf]) -> StorageResult<Self> {
        let holder = holder();
        let held = paths.iter().map(|path| lock(path, &holder)).collect::<Result<_, _>>()?;
        Ok(Self { holder, _held: held, remote: Vec::new() })
    }

    /// Holds `paths` together with others that share them, against anyone who wants them alone.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another process holds one of them alone.
    pub fn share(paths: &[PathBuf]) -> StorageResult<Self> {
        let held = paths.iter().map(|path| share(path)).collect::<Result<_, _>>()?;
        Ok(Self { holder: holder(), _held: held, remote: Vec::new() })
    }

    /// Holds a server's lock too.
    #[must_use]
    pub fn with_remote(mut self, remote: Box<dyn RemoteLock>) -> Self {
        self.remote.push(remote);
        self
    }
}

#[async_trait]
impl Election for LockElection {
    fn role(&self) -> Role {
        Role::Standalone
    }

    fn holder(&self) -> String {
        self.holder.clone()
    }

    /// The system takes its locks away only with the process, so while this runs they stand.
    fn check(&self) -> Result<(), MastershipLost> {
        match self.remote.iter().find_map(|remote| remote.lost()) {
            Some(reason) => Err(MastershipLost(reason)),
            None => Ok(()),
        }
    }

    async fn ended(&self) -> MastershipLost {
        if self.remote.is_empty() {
            return std::future::pending().await;
        }
        let (reason, ..) = select_all(self.remote.iter().map(|remote| remote.until_lost())).await;
        MastershipLost(reason)
    }

    async fn release(&self) {
        for remote in &self.remote {
            remote.release().await;
        }
    }
}

fn lock(path: &Path, holder: &str) -> StorageResult<File> {
    let mut file = open(path)?;
    if let Err(error) = file.try_lock() {
        return Err(refused(path, &mut file, error));
    }
    let failed = |source| failed(path, source);
    // For people who ask who holds it; nothing depends on it.
    let noted = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{holder}"));
    noted.map_err(failed)?;
    Ok(file)
}

fn share(path: &Path) -> StorageResult<File> {
    let mut file = open(path)?;
    match file.try_lock_shared() {
        Ok(()) => Ok(file),
        Err(error) => Err(refused(path, &mut file, error)),
    }
}

fn open(path: &Path) -> StorageResult<File> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: std::io::Error) -> StorageError {
    StorageError::Io { action: "lock", path: path.display().to_string(), source }
}

/// Why it was not locked: who holds it, as far as that is written in it.
fn refused(path: &Path, file: &mut File, error: TryLockError) -> StorageError {
    match error {
        TryLockError::WouldBlock => {
            let mut held_by = String::new();
            let _ = Read::by_ref(file).take(256).read_to_string(&mut held_by);
            let known = held_by.trim();
            let holder = if known.is_empty() { "by another process".to_owned() } else { format!("by {known}") };
            StorageError::Locked { path: path.display().to_string(), holder }
        }
        TryLockError::Error(source) => failed(path, source),
    }
}

fn holder() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("process {} on {host}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::{Election, LockElection};

    #[test]
    fn a_second_holder_is_refused_and_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = LockElection::acquire(std::slice::from_ref(&path)).unwrap();
        let refused = LockElection::acquire(std::slice::from_ref(&path)).err().unwrap().to_string();
        assert!(refused.contains(&first.holder()), "{refused}");
        drop(first);
        assert!(LockElection::acquire(&[path]).is_ok());
    }

    #[test]
    fn many_share_what_nobody_has_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = [folder.path().join("lock")];
        let shared = [LockElection::share(&path).unwrap(), LockElection::share(&path).unwrap()];
        assert!(LockElection::acquire(&path).is_err());
        drop(shared);
        let _alone = LockElection::acquire(&path).unwrap();
        assert!(LockElection::share(&path).is_err());
    }
}
