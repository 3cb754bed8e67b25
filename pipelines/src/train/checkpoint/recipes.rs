//! Features here against those of a training.

use std::fmt;

use affekt_core::{FeatureKind, FeatureSpec};

use super::Error;
use crate::networks::RECOGNISER;
use crate::recipe::DECODE;
use crate::recognise::RULES;

/// What of a recipe counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Everything: features that come from a cache.
    Stored,
    /// Everything but how numbers are kept and where words come from: features that are made and judged at once. Of the
    /// words [`other_words`] tells.
    Made,
}

/// Something in which a recipe here is not that of the training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The feature.
    pub feature: FeatureKind,
    /// The part of its recipe; `None` where there is only one of both recipes.
    pub part: Option<&'static str>,
    /// What it was in training; `None` for a step that was not there.
    pub trained: Option<String>,
    /// What it is here; `None` for a step that is not there.
    pub here: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.feature.name())?;
        if let Some(part) = self.part {
            write!(f, ", {part}")?;
        }
        match (&self.trained, &self.here) {
            (Some(trained), Some(here)) => write!(f, ": {trained} in training, {here} here"),
            (Some(trained), None) => write!(f, ": {trained} in training only"),
            (None, Some(here)) => write!(f, ": {here} here only"),
            (None, None) => Ok(()),
        }
    }
}

/// Refuses the features `here` where one that the checkpoint takes (`card`) is absent or made otherwise. Features here that
/// it does not take do not matter.
///
/// # Errors
/// [`Error::Recipes`] with every difference.
pub fn same_recipes(card: &[FeatureSpec], here: &[FeatureSpec], how: Strictness) -> Result<(), Error> {
    let differences =
        card.iter().flat_map(|trained| match here.iter().find(|spec| spec.kind == trained.kind) {
            Some(spec) => compare(trained, spec, how),
            None => vec![Difference {
                feature: trained.kind,
                part: None,
                trained: Some(format!("a feature of {} ({})", trained.encoder, trained.folder())),
                here: None,
            }],
        });
    let differences: Vec<Difference> = differences.collect();
    if differences.is_empty() { Ok(()) } else { Err(Error::Recipes { file: None, differences }) }
}

/// A caution where the words here come from elsewhere than those of the training.
pub fn other_words(card: &[FeatureSpec], here: &[FeatureSpec]) -> Option<&'static str> {
    let words = |specs: &[FeatureSpec]| -> Option<Vec<String>> {
        let text = specs.iter().find(|spec| spec.kind == FeatureKind::Text)?;
        Some(text.preprocessing.iter().filter(|step| is_of_words(step)).cloned().collect())
    };
    let (trained, here) = (words(card)?, words(here)?);
    match (trained.is_empty(), here.is_empty()) {
        _ if trained == here => None,
        (true, _) => {
            Some("the fusion model was trained on words as they were written down, and these are recognised")
        }
        (_, true) => Some("the fusion model was trained on recognised words, and these are given"),
        _ => Some("the fusion model was trained on words that were recognised in another way"),
    }
}

/// Whether a step of text says whose words they are: everything that [`crate::recipe::specs`] adds for recognised ones.
fn is_of_words(step: &str) -> bool {
    let begins = |start: &str| step.strip_prefix(start).is_some_and(|rest| rest.starts_with(' '));
    [DECODE, RULES, "where no transcript is given"].contains(&step)
        || ["asr", "language", RECOGNISER].into_iter().any(begins)
}

fn compare(trained: &FeatureSpec, here: &FeatureSpec, how: Strictness) -> Vec<Difference> {
    let layers = |spec: &FeatureSpec| spec.layers.map_or("none".to_owned(), |layers| layers.to_string());
    let parts = [
        ("encoder", trained.encoder.clone(), here.encoder.clone()),
        ("weights (SHA-256)", trained.weights.to_string(), here.weights.to_string()),
        ("layers", layers(trained), layers(here)),
        ("width", trained.width.to_string(), here.width.to_string()),
        ("dtype", trained.dtype.clone(), here.dtype.clone()),
        ("row", trained.row.clone(), here.row.clone()),
    ];
    let counts = |part: &str| how == Strictness::Stored || part != "dtype";
    let differ = parts.into_iter().filter(|(part, trained, here)| counts(part) && trained != here);
    let mut differences: Vec<Difference> = differ
        .map(|(part, of_training, of_here)| Difference {
            feature: trained.kind,
            part: Some(part),
            trained: Some(of_training),
            here: Some(of_here),
        })
        .collect();
    differences.extend(steps(trained, here, how));
    differences
}

/// Steps of preprocessing that only one of both has; their order where all are the same.
fn steps(trained: &FeatureSpec, here: &FeatureSpec, how: Strictness) -> Vec<Difference> {
    let counting = |spec: &FeatureSpec| -> Vec<String> {
        let counts = |step: &&String| how == Strictness::Stored || !is_apart(spec.kind, step);
        spec.preprocessing.iter().filter(counts).cloned().collect()
    };
    let (old, new) = (counting(trained), counting(here));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|step| !those.contains(step)).cloned().collect()
    };
    let feature = trained.kind;
    let step = |trained, here| Difference { feature, part: Some("preprocessing"), trained, here };
    let dropped = only(&old, &new).into_iter().map(|it| step(Some(it), None));
    let differences: Vec<Difference> =
        dropped.chain(only(&new, &old).into_iter().map(|it| step(None, Some(it)))).collect();
    if differences.is_empty() && old != new {
        return vec![step(Some(old.join(", then ")), Some(new.join(", then ")))];
    }
    differences
}

/// Whether a step of a feature of this kind is no part of how it is made: whose words it was made of, and how the speech was
/// kept that it was simulated from.
fn is_apart(kind: FeatureKind, step: &str) -> bool {
    match kind {
        FeatureKind::Text => is_of_words(step),
        FeatureKind::Simulated => step.starts_with("speech kept as "),
        _ => false,
    }
}
