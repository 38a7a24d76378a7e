//! One holder at a time, through a `coordination.k8s.io/v1` Lease: the master among the nodes of an element, the active one
//! among the replicas of the operator.
//!
//! [`Keeper`] is what a process uses: it renews on a thread of its own and says what is held. [`protocol`] is what
//! decides, a pure machine that a simulation drives through every order of faults.
//!
//! # What it promises
//!
//! Of all processes that use one Lease, at most one at a time finds that [`Keeper::check`] succeeds, as long as their
//! clocks run at about the same *speed* (what the clocks say does not matter): the margin between lease duration and
//! renew deadline has to be larger than what they drift apart in one duration. Each term has higher
//! `leaseTransitions` than the one before it in the same Lease.
//!
//! # What it cannot promise
//!
//! A check is true at the moment it is asked. A process may be frozen right after, by SIGSTOP, by a hypervisor whose
//! guests do not count the time, by a disk that does not answer, and go on a minute later with the next instruction.
//! **So whatever is written has to be fenced by what it is written to**; the Lease only makes that rare.
//!
//! # Hazards, and what is done about each
//!
//! - *Clocks of two machines disagree.* `renewTime` is never compared with a clock. A Lease has expired when this process
//!   has itself seen no change of it for the longer of the recorded duration and its own.
//! - *A machine is suspended.* Time is `CLOCK_BOOTTIME` ([`BootInstant`]), which goes on meanwhile, in checks and in timers.
//! - *A renewal is applied, and its answer comes late.* The deadline counts from before the request was sent: the server may
//!   have applied it right then, and from there on others count.
//! - *An answer is lost.* Whether it was written is unknown until the Lease is read again, and what is read begins no
//!   term: only an answer to a write of one's own does.
//! - *A request is delayed and arrives after everyone gave it up.* Each write names the `resourceVersion` that it was decided
//!   on and is refused when anything came between.
//! - *The client sends a request again by itself.* Its retries are off: the second one would be a conflict with the first.
//! - *The Lease is deleted.* Updating a Lease that does not exist creates it, for this kind of object. Each write names the
//!   `uid`, so it is refused instead. Nothing here makes a Lease: the holder goes on until its deadline, then waits.
//! - *The Lease is made again* while a holder of the old one is cut off and counts on its deadline. One that nobody has ever
//!   held is watched for a whole duration first ([`Settings::take_unheld_at_once`] says when not).
//! - *A process comes back under the name of an earlier life.* The name alone is no proof: that life's term is waited out.
//! - *The holder is healthy but useless*, its database or storage gone. [`Keeper::stand_aside`] leaves the Lease to others.
//! - *The thread that renews dies.* [`Keeper::check`] fails from then on and [`Keeper::ended`] resolves: the process has to end.
//! - *A watch shows the past, or breaks without a word.* Versions rise, so what is older than what is known is passed over;
//!   and where the watch does not show the renewals that there have to be, the Lease is read.
//! - *A person empties `holderIdentity` by hand.* That says that nobody holds it, and it is taken at once. Delete the pod
//!   instead.
//!
//! # Rights
//!
//! `get`, `update` and `watch` on this one Lease by its name. No `list`, no `create`.

mod api;
mod clock;
mod keeper;
pub mod protocol;
mod settings;
#[cfg(test)]
mod simulation;
mod timer;

pub use clock::BootInstant;
pub use keeper::{Counts, Ended, Keeper, NotHeld, StartError};
pub use protocol::Belief;
pub use settings::{Settings, SettingsError};
