//! One module a command.

pub mod ablate;
pub mod batch;
pub mod bench;
pub mod cache;
pub mod check;
pub mod doctor;
pub mod eval;
#[cfg(feature = "media")]
pub mod extract;
#[cfg(feature = "media")]
pub mod faces;
pub mod inventory;
mod made;
pub mod manifest;
pub mod models;
#[cfg(feature = "media")]
mod page;
#[cfg(feature = "media")]
pub mod predict;
pub mod report;
pub mod run;
pub mod simulate;
#[cfg(feature = "media")]
mod speech;
pub mod train;
#[cfg(feature = "media")]
pub mod transcribe;
#[cfg(feature = "media")]
pub mod worker;
