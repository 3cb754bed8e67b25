//! One module a command.

pub mod doctor;
#[cfg(feature = "media")]
pub mod faces;
#[cfg(feature = "media")]
pub mod predict;
pub mod run;
