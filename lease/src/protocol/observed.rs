//! The words of the protocol: what can be observed, and what can be done about it.

use std::time::Duration;

use crate::BootInstant;

/// What a candidate believes about the Lease.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Belief {
    /// Not read yet, or deleted, or this candidate is none any more.
    #[default]
    Unknown,
    /// This candidate does not hold it.
    Following {
        /// Who did when it was last read; `None` when nobody did, or when it says this candidate's own name: an earlier life,
        /// or a term that is over.
        holder: Option<String>,
    },
    /// This candidate holds it, and may write for as long as `Keeper::check` says so.
    Holding {
        /// The Lease's transitions in this term. They rise with every change of holder and with every term, so a higher
        /// number is a later term of the same Lease.
        transitions: u64,
    },
}

/// When something was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What everything is judged by.
    pub boot: BootInstant,
    /// The wall clock, in microseconds since 1970. It is written to the Lease for people to read and to recognise a
    /// write again by; it is never compared with anything but for being the same.
    pub wall_micros: i64,
}

/// The Lease as it was seen once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `metadata.uid`: a Lease that was deleted and made again is another one.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `spec.holderIdentity`; `None` when empty.
    pub holder: Option<String>,
    /// `spec.leaseTransitions`, zero when it is not there.
    pub transitions: u64,
    /// `spec.leaseDurationSeconds`, if it is there and positive.
    pub duration: Option<Duration>,
    /// `spec.renewTime` in microseconds since 1970.
    pub renewed_micros: Option<i64>,
}

impl Seen {
    /// Whether nobody has ever held it. A Lease that was given up keeps its transitions and its renew time.
    #[must_use]
    pub fn never_held(&self) -> bool {
        self.holder.is_none() && self.transitions == 0 && self.renewed_micros.is_none()
    }
}

/// Tells an answer which request it belongs to. An answer to a request that was given up is of no use to anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The Lease as read, or as it is after our write.
    Lease(Seen),
    /// There is no Lease of that name.
    NotFound,
    /// The write was refused: the Lease is no longer at the version that was named (409).
    Conflict,
    /// Certainly nothing was written: the request was refused before (4xx), or this was a read.
    Refused,
    /// Nobody knows whether it was written: no answer came, or one that does not tell (5xx).
    Lost,
}

/// What whoever owns this candidate wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Give the Lease up if it is held, and be no candidate any more.
    Release,
    /// Give the Lease up if it is held, and do not take it for that long, unless nobody else does.
    StandAside(Duration),
    /// The epoch was passed: begin a new term, if the Lease is still held.
    NewTerm,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Time went by.
    Tick,
    /// The watch showed the Lease.
    Watched(Seen),
    /// The watch showed that the Lease of that UID was deleted.
    WatchedDeletion {
        /// Which one.
        uid: String,
    },
    /// The watch ended, or could not be begun.
    WatchEnded,
    /// A request was answered. One that is never answered is given up by the protocol itself.
    Answered(RequestId, Answer),
    /// The owner wants something.
    Wished(Wish),
}

/// What a write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// The holder goes on in its term.
    Renew,
    /// A term begins.
    Take,
    /// The holder gives it up.
    Release,
}

/// An update of the Lease, refused by the server unless the Lease is at `base.version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// What for.
    pub kind: WriteKind,
    /// The Lease that is written over. Its `uid` and `version` go along as preconditions.
    pub base: Seen,
    /// The holder, `None` to give it up.
    pub holder: Option<String>,
    /// Never lower than in `base`.
    pub transitions: u64,
    /// What others have to wait without a change.
    pub duration: Duration,
    /// The renew time, and on a take the acquire time, in microseconds since 1970.
    pub wall_micros: i64,
}

impl Write {
    /// What the Lease shows of it: two writes of one process, or of two, never show the same.
    pub(super) fn mark(&self) -> (&str, u64, Option<i64>) {
        (&self.base.uid, self.transitions, Some(self.wall_micros))
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the Lease. Takes the place of the request that was under way, if one was.
    Get(RequestId),
    /// Write the Lease. Takes the place of the request that was under way, if one was.
    Put(RequestId, Write),
    /// Watch the Lease. Takes the place of the watch that there was, if there was one.
    Watch {
        /// For changes since this version.
        after: String,
    },
}
