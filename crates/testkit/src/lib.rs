//! For tests only: what every test suite of the workspace needs.
//!
//! | module | holds |
//! |---|---|
//! | [`golden`] | [`golden::Golden`]: a file of reference tensors with the settings that made them |
//! | [`tolerance`] | [`relative_error`], [`assert_close`] |
//! | [`clips`] | synthetic media, made with the `ffmpeg` command |
//! | [`realdata`] | real clips, where this machine has them |

pub mod clips;
pub mod golden;
pub mod realdata;
pub mod tolerance;

pub use tolerance::{assert_close, relative_error};
