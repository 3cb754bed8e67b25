//! Operations for training: each has a backward pass, and both passes use all threads on the CPU.
//!
//! candle's own operations on the CPU are single-threaded but for its matrix product. What training spends its time in is
//! here in f32 on the CPU, and composed of candle's operations for other types and devices. Results, gradients included,
//! do not depend on the number of threads. On cards, candle would launch several kernels for each step of a layer, and each
//! would read and write everything: there, kernels do all that stands between two products.
//!
//! | part | holds |
//! |---|---|
//! | [`linear()`] | x W' + b |
//! | [`rectified`] | dropout(ReLU(x W' + b)) |
//! | [`attend`] | attention over [`Frames`], which are both the values and, after a projection and a tanh, the keys |
//! | [`mean_square_on_card`] | the mean square of a difference, or its root |
//! | [`rank_n_contrast_on_card`] | the loss that orders representations by label |

mod attend;
mod card;
mod frames;
mod linear;
mod mean_square;
mod panel;
mod rank_n_contrast;

pub use attend::{Keys, attend};
pub use frames::Frames;
pub use linear::{linear, rectified};
pub use mean_square::mean_square_on_card;
pub use rank_n_contrast::rank_n_contrast_on_card;
