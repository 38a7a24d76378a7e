//! What a node depends on fails: slowly, at random, for a while, for good, or by being exchanged for something else.
//! Nothing acknowledged is lost, nothing half-done is shown, and readiness tells which part is at fault.

mod account;
mod behind;
mod outages;
mod replaced;
mod seeds;
mod workload;
