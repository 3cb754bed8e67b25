//! One module a command.

pub mod batch;
pub mod bench;
pub mod cache;
pub mod doctor;
#[cfg(feature = "media")]
pub mod extract;
#[cfg(feature = "media")]
pub mod faces;
pub mod inventory;
pub mod manifest;
pub mod models;
#[cfg(feature = "media")]
mod page;
#[cfg(feature = "media")]
pub mod predict;
pub mod run;
pub mod simulate;
#[cfg(feature = "media")]
mod speech;
#[cfg(feature = "media")]
pub mod transcribe;
#[cfg(feature = "media")]
pub mod worker;
