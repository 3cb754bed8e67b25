//! Settings: size and variant.

use std::str::FromStr;

use affekt_weights::Checkpoint;
use serde::{Deserialize, Serialize};

use crate::Error;

const PUBLISHED_WIDTH: usize = 64;

/// Settings as a configuration file gives them; everything may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// Channels after the stem, a multiple of 4; 64 if absent.
    pub width: Option<usize>,
    /// Which multi-scale block.
    pub variant: Variant,
}

/// Settings that the network is built by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// w: channels after the stem. Every later layer is a multiple of it.
    pub width: usize,
    /// Which multi-scale block.
    pub variant: Variant,
}

/// The multi-scale block exists in two versions with the same parameter names: the wrong one loads without complaint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// The copy that SDUMC and MERBench used: both chains run from chunk 1 to 4.
    #[default]
    Sdumc,
    /// MA-Net as its authors published it: the second chain runs from chunk 4 to 1.
    Upstream,
}

impl FromStr for Variant {
    type Err = Error;
    fn from_str(word: &str) -> Result<Self, Error> {
        match word {
            "sdumc" => Ok(Self::Sdumc),
            "upstream" => Ok(Self::Upstream),
            _ => Err(Error::Variant(word.into())),
        }
    }
}

impl RawConfig {
    /// Takes the width, where it is absent, from the shape of the first convolution. A checkpoint without one changes
    /// nothing: the loader will list what it lacks.
    pub fn infer(mut self, checkpoint: &Checkpoint) -> Self {
        let stem = checkpoint.shapes().find(|(name, _)| crate::KEYS.rename(name) == "conv1.weight");
        if let Some((_, &[width, ..])) = stem {
            self.width.get_or_insert(width);
        }
        self
    }

    /// Fills in the default and checks the width.
    pub fn resolve(self) -> Result<Config, Error> {
        let width = self.width.unwrap_or(PUBLISHED_WIDTH);
        if width == 0 || !width.is_multiple_of(4) {
            return Err(Error::Width(width));
        }
        Ok(Config { width, variant: self.variant })
    }
}

impl Default for Config {
    /// The published size, the variant of SDUMC.
    fn default() -> Self {
        Self { width: PUBLISHED_WIDTH, variant: Variant::Sdumc }
    }
}

impl Config {
    /// The default variant at the size of `checkpoint`, for one that comes without a configuration.
    pub fn infer(checkpoint: &Checkpoint) -> Result<Self, Error> {
        RawConfig::default().infer(checkpoint).resolve()
    }

    /// Width of the embedding: 1024 at the published size.
    pub fn embedding(&self) -> usize {
        16 * self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_published_network() {
        let raw: RawConfig = serde_json::from_str("{}").unwrap();
        let cfg = raw.resolve().unwrap();
        assert_eq!(cfg, Config::default());
        assert_eq!(cfg.embedding(), 1024);
    }

    #[test]
    fn widths_and_variants_are_checked() {
        for width in [0, 6] {
            assert!(RawConfig { width: Some(width), ..RawConfig::default() }.resolve().is_err());
        }
        let raw: RawConfig = serde_json::from_str(r#"{"width": 8, "variant": "upstream"}"#).unwrap();
        assert_eq!(raw.resolve().unwrap(), Config { width: 8, variant: "upstream".parse().unwrap() });
        assert!("manet".parse::<Variant>().unwrap_err().to_string().contains("sdumc or upstream"));
    }
}
