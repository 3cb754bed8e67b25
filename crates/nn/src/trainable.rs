//! Operations for training: each has a backward pass, and both passes use all threads on the CPU.
//!
//! candle's own operations on the CPU are single-threaded but for its matrix product. What training spends its time in is
//! here in f32 on the CPU, and composed of candle's operations for other types and devices. Results, gradients included,
//! do not depend on the number of threads.
//!
//! | part | holds |
//! |---|---|
//! | [`linear()`] | x W' + b |
//! | [`attend`] | attention over [`Frames`], which are both the values and, after a projection and a tanh, the keys |

mod attend;
mod frames;
mod linear;
mod panel;

pub use attend::{Keys, attend};
pub use frames::Frames;
pub use linear::linear;
