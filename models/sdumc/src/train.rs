//! SDUMC as a method under training.

mod settings;

use std::collections::BTreeMap;

use affekt_core::FeatureKind;
use affekt_nn::dropout::Dropout;
use affekt_train::{Batch, Judged, Method, Need, Padded, Pass, Phase, Recipe, Registration, Share, Update};
use candle_core::DType;
use candle_nn::VarBuilder;
use serde::Deserialize;
use serde_json::Value;

pub use self::settings::{RawLossWeights, Settings, Simulated};
use crate::gather::VIEWS;
use crate::{Clips, Config, Error, Flow, LossWeights, Losses, Mia, Output, Sdumc, Sequence, Switch, Widths};

/// How the harness finds it.
pub const REGISTRATION: Registration = Registration { name: NAME, features, prepare };

const NAME: &str = "sdumc";

fn features(settings: &Value) -> Result<Vec<FeatureKind>, affekt_train::Error> {
    let recipe = read(settings)?.resolve()?;
    Ok(recipe.needs().into_iter().map(|need| need.kind).collect())
}

fn prepare(
    settings: &Value,
    widths: &BTreeMap<FeatureKind, usize>,
) -> Result<Box<dyn Recipe>, affekt_train::Error> {
    let settings = read(settings)?;
    let width = |kind| widths.get(&kind).copied().ok_or(affekt_train::Error::NoFeature(kind));
    let found = Widths {
        audio: width(FeatureKind::Audio)?,
        text: width(FeatureKind::Text)?,
        video: width(FeatureKind::Video)?,
    };
    let wanted = settings.widths.unwrap_or(found);
    let mut pairs = vec![
        ("audio", found.audio, wanted.audio),
        ("text", found.text, wanted.text),
        ("video", found.video, wanted.video),
    ];
    if settings.simulated == Simulated::Features {
        pairs.push(("simulated", width(FeatureKind::Simulated)?, wanted.text));
    }
    match pairs.into_iter().find(|(_, found, wanted)| found != wanted) {
        Some((feature, got, wanted)) => Err(Error::Width { feature, got, wanted }.into()),
        None => Ok(Box::new(Settings { widths: Some(found), ..settings }.resolve()?)),
    }
}

/// The settings as a configuration file gives them.
fn read(settings: &Value) -> Result<Settings, Error> {
    Settings::deserialize(settings).map_err(|error| Error::Config(error.to_string()))
}

/// Settings that SDUMC is trained by.
#[derive(Clone, Debug, PartialEq)]
pub struct SdumcRecipe {
    settings: Settings,
    cfg: Config,
    weights: LossWeights,
}

impl SdumcRecipe {
    /// Settings of the network.
    pub fn config(&self) -> &Config {
        &self.cfg
    }

    /// What the terms of the loss count.
    pub fn weights(&self) -> &LossWeights {
        &self.weights
    }

    /// Text of the text-missing flow.
    pub fn simulated(&self) -> Simulated {
        self.settings.simulated
    }

    /// The settings, none left out that has a value.
    pub fn resolved(&self) -> Settings {
        let LossWeights { full, missing, mkd1, mkd2, rs, rnc } = self.weights;
        let Config { widths, dim, compat, mia, dropout } = self.cfg.clone();
        let on = if mia == Mia::Off { Switch::Off } else { Switch::On };
        let mia_residual = match mia {
            Mia::ResidualAe(residual) => Some(residual),
            Mia::Off | Mia::Equation => self.settings.mia_residual,
        };
        Settings {
            widths: Some(widths),
            dim: Some(dim),
            compat,
            mia: Some(on),
            mia_structure: self.settings.mia_structure,
            mia_residual,
            dropout_attention: Some(dropout.attention),
            dropout_mlp: Some(dropout.mlp),
            loss: RawLossWeights {
                full: Some(full),
                missing: Some(missing),
                mkd1: Some(mkd1),
                mkd2: Some(mkd2),
                rs: Some(rs),
                rnc: Some(rnc),
            },
            simulated: self.settings.simulated,
        }
    }
}

impl Recipe for SdumcRecipe {
    fn method(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> Value {
        serde_json::to_value(self.resolved()).expect("plain words and numbers")
    }

    fn needs(&self) -> Vec<Need> {
        let Widths { audio, text, video } = self.cfg.widths;
        let need = |kind, width| Need { kind, width };
        let mut needs = vec![
            need(FeatureKind::Audio, audio),
            need(FeatureKind::Video, video),
            need(FeatureKind::Text, text),
        ];
        if self.settings.simulated == Simulated::Features {
            needs.push(need(FeatureKind::Simulated, text));
        }
        needs
    }

    fn flows(&self) -> &'static [&'static str] {
        const { &[Flow::Complete.name(), Flow::TextMissing.name()] }
    }

    fn phases(&self) -> Vec<Phase> {
        vec![Phase { name: "training", epochs: None, updates: vec![Update { name: "all", moves: |_| true }] }]
    }

    fn build(&self, vb: VarBuilder) -> Result<Box<dyn Method>, affekt_train::Error> {
        let network = Sdumc::load(vb, &self.cfg)?;
        Ok(Box::new(SdumcMethod { network, weights: self.weights, simulated: self.settings.simulated }))
    }
}

/// The network under training.
struct SdumcMethod {
    network: Sdumc,
    weights: LossWeights,
    simulated: Simulated,
}

impl SdumcMethod {
    fn clips(&self, batch: &Batch) -> Result<Clips, affekt_train::Error> {
        let sequence = |kind| -> Result<Sequence, affekt_train::Error> {
            let Padded { rows, lengths } = batch.feature(kind)?;
            Ok(Sequence::zero_padded(rows.clone(), lengths)?)
        };
        let text = sequence(FeatureKind::Text)?;
        let simulated = match self.simulated {
            Simulated::Features => sequence(FeatureKind::Simulated)?,
            Simulated::Absent => text.absent_alike()?,
        };
        Ok(Clips {
            audio: sequence(FeatureKind::Audio)?,
            text,
            simulated,
            video: sequence(FeatureKind::Video)?,
        })
    }
}

impl Method for SdumcMethod {
    fn losses(&self, batch: &Batch, pass: Pass) -> Result<affekt_train::Losses, affekt_train::Error> {
        let dropout = pass.key.map_or(Dropout::OFF, |key| Dropout::keyed(key.number()));
        let pair = self.network.forward_both(&self.clips(batch)?, dropout)?;
        // The harness has read labels that are numbers.
        let losses = Losses::of_checked(&pair, &batch.labels, &self.weights)?;
        let terms = Losses::TERMS.into_iter().zip(losses.terms().map(|term| term.detach())).collect();
        Ok(affekt_train::Losses { total: losses.total, terms })
    }

    fn judge(&self, batch: &Batch, _phase: usize) -> Result<Vec<Judged>, affekt_train::Error> {
        let pair = self.network.forward_both(&self.clips(batch)?, Dropout::OFF)?;
        [&pair.complete, &pair.missing].into_iter().map(judged).collect()
    }
}

fn judged(output: &Output) -> Result<Judged, affekt_train::Error> {
    let modalities = output.attention()?;
    let views = output.view_attention()?;
    Ok(Judged {
        valence: output.valence.to_dtype(DType::F64)?.to_vec1()?,
        representation: Some(output.r.detach()), // (b, D / 2)
        shares: vec![
            Share {
                of: "modality",
                parts: &["audio", "text", "video"],
                values: modalities.iter().map(|share| vec![share.audio, share.text, share.video]).collect(),
            },
            Share { of: "view", parts: &VIEWS, values: views.iter().map(|share| share.to_vec()).collect() },
        ],
    })
}

impl From<Error> for affekt_train::Error {
    fn from(error: Error) -> Self {
        match error {
            // The harness finds a number that is not finite in there.
            Error::Tensor(error) => error.into(),
            other => Self::method(other),
        }
    }
}
