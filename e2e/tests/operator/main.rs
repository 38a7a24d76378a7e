//! The operator against a real API server and controller manager; no kubelet: pods are what a test says they are.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod deletion;
mod drift;
mod faults;
mod ground;
mod growth;
mod in_the_way;
mod killed;
mod kubelet;
mod many;
mod monitored;
mod nodes;
mod quiet;
mod rolls;
mod scaling;
mod scripted;
mod several;
