//! `affekt cache`: what a feature store holds, checked, exported, imported, tidied up.

mod export;
mod gc;
mod import;
mod ls;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use affekt_cache::{Error, Folder, folders};
use affekt_core::FeatureSpec;
use affekt_report::Failure;
use affekt_report::failure::Reason;

use crate::cli::{Cache, Choice, Global};
use crate::output;

/// Runs the command.
pub fn run(command: &Cache, global: &Global) -> ExitCode {
    let (cache, ended) = match command {
        Cache::Ls { cache } => (cache, ls::run(cache, global)),
        Cache::Verify { cache, manifest, choice } => {
            (cache, verify::run(cache, manifest.as_deref(), choice, global))
        }
        Cache::Export { cache, npy, choice } => (cache, export::run(cache, npy, choice, global)),
        Cache::Import(flags) => (&flags.cache, import::run(flags, global)),
        Cache::Gc { cache, dry_run } => (cache, gc::run(cache, *dry_run, global)),
    };
    ended.unwrap_or_else(|error| {
        output::failed(&cache.display().to_string(), &error, global.json);
        ExitCode::FAILURE
    })
}

/// The folders of `cache` that `choice` names. None at all is an error where something is named.
fn chosen(cache: &Path, choice: &Choice) -> Result<Vec<Folder>, Error> {
    let Choice { feature, spec } = choice;
    let mut found = folders(cache)?;
    found.retain(|folder| feature.is_none_or(|feature| feature == folder.kind));
    found.retain(|folder| spec.as_ref().is_none_or(|spec| folder.digest8.starts_with(spec)));
    if found.is_empty() && (feature.is_some() || spec.is_some()) {
        let feature = feature.map_or("*", affekt_core::FeatureKind::name);
        let wanted = spec.as_ref().map_or(feature.to_owned(), |spec| format!("{feature}-{spec}"));
        return Err(Error::NoFeature { cache: cache.into(), wanted });
    }
    Ok(found)
}

/// A recipe in words, a line of what made it and, where there is such, one of what was done before.
fn words(spec: &FeatureSpec) -> Vec<String> {
    let FeatureSpec { encoder, weights, layers, preprocessing, width, dtype, row, .. } = spec;
    let layers = layers.map(|layers| format!(", layers {layers}")).unwrap_or_default();
    let made = format!(
        "{encoder}{layers}, weights {}; {width} numbers ({dtype}) a row, a row a {row}",
        weights.short()
    );
    let before = (!preprocessing.is_empty()).then(|| format!("after {}", preprocessing.join(", ")));
    [made].into_iter().chain(before).collect()
}

/// Kind, message and remedy of an error.
fn reason(error: &Error) -> Reason {
    Failure::new("", error).error
}
