//! For tests only: what every test suite of the workspace needs.
//!
//! | module | holds |
//! |---|---|
//! | [`golden`] | [`golden::Golden`]: a file of reference tensors with the settings that made them |
//! | [`tolerance`] | [`relative_error`], [`assert_close`] |
//! | `noise` | [`noise()`]: seeded numbers |
//! | [`clips`] | synthetic media, made with the `ffmpeg` command |
//! | [`realdata`] | real clips, where this machine has them |
//! | [`fuzz`] | readers against damaged files |
//! | [`torchfile`] | PyTorch files made by hand: as published, and hostile |

pub mod clips;
pub mod fuzz;
pub mod golden;
mod noise;
pub mod realdata;
pub mod tolerance;
pub mod torchfile;

pub use noise::noise;
pub use tolerance::{assert_close, relative_error};
