//! Writes passed on from a standby to the master: two routers over real sockets and real TLS. The master is a node, or
//! a script that does to the standby what a node cannot be made to do at will.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod authority;
mod certificates;
mod continuing;
mod element;
mod failing;
mod form;

mod logged;
mod routes;
mod scripted;
mod streaming;
mod trust;
mod wire;
