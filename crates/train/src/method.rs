//! What a method gives to the harness. A method is a crate of its own; the harness reads batches, draws parameters, turns
//! losses into updates, validates, chooses and reports, and knows nothing else of it.

use std::collections::BTreeMap;

use affekt_core::FeatureKind;
use candle_core::Tensor;
use candle_nn::VarBuilder;
use serde_json::Value;

use crate::{Batch, Error, Key};

/// A feature that a method is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub kind: FeatureKind,
    /// Numbers a row.
    pub width: usize,
}

/// Settings, checked, for features of the widths that are given.
pub type Prepare = fn(&Value, &BTreeMap<FeatureKind, usize>) -> Result<Box<dyn Recipe>, Error>;

/// How a method is found by its name. Each method's crate has one as a constant.
#[derive(Clone, Copy)]
pub struct Registration {
    /// The name, as on the command line and in configurations.
    pub name: &'static str,
    /// The features that a method of these settings takes; settings that are unknown or cannot be are refused here.
    pub features: fn(&Value) -> Result<Vec<FeatureKind>, Error>,
    /// The settings, checked, for features of these widths. Settings that name other widths are refused.
    pub prepare: Prepare,
}

/// The settings of a method, checked and with their defaults: what can be said before there are any parameters.
pub trait Recipe: Send + Sync {
    /// The name of the method, as on the command line.
    fn method(&self) -> &'static str;

    /// Every setting with the value that counts, in the form in which the method reads its settings.
    fn settings(&self) -> Value;

    /// The features that it takes.
    fn needs(&self) -> Vec<Need>;

    /// What it is judged by and reports: at least one, such as `complete` and `text-missing`. [`Judged`] come in this
    /// order.
    fn flows(&self) -> &'static [&'static str];

    /// Its phases, in order; at least one.
    fn phases(&self) -> Vec<Phase>;

    /// Builds the network with the parameters of `vb`.
    fn build(&self, vb: VarBuilder) -> Result<Box<dyn Method>, Error>;
}

/// A stretch of training with updates of its own, such as that of a teacher before that of its student. Each phase ends
/// with the parameters of its best epoch, which the next one begins with.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Its name, in logs and reports.
    pub name: &'static str,
    /// How many epochs it has; `None` for what the configuration of the training says.
    pub epochs: Option<usize>,
    /// What is done with each batch, in order.
    pub updates: Vec<Update>,
}

/// One descent along a loss.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// Its name, in logs and reports.
    pub name: &'static str,
    /// Whether it moves the parameter of this name. Others keep their values, even where the loss has a gradient for them.
    pub moves: fn(&str) -> bool,
}

/// Which descent is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Index of the phase.
    pub phase: usize,
    /// Index of the update in its phase.
    pub update: usize,
    /// Where the randomness of this pass comes from; `None` switches it off (no dropout).
    pub key: Option<Key>,
}

/// A method with parameters.
pub trait Method: Send + Sync {
    /// The losses of a batch, with gradients.
    fn losses(&self, batch: &Batch, pass: Pass) -> Result<Losses, Error>;

    /// What the method says of a batch as it stands in `phase`, without gradients and without dropout: one entry for each
    /// of [`Recipe::flows`].
    fn judge(&self, batch: &Batch, phase: usize) -> Result<Vec<Judged>, Error>;
}

/// The losses of a batch.
#[derive(Clone, Debug)]
pub struct Losses {
    /// What is descended along: ().
    pub total: Tensor,
    /// What it consists of, before weights, each (): by name, in the order of reports.
    pub terms: Vec<(&'static str, Tensor)>,
}

/// What one flow says of a batch.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Valence of each clip, unclipped.
    pub valence: Vec<f64>,
    /// (b, d): what the valence is read from; distances between flows are those of these.
    pub representation: Option<Tensor>,
    /// What the valence was made of.
    pub shares: Vec<Share>,
}

/// Shares that sum up to 1, for each clip.
#[derive(Clone, Debug)]
pub struct Share {
    /// Of what: `modality`, `view`.
    pub of: &'static str,
    /// Names of the parts.
    pub parts: &'static [&'static str],
    /// For each clip, the share of each part.
    pub values: Vec<Vec<f32>>,
}
