//! One module a command.

pub mod doctor;
#[cfg(feature = "media")]
pub mod faces;
pub mod models;
#[cfg(feature = "media")]
mod page;
#[cfg(feature = "media")]
pub mod predict;
pub mod run;
