//! A small disk that can be filled.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// A mounted tmpfs, unmounted on drop.
pub struct Tmpfs {
    folder: TempDir,
}

impl Tmpfs {
    /// Mounts one of `size_mib` MiB.
    ///
    /// # Errors
    /// When this process may not mount.
    pub fn mount(size_mib: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let size = format!("size={size_mib}m,mode=0755");
        let made = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        let made = made.context("the command `mount` is missing (Debian package mount)")?;
        ensure!(
            made.status.success(),
            "a tmpfs of {size_mib} MiB could not be mounted: {}. This test fills a disk and needs to run as root, with \
             CAP_SYS_ADMIN",
            String::from_utf8_lossy(&made.stderr).trim()
        );
        Ok(Self { folder })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazy, so that a node still being killed does not keep the mount alive.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}
