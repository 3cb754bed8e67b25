//! Settings: sizes, and what paper and release do differently.

use std::str::FromStr;

use affekt_weights::Checkpoint;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Feature widths of the published model: WavLM-Large, Vicuna-7B, MANet.
const PUBLISHED_WIDTHS: Widths = Widths { audio: 1024, text: 4096, video: 1024 };
const PUBLISHED_DIM: usize = 256;
const PUBLISHED_DROPOUT: DropoutRates = DropoutRates { attention: 0.5, mlp: 0.3 };

/// Settings as a configuration file gives them; everything may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// Feature widths; 1024, 4096 and 1024 if absent.
    pub widths: Option<Widths>,
    /// D, a multiple of 4; 256 if absent.
    pub dim: Option<usize>,
    /// Whose rules hold.
    pub compat: Compat,
    /// Whether the text-missing flow imagines; follows `compat` if absent: on for the paper, off for the release.
    pub mia: Option<Switch>,
    /// Structure of the imagination.
    pub mia_structure: MiaStructure,
    /// What the residual autoencoder adds its output to; the text if absent. No other structure has the choice.
    pub mia_residual: Option<MiaResidual>,
    /// How likely training drops a number of the frames before an attention, or of what it finds; 0.5 if absent.
    pub dropout_attention: Option<f64>,
    /// How likely training drops a number after a ReLU of an MLP; 0.3 if absent.
    pub dropout_mlp: Option<f64>,
}

/// Settings that the network is built by.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Feature widths.
    pub widths: Widths,
    /// D: width of the frames after step 1 and of the queries.
    pub dim: usize,
    /// Whose rules hold for padding, for the unimodal views and for the stage-1 text.
    pub compat: Compat,
    /// The imagination of the text-missing flow.
    pub mia: Mia,
    /// What training drops; prediction drops nothing.
    pub dropout: DropoutRates,
}

/// How likely training drops a number, each at least 0 and below 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutRates {
    /// Before and after each attention.
    pub attention: f64,
    /// After each ReLU of an MLP.
    pub mlp: f64,
}

/// Width of one feature row of each modality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Widths {
    /// WavLM layer 20.
    pub audio: usize,
    /// LLM hidden states, real or simulated.
    pub text: usize,
    /// MANet embedding.
    pub video: usize,
}

/// Modality imagination, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mia {
    /// None: the text-missing flow differs from the complete one in its text alone.
    Off,
    /// The authors' residual autoencoder.
    ResidualAe(MiaResidual),
    /// Equations 5 and 6 as printed.
    Equation,
}

/// A setting that is one of a few words, in files and on the command line.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $setting:literal, $choices:literal,
     $($(#[$attribute:meta])* $variant:ident = $word:literal),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$attribute])* #[serde(rename = $word)] $variant),+
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(word: &str) -> Result<Self, Error> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(Error::Word { setting: $setting, got: word.into(), choices: $choices }),
                }
            }
        }
    };
}

words! {
    /// Whose rules hold where paper and released code differ.
    #[derive(Default)]
    Compat, "compat", "paper or release",
    /// Padding masked, unimodal views weighted, stage-1 text as it enters the gathering, MIA on.
    #[default]
    Paper = "paper",
    /// Padded frames take part as zero rows, unimodal views unweighted, stage-1 text after its query MLP, MIA off.
    Release = "release"
}

words! {
    /// On or off.
    Switch, "switch", "on or off",
    /// On.
    On = "on",
    /// Off.
    Off = "off"
}

words! {
    /// Structure of the modality imagination.
    #[derive(Default)]
    MiaStructure, "mia_structure", "residual-ae or equation",
    /// The authors' module: transition, encoder, decoder, residual.
    #[default]
    ResidualAe = "residual-ae",
    /// Equations 5 and 6: two layers, each with an activation, residual.
    Equation = "equation"
}

words! {
    /// What the residual autoencoder adds its output to.
    MiaResidual, "mia_residual", "text or transition",
    /// The text representation.
    Text = "text",
    /// The output of its transition, as in a variant of the authors' file.
    Transition = "transition"
}

impl RawConfig {
    /// Takes the widths and D, where they are absent, from the shapes of the first linear layers. A checkpoint without
    /// them changes nothing: the loader will list what it lacks.
    pub fn infer(mut self, checkpoint: &Checkpoint) -> Self {
        let shape = |index: usize| -> Option<[usize; 2]> {
            let ending = format!("frame_dim_reshape_{index}.weight");
            let (_, shape) = checkpoint.shapes().find(|(name, _)| name.ends_with(&ending))?;
            shape.try_into().ok()
        };
        if let (Some([dim, audio]), Some([_, text]), Some([_, video])) = (shape(0), shape(1), shape(2)) {
            self.widths.get_or_insert(Widths { audio, text, video });
            self.dim.get_or_insert(dim);
        }
        self
    }

    /// Fills in the defaults and checks that the settings go together.
    pub fn resolve(self) -> Result<Config, Error> {
        let widths = self.widths.unwrap_or(PUBLISHED_WIDTHS);
        let dim = self.dim.unwrap_or(PUBLISHED_DIM);
        if dim == 0 || !dim.is_multiple_of(4) {
            return Err(Error::Config(format!("dim is {dim}, wanted a positive multiple of 4")));
        }
        if let Widths { audio: 0, .. } | Widths { text: 0, .. } | Widths { video: 0, .. } = widths {
            return Err(Error::Config(format!("a feature width is zero: {widths:?}")));
        }
        let on = match (self.mia, self.compat) {
            (Some(switch), _) => switch == Switch::On,
            (None, compat) => compat == Compat::Paper,
        };
        let mia = match (on, self.mia_structure, self.mia_residual) {
            (false, ..) => Mia::Off,
            (true, MiaStructure::ResidualAe, residual) => {
                Mia::ResidualAe(residual.unwrap_or(MiaResidual::Text))
            }
            (true, MiaStructure::Equation, None | Some(MiaResidual::Text)) => Mia::Equation,
            (true, MiaStructure::Equation, Some(MiaResidual::Transition)) => {
                return Err(Error::Config("mia_structure equation has no transition to add to".into()));
            }
        };
        let attention = rate("dropout_attention", self.dropout_attention, PUBLISHED_DROPOUT.attention)?;
        let mlp = rate("dropout_mlp", self.dropout_mlp, PUBLISHED_DROPOUT.mlp)?;
        Ok(Config { widths, dim, compat: self.compat, mia, dropout: DropoutRates { attention, mlp } })
    }
}

fn rate(name: &str, given: Option<f64>, default: f64) -> Result<f64, Error> {
    let rate = given.unwrap_or(default);
    if (0.0..1.0).contains(&rate) {
        return Ok(rate);
    }
    Err(Error::Config(format!("{name} is {rate}, wanted at least 0 and below 1")))
}

impl Default for Config {
    /// The paper's model at its published size.
    fn default() -> Self {
        Self {
            widths: PUBLISHED_WIDTHS,
            dim: PUBLISHED_DIM,
            compat: Compat::Paper,
            mia: Mia::ResidualAe(MiaResidual::Text),
            dropout: PUBLISHED_DROPOUT,
        }
    }
}

impl Config {
    /// The default settings at the sizes of `checkpoint`, for one that comes without a configuration.
    pub fn infer(checkpoint: &Checkpoint) -> Result<Self, Error> {
        RawConfig::default().infer(checkpoint).resolve()
    }

    /// D / 2: width of the fused representations, of stage 2's outputs and of MIA-1's latent.
    pub fn half(&self) -> usize {
        self.dim / 2
    }

    /// D / 4: width of the Rank-N-Contrast representation and of MIA-2's latent.
    pub fn quarter(&self) -> usize {
        self.dim / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_paper() {
        let raw: RawConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(raw.resolve().unwrap(), Config::default());
    }

    #[test]
    fn imagination_follows_compat_unless_told() {
        let mia = |text: &str| serde_json::from_str::<RawConfig>(text).unwrap().resolve().unwrap().mia;
        assert_eq!(mia(r#"{"compat": "release"}"#), Mia::Off);
        assert_eq!(mia(r#"{"compat": "release", "mia": "on"}"#), Mia::ResidualAe(MiaResidual::Text));
        assert_eq!(mia(r#"{"mia": "off"}"#), Mia::Off);
        assert_eq!(mia(r#"{"mia_structure": "equation"}"#), Mia::Equation);
        assert_eq!(mia(r#"{"mia_residual": "transition"}"#), Mia::ResidualAe(MiaResidual::Transition));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            r#"{"dim": 6}"#,
            r#"{"dim": 0}"#,
            r#"{"widths": {"audio": 1, "text": 0, "video": 1}}"#,
            r#"{"mia_structure": "equation", "mia_residual": "transition"}"#,
            r#"{"dropout_attention": 1.0}"#,
            r#"{"dropout_mlp": -0.1}"#,
        ] {
            assert!(serde_json::from_str::<RawConfig>(text).unwrap().resolve().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<RawConfig>(r#"{"mai": "on"}"#).is_err());
        assert!("papper".parse::<Compat>().unwrap_err().to_string().contains("paper or release"));
    }
}
