//! Space promised to uploads on their way, so that many at once cannot take more than there is.

use std::sync::Arc;

use parking_lot::Mutex;

/// Bytes promised to uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promised {
    /// Not written yet: the volume's own count of free space does not know them.
    pub unwritten: u64,
    /// Not committed yet: the catalog's sums do not know them.
    pub uncommitted: u64,
    /// All that was ever promised: what came between two looks.
    pub ever: u64,
}

impl Promised {
    /// What was promised at any time between an earlier look and this one: what was written or committed in between
    /// counts as promised still, for a measurement made in between may not know of it, and so does what came since.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        let came = self.ever - earlier.ever;
        Self {
            unwritten: earlier.unwritten.saturating_add(came),
            uncommitted: earlier.uncommitted.saturating_add(came),
            ever: self.ever,
        }
    }
}

/// How many bytes are promised in all.
#[derive(Debug, Default)]
pub struct Ledger {
    promised: Mutex<Promised>,
}

/// Bytes promised to one upload. Given back when dropped, which is after its commit.
#[derive(Debug)]
pub struct Promise {
    ledger: Arc<Ledger>,
    own: Promised,
}

impl Ledger {
    /// Bytes promised now.
    pub fn promised(&self) -> Promised {
        *self.promised.lock()
    }

    /// A promise of nothing, to be extended.
    pub fn begin(self: &Arc<Self>) -> Promise {
        Promise { ledger: Arc::clone(self), own: Promised::default() }
    }
}

impl Promise {
    /// Bytes still promised and not written.
    pub const fn unwritten(&self) -> u64 {
        self.own.unwritten
    }

    /// Bytes promised and not committed.
    pub const fn uncommitted(&self) -> u64 {
        self.own.uncommitted
    }

    /// Promises `bytes` more if `fits` agrees, asked with what is promised already: judged and taken in one step.
    pub fn extend<E>(&mut self, bytes: u64, fits: impl FnOnce(Promised) -> Result<(), E>) -> Result<(), E> {
        let mut promised = self.ledger.promised.lock();
        fits(*promised)?;
        promised.ever = promised.ever.saturating_add(bytes);
        for sum in [&mut *promised, &mut self.own] {
            sum.unwritten = sum.unwritten.saturating_add(bytes);
            sum.uncommitted = sum.uncommitted.saturating_add(bytes);
        }
        Ok(())
    }

    /// So many of the promised bytes are on the volume now.
    pub fn written(&mut self, bytes: u64) {
        let part = bytes.min(self.own.unwritten);
        self.own.unwritten -= part;
        self.ledger.promised.lock().unwritten -= part;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut promised = self.ledger.promised.lock();
        promised.unwritten -= self.own.unwritten;
        promised.uncommitted -= self.own.uncommitted;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Ledger, Promised};

    #[test]
    fn no_more_is_promised_than_fits_and_all_comes_back() {
        let ledger = Arc::new(Ledger::default());
        let fits =
            |bytes: u64| move |promised: Promised| if promised.uncommitted + bytes <= 100 { Ok(()) } else { Err(()) };
        let (mut first, mut second) = (ledger.begin(), ledger.begin());
        first.extend(60, fits(60)).unwrap();
        assert!(second.extend(41, fits(41)).is_err());
        second.extend(40, fits(40)).unwrap();
        first.written(20);
        assert_eq!(ledger.promised(), Promised { unwritten: 80, uncommitted: 100, ever: 100 });
        drop(first);
        assert_eq!(ledger.promised(), Promised { unwritten: 40, uncommitted: 40, ever: 100 });
        drop(second);
        assert_eq!(ledger.promised(), Promised { ever: 100, ..Promised::default() });
    }

    #[test]
    fn what_ends_and_what_comes_between_two_looks_both_count() {
        let ledger = Arc::new(Ledger::default());
        let any = |_| Ok::<(), ()>(());
        let (mut ends, mut comes) = (ledger.begin(), ledger.begin());
        ends.extend(10, any).unwrap();
        let before = ledger.promised();
        drop(ends);
        comes.extend(10, any).unwrap();
        let most = ledger.promised().since(before);
        assert_eq!((most.unwritten, most.uncommitted), (20, 20));
    }
}
