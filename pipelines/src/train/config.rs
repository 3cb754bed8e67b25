//! The configuration of a run: strict TOML, built on another by `base` where wanted.
//!
//! | module | holds |
//! |---|---|
//! | `presets` | the configurations that come with affekt, by name |
//! | `merge` | a table laid over its base; single settings from the command line |

mod merge;
pub mod presets;

use std::collections::BTreeMap;
use std::path::Path;

use affekt_core::FeatureKind;
use affekt_train::{AdamConfig, Schedule};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use super::data::{Batching, Incomplete, Rules};
use crate::dataset::Split;

/// Everything that decides what a run learns, but for the clips themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the method.
    pub method: String,
    /// Seed of all randomness: first parameters, order of clips, dropout.
    #[serde(default = "one")]
    pub seed: u64,
    /// The clips.
    #[serde(default)]
    pub data: Data,
    /// The descent.
    #[serde(default)]
    pub optimiser: AdamConfig,
    /// Its rate.
    #[serde(default)]
    pub schedule: Schedule,
    /// How long, and in which steps.
    #[serde(default)]
    pub training: Steps,
    /// Which epoch's parameters are kept.
    #[serde(default)]
    pub selection: Selection,
    /// What the method itself takes; it refuses what it does not know.
    #[serde(default = "no_settings")]
    pub settings: Value,
}

/// Which clips a run takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// The splits that the run uses; each must have clips. `train` is one of them.
    pub splits: Vec<Split>,
    /// Training clips with more rows of a feature than this are left out, and reported.
    pub longest: BTreeMap<FeatureKind, usize>,
    /// What happens to clips that lack a feature because it failed or was never made.
    pub incomplete: Incomplete,
    /// Features whose columns get mean 0 and deviation 1: shifted and scaled by what they are over all rows of the training
    /// split. Each feature by its own, also text and simulated text that a method takes by one input.
    pub standardise: Vec<FeatureKind>,
    /// Batches that are sorted by length together before they are cut and shuffled; 1 for no sorting.
    pub pool: usize,
}

/// How a run goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Steps {
    /// Most epochs.
    pub epochs: usize,
    /// Clips of a batch.
    pub batch: usize,
    /// Norm to which the gradient is clipped; 0 for no clipping.
    pub clip: f64,
}

/// Which epoch's parameters are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// The rule.
    pub keep: Keep,
    /// For the rule `best`: the flow whose validation MAE counts, or `mean` of all.
    pub flow: String,
    /// For the rule `best`: epochs without a better one after which the run ends; 0 for never.
    pub patience: usize,
}

/// A rule of [`Selection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The epoch with the lowest validation MAE, the first of several.
    Best,
    /// The last epoch, whatever validation says.
    Last,
}

/// The value of [`Selection::flow`] that stands for the mean of all flows.
pub const MEAN: &str = "mean";

fn one() -> u64 {
    1
}

fn no_settings() -> Value {
    Value::Object(serde_json::Map::new())
}

impl Default for Data {
    fn default() -> Self {
        Self {
            splits: Split::ALL.to_vec(),
            longest: BTreeMap::new(),
            incomplete: Incomplete::Refuse,
            standardise: Vec::new(),
            pool: 8,
        }
    }
}

impl Default for Steps {
    /// The paper's, without clipping.
    fn default() -> Self {
        Self { epochs: 25, batch: 128, clip: 0.0 }
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self { keep: Keep::Best, flow: MEAN.into(), patience: 0 }
    }
}

impl Config {
    /// Reads the configuration called `name`: one that comes with affekt ([`presets::NAMES`]), or a TOML file. `changes`
    /// are single settings as `training.epochs=3`, which count last.
    ///
    /// # Errors
    /// [`Error::NoConfig`], [`Error::Config`] with file and line, and settings that cannot be.
    pub fn read(name: &str, changes: &[String]) -> Result<Self, Error> {
        let mut table = merge::whole(name)?;
        for change in changes {
            merge::change(&mut table, change)?;
        }
        let bad = |reason| Error::Config { name: name.into(), reason };
        if let Some(key) = merge::not_finite(&table) {
            return Err(bad(format!("{key} is not finite")));
        }
        let config: Self = serde_path_to_error::deserialize(toml::Value::Table(table))
            .map_err(|error| bad(format!("{}: {}", error.path(), merge::plain(error.inner().message()))))?;
        config.check(name)?;
        Ok(config)
    }

    /// What a run of the configuration `name` is called: that name, or the stem of its file.
    pub fn called(name: &str) -> String {
        let stem = Path::new(name).file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    /// As a file that [`Self::read`] reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration is plain data")
    }

    /// The rules of the clips.
    pub fn rules(&self) -> Rules {
        Rules {
            longest: self.data.longest.clone(),
            incomplete: self.data.incomplete,
            splits: self.data.splits.clone(),
        }
    }

    /// How clips become batches.
    pub fn batching(&self) -> Batching {
        Batching { size: self.training.batch, pool: self.data.pool }
    }

    /// Checks what can be without the method.
    fn check(&self, name: &str) -> Result<(), Error> {
        let Self { data, training, selection, .. } = self;
        let has = |split| data.splits.contains(&split);
        let repeated =
            Split::ALL.into_iter().any(|split| data.splits.iter().filter(|s| **s == split).count() > 1);
        let clip = !training.clip.is_finite() || training.clip < 0.0;
        let found = [
            (!has(Split::Train), "data.splits lacks train"),
            (repeated, "data.splits names a split twice"),
            (data.pool == 0, "data.pool is 0, but at least 1 batch is sorted at a time"),
            (training.epochs == 0, "training.epochs is 0"),
            (training.batch == 0, "training.batch is 0"),
            (clip, "training.clip must be a number and at least 0"),
            (
                selection.keep == Keep::Best && !has(Split::Valid),
                "selection.keep is best, which needs valid among data.splits; `last` keeps the last epoch",
            ),
            (
                selection.keep == Keep::Last && selection.patience > 0,
                "selection.patience ends a run by validation, but selection.keep is last",
            ),
        ];
        let bad = |reason: &str| Error::Config { name: name.into(), reason: reason.into() };
        if let Some((_, reason)) = found.into_iter().find(|(wrong, _)| *wrong) {
            return Err(bad(reason));
        }
        let again = |kind: &FeatureKind| data.standardise.iter().filter(|other| *other == kind).count() > 1;
        if let Some(kind) = data.standardise.iter().find(|kind| again(kind)) {
            return Err(bad(&format!("data.standardise names {} twice", kind.name())));
        }
        if let Some((kind, _)) = data.longest.iter().find(|(_, rows)| **rows == 0) {
            return Err(bad(&format!("data.longest.{} is 0: no clip would be left", kind.name())));
        }
        self.optimiser.check()?;
        self.schedule.check()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(changes: &[&str]) -> String {
        let changes: Vec<String> = changes.iter().map(|change| (*change).into()).collect();
        Config::read("paper", &changes).unwrap_err().to_string()
    }

    #[test]
    fn every_preset_is_read_and_written() {
        for name in presets::NAMES {
            let config = Config::read(name, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
            let again: Config = toml::from_str(&config.to_toml()).unwrap();
            assert_eq!(again, config, "{name}");
        }
    }

    #[test]
    fn single_settings_count_last() {
        let standardise = "data.standardise=[\"video\", \"text\"]";
        let changes = ["training.epochs=3", "settings.dim = 64", "seed=9", standardise].map(str::to_owned);
        let config = Config::read("paper", &changes).unwrap();
        assert_eq!((config.training.epochs, config.seed), (3, 9));
        assert_eq!(config.settings["dim"], 64);
        assert_eq!(config.data.standardise, [FeatureKind::Video, FeatureKind::Text]);
        let again: Config = toml::from_str(&config.to_toml()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (change, told) in [
            ("training.epoch=3", "epoch"),
            ("training.epochs=0", "training.epochs"),
            ("training.batch=0", "training.batch"),
            ("training.clip=-1.0", "training.clip"),
            ("optimiser.lr=-1.0", "optimiser.lr"),
            ("schedule.every=0", "schedule.every"),
            ("data.pool=0", "data.pool"),
            ("settings.loss.full=nan", "settings.loss.full is not finite"),
            ("settings.dropout_mlp=inf", "settings.dropout_mlp is not finite"),
            (
                "training.epochs=\"many\"",
                "training.epochs: invalid type: string \"many\", expected a whole number",
            ),
            ("training=3", "training: invalid type: integer `3`, expected a table"),
            ("data.longest.audio=0", "data.longest.audio"),
            ("data.standardise=[\"audio\", \"video\", \"audio\"]", "data.standardise names audio twice"),
            ("data.standardise=[\"face\"]", "face"),
            ("data.standardise=\"audio\"", "expected a sequence"),
            ("data.splits=[\"valid\"]", "lacks train"),
            ("data.splits=[\"train\", \"test\"]", "needs valid"),
            ("data.splits=[\"train\", \"valid\", \"train\"]", "twice"),
            ("nonsense", "nonsense"),
        ] {
            let error = refused(&[change]);
            assert!(error.contains(told), "{change}: {error}");
        }
        assert!(refused(&["selection.keep=\"last\"", "selection.patience=3"]).contains("patience"));
        let error = Config::read("papper", &[]).unwrap_err().to_string();
        assert!(error.contains("papper"), "{error}");
    }
}
