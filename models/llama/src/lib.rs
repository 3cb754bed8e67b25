//! Llama: a causal language model with all its hidden states, and the SLAM-ASR projector that feeds it speech.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`Config`], read from a published `config.json` |
//! | [`names`] | [`KEYS`]: from published tensor names to ours |
//! | `rope` | rotary position embedding |
//! | `mask` | which positions may attend to which |
//! | `attention` | grouped-query self-attention over a cache |
//! | `block` | the gated MLP and the layer around it |
//! | [`model`] | [`Llama`] and its [`Output`] |
//! | `causal_lm` | Llama as generation sees it |
//! | [`slam`] | [`slam::Projector`]: WavLM frames to Llama embeddings |

mod attention;
mod block;
mod causal_lm;
pub mod config;
mod mask;
pub mod model;
pub mod names;
mod rope;
pub mod slam;

pub use config::{BadConfig, Config};
pub use model::{Llama, Output};
pub use names::KEYS;
