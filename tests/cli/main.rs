//! Whole commands: what they print, and with which exit code they end.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod bad_input;
mod batch;
mod bench;
mod bundles;
mod cache;
mod command;
mod contract;
mod errors;
mod extract;
mod faces;
mod fusion;
mod gpu;
mod guarded;
mod inputs;
mod inventory;
mod isolated;
mod long;
mod models;
mod run;
mod simulate;
mod train;
mod transcribe;
mod tree;
mod world;
