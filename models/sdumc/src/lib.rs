//! SDUMC: fusion of audio, text and video into a valence, with and without the real text.
//!
//! Source: the Double-Flow Self-Distillation paper (equations 1 to 6) and the authors' released model, whose
//! parameter names are kept. Shapes: `b` clips, `t` frames, `D` = 256 at the published size.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`RawConfig`] as in `config.json`, [`Config`], and every setting in which paper and release differ |
//! | [`names`] | [`keys`]: published prefixes, and the published tensors that nothing uses |
//! | [`input`] | [`Sequence`], [`Sequences`], [`Flow`]: padded features, and absent modalities |
//! | [`layers`] | linear layers with PyTorch's initialisation, the two kinds of MLP |
//! | [`attention`] | stages 1 and 2 of the cross-attention |
//! | [`gather`] | attention-guided feature gathering, the seven views |
//! | [`imagination`] | the modality imagination autoencoder in its variants |
//! | [`model`] | [`Sdumc`]: the network, whole and step by step |
//! | [`output`] | [`Output`], and what share each modality had in it |
//! | [`error`] | [`Error`] |

pub mod attention;
pub mod config;
pub mod error;
pub mod gather;
pub mod imagination;
pub mod input;
pub mod layers;
pub mod model;
pub mod names;
pub mod output;

pub use config::{Compat, Config, Mia, MiaResidual, MiaStructure, RawConfig, Switch, Widths};
pub use error::Error;
pub use input::{Flow, Sequence, Sequences};
pub use model::Sdumc;
pub use names::keys;
pub use output::{Attention, Output};
