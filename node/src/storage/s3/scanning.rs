//! Walking over everything below the prefix, day by day, in bounded memory.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc::Sender;

use super::attrs::is_tombstone;
use super::listing::Listed;
use super::store::Store;
use crate::model::{ATTR_SUFFIX, StoragePath};
use crate::storage::{DataStat, Found, StorageResult};

/// Folders above those that are listed as a whole: year, month, day.
const LEVELS: u32 = 3;
/// Days listed at once.
const DAYS_AT_ONCE: usize = 4;
/// Attrs of one day read at once.
const ATTRS_AT_ONCE: usize = 16;
/// Files in one batch.
const BATCH: usize = 512;

/// A file seen in a listing.
struct Seen {
    path: StoragePath,
    attr: bool,
    data: Option<DataStat>,
}

/// Sends every file below the prefix. Returns early when nobody listens any more.
pub(super) async fn scan(store: &Arc<Store>, found: &Sender<Vec<Found>>) -> StorageResult<()> {
    let mut folders = vec![String::new()];
    for level in 0..LEVELS {
        let mut below = Vec::new();
        for folder in &folders {
            let mut pairs = Pairs::default();
            let mut from = None;
            loop {
                let page = store.page(folder, true, from).await?;
                below.extend(page.folders);
                // What lies beside the years is nobody's.
                if level > 0 {
                    page.keys.into_iter().for_each(|key| pairs.push(key));
                }
                match page.next {
                    Some(next) => from = Some(next),
                    None => break,
                }
            }
            if !send(store, pairs.rest(), found).await? {
                return Ok(());
            }
        }
        folders = below;
    }
    let days = stream::iter(folders.into_iter().map(|folder| scan_day(store, folder, found)));
    // An error ends it, and so does a receiver that has gone.
    let mut days = days.buffered(DAYS_AT_ONCE);
    while let Some(listens) = days.try_next().await? {
        if !listens {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether any data or attr object is there. Tombstones count: they tell of an element that was here.
pub(super) async fn holds_files(store: &Store) -> StorageResult<bool> {
    let mut from = None;
    loop {
        let page = store.page("", false, from).await?;
        if page.keys.iter().any(|key| key.path.contains('/')) {
            return Ok(true);
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(false),
        }
    }
}

/// False when nobody listens any more.
async fn scan_day(store: &Arc<Store>, folder: String, found: &Sender<Vec<Found>>) -> StorageResult<bool> {
    let (mut pairs, mut from) = (Pairs::default(), None);
    loop {
        let page = store.page(&folder, false, from).await?;
        page.keys.into_iter().for_each(|key| pairs.push(key));
        let last = page.next.is_none();
        let complete = if last { pairs.rest() } else { std::mem::take(&mut pairs.complete) };
        if !send(store, complete, found).await? {
            return Ok(false);
        }
        if last {
            return Ok(true);
        }
        from = page.next;
    }
}

async fn send(store: &Store, seen: Vec<Seen>, found: &Sender<Vec<Found>>) -> StorageResult<bool> {
    let read = |seen: Seen| async move {
        let attr = if seen.attr { read_attr(store, &seen.path).await } else { None };
        Found { path: seen.path, attr, data: seen.data }
    };
    let read = stream::iter(seen).map(read).buffered(ATTRS_AT_ONCE);
    // A tombstone without data is nothing at all, and so is an attr that has gone meanwhile.
    let read = read.filter(|found| std::future::ready(found.attr.is_some() || found.data.is_some()));
    let mut batches = read.chunks(BATCH).boxed();
    while let Some(batch) = batches.next().await {
        if found.send(batch).await.is_err() {
            return Ok(false);
        }
    }
    Ok(!found.is_closed())
}

async fn read_attr(store: &Store, path: &StoragePath) -> Option<Result<Bytes, String>> {
    match store.get(&path.attr_path()).await {
        Ok(found) => found.map(|found| found.bytes).filter(|bytes| !is_tombstone(bytes)).map(Ok),
        Err(failure) => Some(Err(failure.at("read", path.attr_path()).to_string())),
    }
}

/// Puts data and attr together while keys come in their order. What may still lie between a data key and its attr's
/// begins with the data's own name: so what waits is never more than a few.
#[derive(Default)]
struct Pairs {
    waiting: Vec<Listed>,
    complete: Vec<Seen>,
}

impl Pairs {
    fn push(&mut self, key: Listed) {
        while let Some(last) = self.waiting.pop_if(|last| !key.path.starts_with(&last.path)) {
            self.complete(last.path.clone(), false, Some(&last));
        }
        match key.path.strip_suffix(ATTR_SUFFIX) {
            Some(name) => {
                let at = self.waiting.iter().position(|waiting| waiting.path == name);
                let data = at.map(|at| self.waiting.remove(at));
                self.complete(name.to_owned(), true, data.as_ref());
            }
            None => self.waiting.push(key),
        }
    }

    fn complete(&mut self, path: String, attr: bool, data: Option<&Listed>) {
        let data = data.map(|data| DataStat { size: data.size, modified: data.modified });
        // Names that no file of ours can have, folders' own objects among them, are not ours.
        if let Some(path) = StoragePath::new(path) {
            self.complete.push(Seen { path, attr, data });
        }
    }

    fn rest(&mut self) -> Vec<Seen> {
        for last in std::mem::take(&mut self.waiting) {
            self.complete(last.path.clone(), false, Some(&last));
        }
        std::mem::take(&mut self.complete)
    }
}

#[cfg(test)]
mod tests {
    use super::{Listed, Pairs};
    use crate::model::Timestamp;

    #[test]
    fn data_and_attr_find_each_other_whatever_lies_between() {
        let mut keys =
            ["d/a", "d/a.attr.json", "d/b", "d/b!", "d/b!.attr.json", "d/b.attr.json", "d/c.attr.json", "d/e", "d/f/"];
        keys.sort_unstable();
        let mut pairs = Pairs::default();
        for key in keys {
            pairs.push(Listed { path: key.to_owned(), size: 1, modified: Timestamp::MIN });
            assert!(pairs.waiting.len() <= 2);
        }
        let mut seen: Vec<_> =
            pairs.rest().into_iter().map(|seen| (seen.path.to_string(), seen.attr, seen.data.is_some())).collect();
        seen.sort();
        let expected = [
            ("d/a", true, true),
            ("d/b", true, true),
            ("d/b!", true, true),
            ("d/c", true, false),
            ("d/e", false, true),
        ];
        assert_eq!(seen, expected.map(|(path, attr, data)| (path.to_owned(), attr, data)));
    }
}
