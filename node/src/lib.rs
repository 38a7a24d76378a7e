//! The storage node: serves the file API of one storage element.
//!
//! Rooms, and which way arrows go: `http → files, element, jobs, settling → storage, catalog, election`, all of them
//! using the words of `model`. Nothing points back; `commands` wires.

pub mod catalog;
pub mod commands;
pub mod config;
pub mod election;
pub mod element;
pub mod failpoint;
pub mod files;
pub mod http;
pub mod jobs;
pub mod model;
pub mod security;
pub mod settling;
pub mod storage;
pub mod telemetry;
