//! MANet: facial expression encoder, local attention and multi-scale branches, one embedding a face.
//!
//! Source: MA-Net (Zhao, Liu and Wang, 2021) as published by its authors, and the copy of it that SDUMC used. Inference
//! only: batch normalisation is folded into the convolutions. Shapes: `b` faces, `w` = 64 channels at the published
//! size, images and maps as (b, channels, height, width).
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`RawConfig`] as in `config.json`, [`Config`], [`Variant`] |
//! | [`names`] | [`KEYS`]: published prefix, and the published tensors that nothing uses |
//! | [`conv`] | convolution with its batch normalisation folded in |
//! | [`attention`] | CBAM: channel and spatial gates |
//! | [`multiscale`] | the two chains of the multi-scale block |
//! | [`block`] | residual blocks of the three kinds, layers of them |
//! | [`model`] | [`Manet`] |
//! | [`error`] | [`Error`] |

pub mod attention;
pub mod block;
pub mod config;
pub mod conv;
pub mod error;
pub mod model;
pub mod multiscale;
pub mod names;

pub use config::{Config, RawConfig, Variant};
pub use error::Error;
pub use model::Manet;
pub use names::KEYS;
