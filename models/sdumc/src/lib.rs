//! SDUMC: fusion of audio, text and video into a valence, with and without the real text.
//!
//! Source: the Double-Flow Self-Distillation paper (equations 1 to 12) and the authors' released model, whose
//! parameter names are kept. Shapes: `b` clips, `t` frames, `D` = 256 at the published size.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`RawConfig`] as in `config.json`, [`Config`], and every setting in which paper and release differ |
//! | [`names`] | [`keys`]: published prefixes, and the published tensors that nothing uses |
//! | [`input`] | [`Sequence`], [`Sequences`], [`Clips`], [`Flow`]: padded features, and absent modalities |
//! | [`pass`] | [`Pass`]: flow, dropout and gate, which go through the network with a batch |
//! | [`layers`] | linear layers with PyTorch's initialisation, the two kinds of MLP |
//! | [`attention`] | stages 1 and 2 of the cross-attention |
//! | [`gather`] | attention-guided feature gathering, the seven views |
//! | [`imagination`] | the modality imagination autoencoder in its variants |
//! | [`model`] | [`Sdumc`]: the network, whole and step by step |
//! | [`output`] | [`Output`], what share each modality had in it, and [`Pair`], the outputs of both flows |
//! | [`losses`] | [`Losses`] of both flows, and their [`LossWeights`] |
//! | [`gradients`] | [`Differentiable`]: the gradient of every parameter of a checkpoint |
//! | [`mod@rank_n_contrast`] | the loss that orders representations by label |
//! | [`train`] | [`Settings`] and [`SdumcRecipe`]: SDUMC as a method under training |
//! | [`error`] | [`Error`] |

pub mod attention;
pub mod config;
pub mod error;
pub mod gather;
pub mod gradients;
pub mod imagination;
pub mod input;
pub mod layers;
pub mod losses;
pub mod model;
pub mod names;
pub mod output;
pub mod pass;
pub mod rank_n_contrast;
pub mod train;

pub use config::{Compat, Config, DropoutRates, Mia, MiaResidual, MiaStructure, RawConfig, Switch, Widths};
pub use error::Error;
pub use gradients::Differentiable;
pub use input::{Clips, Flow, Sequence, Sequences};
pub use losses::{LossWeights, Losses};
pub use model::Sdumc;
pub use names::keys;
pub use output::{Attention, Output, Pair};
pub use pass::Pass;
pub use train::{SdumcRecipe, Settings, Simulated};
