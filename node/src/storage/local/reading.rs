//! Reading: attr files, found by path or by id, and data in large pieces.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use moka::sync::Cache;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::disk::Disk;
use super::{blocking, join};
use crate::model::{ATTR_LIMIT_BYTES, ATTR_SUFFIX, StoragePath, Timestamp, hour_folder, id_in_name};
use crate::storage::{AttrOnDisk, DataStat, DataStream, StorageError, StorageResult};

/// Size of a piece of data: large enough that a hop to a blocking thread does not count.
const PIECE_BYTES: u64 = 256 * 1024;
/// Hour folders whose listing is kept.
const LISTINGS_KEPT: u64 = 64;
/// Attr files are at most 4 KiB; one that was made elsewhere may be larger, and is then read only so far.
const ATTR_READ_LIMIT: u64 = 16 * ATTR_LIMIT_BYTES as u64;

/// Names in hour folders by file id, kept while the folder's time stands.
pub(super) struct Listings {
    kept: Cache<String, Arc<Listing>>,
}

struct Listing {
    modified: SystemTime,
    /// Sorted by id.
    names: Vec<(Uuid, String)>,
}

impl Listings {
    pub(super) fn new() -> Self {
        Self { kept: Cache::new(LISTINGS_KEPT) }
    }

    /// The path of the file with this id, from one listing of its hour folder.
    pub(super) fn find(&self, disk: &Disk, id: Uuid) -> StorageResult<Option<StoragePath>> {
        let name = hour_folder(id);
        let folder = disk.layout.root().join(&name);
        let modified = match fs::metadata(&folder).and_then(|meta| meta.modified()) {
            Ok(modified) => modified,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(disk.error("look at", &folder, error)),
        };
        let listing = match self.kept.get(&name) {
            Some(listing) if listing.modified == modified => listing,
            _ => {
                let listing = Arc::new(Listing { modified, names: list(disk, &name)? });
                // The time of a folder has a granularity: one changed a moment ago may change again within it.
                if modified.elapsed().is_ok_and(|age| age.as_secs() >= 2) {
                    self.kept.insert(name.clone(), Arc::clone(&listing));
                }
                listing
            }
        };
        let at = listing.names.binary_search_by_key(&id, |(id, _)| *id);
        Ok(at.ok().and_then(|at| StoragePath::new(format!("{name}/{}", listing.names[at].1))))
    }
}

fn list(disk: &Disk, folder: &str) -> StorageResult<Vec<(Uuid, String)>> {
    let mut names: Vec<(Uuid, String)> = disk
        .names(&disk.layout.root().join(folder))?
        .into_iter()
        .filter_map(|name| {
            let data = name.strip_suffix(ATTR_SUFFIX)?;
            Some((id_in_name(data)?, data.to_owned()))
        })
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// The attr beside `path`, if it is there.
pub(super) fn attr(disk: &Disk, path: &StoragePath) -> StorageResult<Option<AttrOnDisk>> {
    let at = disk.layout.attr(path);
    let bytes = File::open(&at).and_then(|file| {
        let mut bytes = Vec::with_capacity(ATTR_LIMIT_BYTES);
        file.take(ATTR_READ_LIMIT).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match bytes {
        Ok(bytes) => Ok(Some(AttrOnDisk { path: path.clone(), bytes: bytes.into(), etag: None })),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk.error("read", &at, error)),
    }
}

/// The data file's outside, if it is there.
pub(super) fn data_stat(disk: &Disk, path: &StoragePath) -> StorageResult<Option<DataStat>> {
    let at = disk.layout.data(path);
    match fs::symlink_metadata(&at) {
        Ok(meta) if meta.is_file() => {
            Ok(Some(DataStat { size: meta.len(), modified: meta.modified().map_or(Timestamp::MIN, Timestamp::from) }))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk.error("look at", &at, error)),
    }
}

/// A data file being read from one place on.
struct Reading {
    disk: Arc<Disk>,
    path: StoragePath,
    file: File,
    left: u64,
}

type ReadAhead = JoinHandle<StorageResult<(Reading, Bytes)>>;

/// The data in `range`. The first piece is read before this returns, so that a file that is not there or too short is
/// an error and not a broken answer; each later one is read while the one before it is sent.
pub(super) async fn stream(disk: Arc<Disk>, path: StoragePath, range: Range<u64>) -> StorageResult<DataStream> {
    let (first, next) = blocking(move || {
        let at = disk.layout.data(&path);
        let mut file = File::open(&at).map_err(|source| match source.kind() {
            ErrorKind::NotFound => StorageError::Missing { path: path.to_string() },
            _ => disk.error("open", &at, source),
        })?;
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start)).map_err(|source| disk.error("seek in", &at, source))?;
        }
        let reading = Reading { disk, path, file, left: range.end.saturating_sub(range.start) };
        reading.piece()
    })
    .await
    .map(|(reading, piece)| (piece, (reading.left > 0).then_some(reading)))?;
    let Some(reading) = next else {
        return Ok(stream::once(async move { Ok(first) }).boxed());
    };
    let ahead = read_ahead(reading);
    let rest = stream::try_unfold(Some(ahead), |ahead: Option<ReadAhead>| async move {
        let Some(ahead) = ahead else { return Ok(None) };
        let (reading, piece) = join(ahead).await??;
        Ok(Some((piece, (reading.left > 0).then(|| read_ahead(reading)))))
    });
    Ok(stream::once(async move { Ok(first) }).chain(rest).boxed())
}

fn read_ahead(reading: Reading) -> ReadAhead {
    tokio::task::spawn_blocking(move || reading.piece())
}

impl Reading {
    fn piece(mut self) -> StorageResult<(Self, Bytes)> {
        let wanted = self.left.min(PIECE_BYTES);
        let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
        let read = Read::by_ref(&mut self.file).take(wanted).read_to_end(&mut bytes);
        let read = read.map_err(|source| self.disk.error("read", &self.disk.layout.data(&self.path), source))?;
        if (read as u64) < wanted {
            return Err(StorageError::Io {
                action: "read",
                path: self.path.to_string(),
                source: std::io::Error::new(ErrorKind::UnexpectedEof, "the file is shorter than its description says"),
            });
        }
        self.left -= wanted;
        Ok((self, bytes.into()))
    }
}
