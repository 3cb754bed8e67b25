//! `affekt cache export`: features as `.npy` files.

use std::path::Path;
use std::process::ExitCode;

use affekt_cache::folders::choose;
use affekt_cache::{Error, Exported, export};
use affekt_core::{ClipId, FeatureKind};
use serde::Serialize;

use super::chosen;
use crate::cli::{Choice, Global};
use crate::output;
use crate::progress::Progress;

/// What `cache export --json` tells of one feature.
#[derive(Serialize)]
struct Told<'e> {
    feature: &'static str,
    spec: String,
    folder: String,
    written: usize,
    already: usize,
    /// Clips that have no file.
    without: Vec<Without<'e>>,
}

#[derive(Serialize)]
struct Without<'e> {
    id: &'e ClipId,
    reason: &'e str,
}

/// Runs the command. A feature that cannot be exported does not keep the others from it.
pub fn run(cache: &Path, npy: &Path, choice: &Choice, global: &Global) -> Result<ExitCode, Error> {
    let mut kinds: Vec<FeatureKind> = chosen(cache, choice)?.iter().map(|folder| folder.kind).collect();
    kinds.dedup();
    if kinds.is_empty() {
        return Err(Error::NoFeature { cache: cache.into(), wanted: "at all".into() });
    }
    let progress = Progress::new(global);
    let mut failures = 0;
    for kind in &kinds {
        let exported = one(cache, npy, *kind, choice.spec.as_deref(), &progress, global);
        progress.clear();
        if let Err(error) = exported {
            failures += 1;
            output::failed(kind.name(), &error, global.json);
        }
    }
    Ok(output::exit_code(kinds.len(), failures))
}

fn one(
    cache: &Path,
    npy: &Path,
    kind: FeatureKind,
    spec: Option<&str>,
    progress: &Progress,
    global: &Global,
) -> Result<(), Error> {
    let store = choose(cache, kind, spec)?;
    let folder = npy.join(kind.name());
    let Exported { written, already, without } = export(&store, &folder, progress)?;
    progress.clear();
    let (feature, folder, spec) =
        (kind.name(), folder.display().to_string(), store.spec().digest().short().to_owned());
    if global.json {
        let without = without.iter().map(|(id, reason)| Without { id, reason }).collect();
        output::json(&Told { feature, spec, folder, written, already, without });
        return Ok(());
    }
    let mut text = format!("{feature}-{spec} -> {folder}: {written} written, {already} there already\n");
    if !without.is_empty() {
        text += &format!("  {} clips have no file:\n", without.len());
        without.iter().for_each(|(id, reason)| text += &format!("    {id}: {reason}\n"));
    }
    output::data(&text);
    Ok(())
}
