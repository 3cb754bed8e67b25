//! CUDA without a card at hand.
//!
//! | module | holds |
//! |---|---|
//! | [`toolkit`] | the CUDA tool kit: found, and set up for cargo |
//! | [`testbed`] | libraries that stand in for the driver and NVIDIA's, built from `tests/cuda` |
//! | [`emulate`] | the CUDA build of `affekt`, run with them |
//! | [`wheels`] | a tool kit from PyPI |
//! | [`check`] | the CUDA build, packed for a machine with a card: `cuda-check` |

pub mod check;
pub mod emulate;
pub mod testbed;
pub mod toolkit;
pub mod wheels;
