//! Llama: a causal language model with all its hidden states, and the SLAM-ASR projector that feeds it speech.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`Config`], read from a published `config.json` |
//! | [`names`] | [`KEYS`] and [`names::GGUF_KEYS`]: from published tensor names to ours |
//! | `gguf` | [`Llama::load_gguf`]: network and configuration from one quantised file; [`Config::from_gguf`] |
//! | `rope` | rotary position embedding |
//! | `scaling` | [`RopeScaling`]: stretched rotary wavelengths |
//! | `mask` | positions that are padding |
//! | `source` | where weights come from, and the layers that differ by it |
//! | `attention` | grouped-query self-attention over a cache |
//! | `block` | the gated MLP and the layer around it |
//! | [`model`] | [`Llama`] and its [`Output`] |
//! | `causal_lm` | Llama as generation sees it |
//! | [`slam`] | [`slam::Projector`]: WavLM frames to Llama embeddings |

mod attention;
mod block;
mod causal_lm;
pub mod config;
mod gguf;
mod mask;
pub mod model;
pub mod names;
mod rope;
mod scaling;
pub mod slam;
mod source;

pub use config::{BadConfig, Config};
pub use model::{Llama, Output};
pub use names::KEYS;
pub use scaling::RopeScaling;
