//! One module a command.

#[cfg(feature = "media")]
pub mod bench;
pub mod cache;
pub mod doctor;
#[cfg(feature = "media")]
pub mod extract;
#[cfg(feature = "media")]
pub mod faces;
pub mod inventory;
pub mod models;
#[cfg(feature = "media")]
mod page;
#[cfg(feature = "media")]
pub mod predict;
pub mod run;
#[cfg(feature = "media")]
pub mod worker;
