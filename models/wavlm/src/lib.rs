//! WavLM (Chen et al., 2022, "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing"): speech
//! encoder with gated relative position bias. Gives all hidden states.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`RawConfig`] (a published `config.json`) and [`Config`] (checked) |
//! | [`names`] | [`KEYS`]: from the published tensor names (Hugging Face, unilm) to ours |
//! | [`mod@normalize`] | [`normalize()`], [`Normalize`]: what is done to the waveform before the network |
//! | `lengths` | true lengths of the clips of a padded batch |
//! | `features` | strided convolutions: waveform -> frames of 20 ms |
//! | `positional` | convolution over frames that tells positions apart |
//! | `relative` | relative position bias, gated by each layer |
//! | `attention` | multi-head self-attention with that bias |
//! | `block` | Transformer block |
//! | [`model`] | [`WavLm`] |

mod attention;
mod block;
pub mod config;
mod features;
mod lengths;
pub mod model;
pub mod names;
pub mod normalize;
mod positional;
mod relative;

pub use config::{BadConfig, Config, ConvNorm, ConvShape, RawConfig};
pub use model::WavLm;
pub use names::KEYS;
pub use normalize::{Normalize, normalize};
