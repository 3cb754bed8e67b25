//! Settings of the training of SDUMC.

use serde::{Deserialize, Serialize};

use super::SdumcRecipe;
use crate::{Compat, Error, LossWeights, MiaResidual, MiaStructure, RawConfig, Switch, Widths};

/// Settings of the method as a configuration file gives them; everything may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// As in [`RawConfig`].
    pub widths: Option<Widths>,
    /// As in [`RawConfig`].
    pub dim: Option<usize>,
    /// As in [`RawConfig`]; the weights of the losses follow it too.
    pub compat: Compat,
    /// As in [`RawConfig`].
    pub mia: Option<Switch>,
    /// As in [`RawConfig`].
    pub mia_structure: MiaStructure,
    /// As in [`RawConfig`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mia_residual: Option<MiaResidual>,
    /// As in [`RawConfig`].
    pub dropout_attention: Option<f64>,
    /// As in [`RawConfig`].
    pub dropout_mlp: Option<f64>,
    /// What the terms of the loss count.
    pub loss: RawLossWeights,
    /// Text of the text-missing flow.
    pub simulated: Simulated,
}

/// [`LossWeights`] of which each may be left out: it then follows [`Settings::compat`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawLossWeights {
    /// See [`LossWeights::full`].
    pub full: Option<f64>,
    /// See [`LossWeights::missing`].
    pub missing: Option<f64>,
    /// See [`LossWeights::mkd1`].
    pub mkd1: Option<f64>,
    /// See [`LossWeights::mkd2`].
    pub mkd2: Option<f64>,
    /// See [`LossWeights::rs`].
    pub rs: Option<f64>,
    /// See [`LossWeights::rnc`].
    pub rnc: Option<f64>,
}

/// What the text-missing flow has for a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Simulated {
    /// The features of simulated text.
    #[default]
    Features,
    /// Nothing ("no LLM_g"): with the imagination on, audio and video imagine it.
    Absent,
}

impl Settings {
    /// Those of the network alone.
    pub fn network(&self) -> RawConfig {
        RawConfig {
            widths: self.widths,
            dim: self.dim,
            compat: self.compat,
            mia: self.mia,
            mia_structure: self.mia_structure,
            mia_residual: self.mia_residual,
            dropout_attention: self.dropout_attention,
            dropout_mlp: self.dropout_mlp,
        }
    }

    /// Fills in the defaults and checks that the settings go together.
    pub fn resolve(self) -> Result<SdumcRecipe, Error> {
        let cfg = self.network().resolve()?;
        let (given, default) = (self.loss, LossWeights::of(cfg.compat));
        let weights = LossWeights {
            full: given.full.unwrap_or(default.full),
            missing: given.missing.unwrap_or(default.missing),
            mkd1: given.mkd1.unwrap_or(default.mkd1),
            mkd2: given.mkd2.unwrap_or(default.mkd2),
            rs: given.rs.unwrap_or(default.rs),
            rnc: given.rnc.unwrap_or(default.rnc),
        };
        let weights = weights.check()?;
        if weights.full == 0.0 && weights.missing == 0.0 {
            return Err(Error::Config("loss.full and loss.missing are both 0: nothing is learnt".into()));
        }
        Ok(SdumcRecipe { settings: self, cfg, weights })
    }
}
