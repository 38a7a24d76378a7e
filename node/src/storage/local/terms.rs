//! What makes an ended term harmless: its staging folder goes away, so that a process which wakes up late has nothing
//! to rename from and nowhere to create.

use std::path::Path;

use super::disk::{Coming, Disk, is_missing};
use super::new_file::term_over;
use crate::failpoint;
use crate::model::{Epoch, StoragePath, Term, TransactionId};
use crate::storage::{AttrOnDisk, PublishError, StorageError, StorageResult};

/// Set before the name of a staging folder that a successor is emptying.
const DEAD: &str = "dead-";

/// The highest epoch that any name below `.staging/` or `.trash/` tells of.
pub(super) fn highest_epoch(disk: &Disk) -> StorageResult<Option<Epoch>> {
    let mut names = disk.names(&disk.layout.staging())?;
    names.extend(disk.names(&disk.layout.trash())?);
    names.extend(disk.names(&disk.layout.element_staging())?);
    Ok(names.iter().filter_map(|name| term_of(name)).map(|term| term.epoch).max())
}

/// Removes every other term's folders, then makes this term's.
pub(super) fn begin(disk: &Disk, term: Term) -> StorageResult<()> {
    let (staging, trash, own) = (disk.layout.staging(), disk.layout.trash(), term.to_string());
    disk.durable_folder(&staging)?;
    disk.durable_folder(&trash)?;
    hit(disk, "local.before_end_terms", &staging)?;
    let others = disk.names(&staging)?;
    // Epochs only rise, so a higher one is a successor's: this process has slept through it.
    if others.iter().filter_map(|name| term_of(name)).any(|other| other.epoch > term.epoch) {
        return Err(StorageError::TermOver { term });
    }
    for name in others {
        if name != own {
            end(disk, &name)?;
        }
    }
    disk.sync_folder(&staging)?;
    end_element_staging(disk, &own)?;
    hit(disk, "local.before_own_staging", &staging)?;
    let folder = disk.layout.term_staging(term);
    disk.durable_folder(&folder)?;
    hit(disk, "local.after_own_staging", &folder)
}

/// Ends one other term: renames its folder (a path in it is gone from then on) and empties it.
fn end(disk: &Disk, name: &str) -> StorageResult<()> {
    let staging = disk.layout.staging();
    let found = staging.join(name);
    if !found.is_dir() {
        // Emptied together with its twin, or a file that is none of ours.
        let moved = disk.rename(&found, &disk.layout.trash().join(name));
        return moved.or_else(|error| if is_missing(&error) { Ok(()) } else { Err(error) });
    }
    let bare = name.strip_prefix(DEAD).unwrap_or(name);
    let dead = staging.join(format!("{DEAD}{bare}"));
    let aside = disk.layout.trash().join(bare);
    disk.durable_folder(&aside)?;
    // A beginning that was cut short has left it, and its frozen owner may have made its folder again since: a rename
    // onto a folder that is not empty fails.
    empty(disk, &dead, &aside)?;
    if name == bare {
        disk.rename(&found, &dead)?;
        hit(disk, "local.after_rename_dead", &dead)?;
        empty(disk, &dead, &aside)?;
    }
    disk.sync_folder(&aside)
}

/// Moves what is in a dead folder aside and removes the folder, again and again until no late create can have slipped
/// in between.
fn empty(disk: &Disk, dead: &Path, aside: &Path) -> StorageResult<()> {
    loop {
        for entry in disk.names(dead)? {
            disk.rename(&dead.join(&entry), &aside.join(&entry))?;
        }
        hit(disk, "local.after_move_to_trash", aside)?;
        match std::fs::remove_dir(dead) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) => return Err(disk.error("remove folder", dead, error)),
        }
    }
}

/// The same for `.element/staging/`: what lies there is at most an unfinished `element.json`, which nobody needs.
fn end_element_staging(disk: &Disk, own: &str) -> StorageResult<()> {
    let staging = disk.layout.element_staging();
    disk.durable_folder(&staging)?;
    for name in disk.names(&staging)? {
        if name != own {
            disk.forget_folder(&staging.join(&name));
            remove_tree(disk, &staging.join(&name))?;
        }
    }
    disk.sync_folder(&staging)
}

/// Removes this term's own folders if they are empty. What is left is ended by the next term.
pub(super) fn end_own(disk: &Disk, term: Term) {
    for folder in [disk.layout.term_staging(term), disk.layout.element_staging().join(term.to_string())] {
        match std::fs::remove_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
                tracing::warn!(folder = %folder.display(), "something is still staged at the stop; the next start settles it");
            }
            _ => {}
        }
    }
}

/// Removes what ended terms had staged.
pub(super) fn empty_trash(disk: &Disk) -> StorageResult<()> {
    let trash = disk.layout.trash();
    for name in disk.names(&trash)? {
        remove_tree(disk, &trash.join(&name))?;
    }
    if trash.is_dir() { disk.sync_folder(&trash) } else { Ok(()) }
}

fn remove_tree(disk: &Disk, path: &Path) -> StorageResult<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        // What a probe of another node made goes by itself.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| disk.error("remove", path, source)),
    }
}

/// Removes what one transaction of this term has staged, durable: its attr can no longer come.
pub(super) fn unstage(disk: &Disk, term: Term, tx: TransactionId) -> StorageResult<()> {
    // The attr first: without it the data can never be published.
    let attr = disk.remove(&disk.layout.staged_attr(term, tx))?;
    let data = disk.remove(&disk.layout.staged_data(term, tx))?;
    if attr || data { disk.sync_folder(&disk.layout.term_staging(term)) } else { Ok(()) }
}

/// Makes what is seen at `path` from now on what the file system holds. On a network file system "absent" may be an
/// answer that this machine remembers; a change in the folder of its own makes it ask again.
pub(super) fn ask_afresh(disk: &Disk, tx: TransactionId, path: &StoragePath) -> StorageResult<()> {
    let folder = disk.layout.folder(path);
    disk.durable_folder(&folder)?;
    let own = folder.join(format!(".{tx}"));
    // A process that ended in between has left it.
    disk.remove(&own)?;
    drop(disk.create_new(&own)?);
    disk.remove(&own).map(drop)
}

/// Puts data that some term had staged in place. False when it is not kept anywhere, or has another size.
pub(super) fn finish_data(
    disk: &Disk,
    tx: TransactionId,
    path: &StoragePath,
    size: Option<u64>,
) -> StorageResult<bool> {
    for kept in [disk.layout.staging(), disk.layout.trash()] {
        for term in disk.names(&kept)? {
            let candidate = kept.join(term).join(format!("{tx}.data"));
            let Ok(found) = std::fs::metadata(&candidate) else { continue };
            if size.is_some_and(|size| size != found.len()) {
                continue;
            }
            let folder = disk.layout.folder(path);
            disk.durable_folder(&folder)?;
            disk.rename(&candidate, &disk.layout.data(path))?;
            disk.sync_folder(&folder)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes the next revision of an attr into the term's folder, durable.
pub(super) fn stage_attr(disk: &Disk, term: Term, tx: TransactionId, attr: &[u8]) -> StorageResult<()> {
    use std::io::Write;
    let path = disk.layout.staged_attr(term, tx);
    hit(disk, "local.before_stage_attr", &path)?;
    let mut file = disk.create_new(&path).map_err(|error| term_over(error, term))?;
    let written = file.write_all(attr).map_err(|source| disk.error("write", &path, source)).and_then(|()| {
        failpoint::hit("local.before_sync_staged_attr").map_err(|source| disk.sync_failed(&path, source))?;
        disk.sync_file(&file, &path)?;
        hit(disk, "local.after_stage_attr", &path)
    });
    if written.is_err() {
        let _ = disk.remove(&path);
    }
    written
}

/// Puts a staged attr in place of the one that was read. The rename is the commit point.
pub(super) fn publish_attr(
    disk: &Disk,
    term: Term,
    tx: TransactionId,
    before: &AttrOnDisk,
    coming: Coming,
) -> Result<(), PublishError> {
    let (attr, folder) = (disk.layout.attr(&before.path), disk.layout.folder(&before.path));
    let uncommitted = |error| PublishError { committed: false, error };
    let committed = |error| PublishError { committed: true, error };
    disk.durable_folder(&folder).map_err(uncommitted)?;
    hit(disk, "local.before_replace_attr", &attr).map_err(uncommitted)?;
    disk.rename(&disk.layout.staged_attr(term, tx), &attr)
        .map_err(|error| PublishError { committed: !is_missing(&error), error: term_over(error, term) })?;
    hit(disk, "local.after_replace_attr", &attr).map_err(committed)?;
    drop(coming);
    disk.sync_folder(&folder).map_err(committed)?;
    hit(disk, "local.after_sync_replaced_attr", &attr).map_err(committed)
}

fn term_of(name: &str) -> Option<Term> {
    name.strip_prefix(DEAD).unwrap_or(name).parse().ok()
}

fn hit(disk: &Disk, name: &'static str, path: &Path) -> StorageResult<()> {
    failpoint::hit(name).map_err(|source| disk.error("pass", path, source))
}
