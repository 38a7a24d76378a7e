//! Memory in which parts are gathered: bounded, and used again, so that a large file takes no more than a few parts.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

const MIB: usize = 1024 * 1024;

/// The buffers of all files together.
pub(super) struct Buffers {
    /// A place for each MiB.
    places: Arc<Semaphore>,
    places_in_all: usize,
    /// Those nobody fills or sends. An allocator asked for as much for each part anew would have to find room for it
    /// between what lives longer, and would keep the room.
    free: Mutex<Vec<Vec<u8>>>,
}

/// A buffer that is being filled. It goes back when it is dropped.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    size: usize,
    all: Arc<Buffers>,
    place: Option<OwnedSemaphorePermit>,
}

impl Buffers {
    /// Buffers of at most so many MiB in all.
    pub(super) fn new(places_in_all: usize) -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(places_in_all)), places_in_all, free: Mutex::default() })
    }

    /// A buffer of so many MiB. Its whole place is taken at once: several files that each held half a part would wait for
    /// each other for ever.
    pub(super) async fn take(self: &Arc<Self>, mib: usize) -> Result<Buffer, AcquireError> {
        let places = u32::try_from(mib.min(self.places_in_all)).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.places).acquire_many_owned(places).await?;
        let size = mib * MIB;
        let kept = {
            let mut free = self.free.lock();
            if free.last().is_some_and(|kept| kept.capacity() < size) {
                // Parts have grown: smaller buffers beside larger ones would be more than there is room for.
                free.clear();
            }
            free.pop()
        };
        let bytes = kept.unwrap_or_else(|| Vec::with_capacity(size));
        Ok(Buffer { bytes, size, all: Arc::clone(self), place: Some(place) })
    }

    /// Keeps a buffer for the next part; with the last file on its way all of them go.
    fn give_back(&self, mut bytes: Vec<u8>, place: Option<OwnedSemaphorePermit>) {
        bytes.clear();
        let mut free = self.free.lock();
        free.push(bytes);
        drop(place);
        if self.places.available_permits() == self.places_in_all {
            let idle = mem::take(&mut *free);
            drop(free);
            drop(idle);
        }
    }
}

impl Buffer {
    /// Takes as much of `piece` as there is room for.
    pub(super) fn fill(&mut self, piece: &mut Bytes) {
        let room = self.size - self.bytes.len();
        let taken = piece.split_to(room.min(piece.len()));
        self.bytes.extend_from_slice(&taken);
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() == self.size
    }

    /// What was gathered, to be sent: the buffer goes back when the last of those who send it is done.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.all.give_back(mem::take(&mut self.bytes), self.place.take());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Buffers, MIB};

    #[tokio::test]
    async fn one_buffer_serves_part_after_part_and_goes_with_the_last_file() {
        let buffers = Buffers::new(4);
        let other_file = buffers.take(1).await.unwrap();
        let mut places = Vec::new();
        for _ in 0..10 {
            let mut buffer = buffers.take(1).await.unwrap();
            let mut piece = Bytes::from(vec![7; MIB + 5]);
            buffer.fill(&mut piece);
            assert!(buffer.is_full() && piece.len() == 5);
            let sent = buffer.freeze();
            let held_by_a_retry = sent.clone();
            assert_eq!((sent.len(), buffers.places.available_permits()), (MIB, 2));
            places.push(sent.as_ptr());
            drop(sent);
            assert_eq!(buffers.places.available_permits(), 2);
            drop(held_by_a_retry);
            assert_eq!((buffers.places.available_permits(), buffers.free.lock().len()), (3, 1));
        }
        places.dedup();
        assert_eq!(places.len(), 1, "a new buffer for each part");
        drop(other_file);
        assert!(buffers.free.lock().is_empty(), "memory is kept that nobody needs");
    }

    #[tokio::test]
    async fn who_finds_no_room_waits() {
        let buffers = Buffers::new(4);
        let first = buffers.take(3).await.unwrap();
        let second = tokio::time::timeout(std::time::Duration::from_millis(20), buffers.take(2)).await;
        assert!(second.is_err(), "more memory than there is");
        drop(first);
        buffers.take(2).await.unwrap();
    }
}
