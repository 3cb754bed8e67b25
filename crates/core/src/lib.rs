//! Vocabulary of affekt: what a clip, a waveform, a frame, a feature and an event are. No IO, no tensors.
//!
//! | module | holds |
//! |---|---|
//! | [`units`] | [`Seconds`], [`SampleRate`] |
//! | [`clip`] | [`ClipId`], [`Span`] |
//! | [`waveform`] | [`Waveform`] |
//! | [`frame`] | [`Frame`], [`RgbImage`] |
//! | [`modality`] | [`Modality`], [`TextSource`] |
//! | [`feature`] | [`FeatureKind`], [`LayerRule`], [`FeatureSpec`] |
//! | [`digest`] | [`Digest`] (SHA-256) |
//! | [`event`] | [`Reporter`], [`Event`], [`Stage`], [`Standing`] |
//! | [`error`] | [`Explain`], [`ErrorKind`] |

pub mod clip;
pub mod digest;
pub mod error;
pub mod event;
pub mod feature;
pub mod frame;
pub mod modality;
pub mod units;
pub mod waveform;

pub use clip::{ClipId, Span};
pub use digest::Digest;
pub use error::{ErrorKind, Explain};
pub use event::{Event, Reporter, Silent, Stage, StageStanding, Standing};
pub use feature::{FeatureKind, FeatureSpec, LayerRule};
pub use frame::{Frame, RgbImage};
pub use modality::{Modality, TextSource};
pub use units::{SampleRate, Seconds};
pub use waveform::Waveform;
