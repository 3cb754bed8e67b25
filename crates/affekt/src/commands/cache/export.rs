//! `affekt cache export`: features as `.npy` files.

use std::path::Path;
use std::process::ExitCode;

use affekt_cache::folders::choose;
use affekt_cache::{Error, Exported, Store, export};
use affekt_core::{ClipId, FeatureKind};
use affekt_report::failure::Reason;
use serde::Serialize;

use super::{chosen, reason};
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
    /// Clips whose feature is damaged; they have no file either.
    failed: Vec<Failed<'e>>,
}

#[derive(Serialize)]
struct Failed<'e> {
    id: &'e ClipId,
    error: Reason,
}

#[derive(Serialize)]
struct Without<'e> {
    id: &'e ClipId,
    reason: &'e str,
}

/// Runs the command. A feature that cannot be exported does not keep the others from it, nor does a damaged clip.
pub fn run(cache: &Path, npy: &Path, choice: &Choice, global: &Global) -> Result<ExitCode, Error> {
    let mut kinds: Vec<FeatureKind> = chosen(cache, choice)?.iter().map(|folder| folder.kind).collect();
    kinds.dedup();
    if kinds.is_empty() {
        return Err(Error::NoFeature { cache: cache.into(), wanted: "at all".into() });
    }
    let progress = Progress::new(global);
    let (mut failures, mut damaged) = (0, false);
    for kind in &kinds {
        let exported = one(cache, npy, *kind, choice.spec.as_deref(), &progress, global);
        progress.clear();
        match exported {
            Ok(exported) => damaged |= !exported.damaged.is_empty(),
            Err(error) => {
                failures += 1;
                output::failed(kind.name(), &error, global.json);
            }
        }
    }
    let code = output::exit_code(kinds.len(), failures);
    Ok(if damaged && failures == 0 { ExitCode::from(2) } else { code })
}

fn one(
    cache: &Path,
    npy: &Path,
    kind: FeatureKind,
    spec: Option<&str>,
    progress: &Progress,
    global: &Global,
) -> Result<Exported, Error> {
    let store = choose(cache, kind, spec)?;
    let folder = npy.join(kind.name());
    let exported = export(&store, &folder, progress)?;
    progress.clear();
    tell(&exported, &store, &folder, global);
    Ok(exported)
}

fn tell(exported: &Exported, store: &Store, folder: &Path, global: &Global) {
    let Exported { written, already, without, damaged } = exported;
    let failed: Vec<Failed> = damaged.iter().map(|(id, error)| Failed { id, error: reason(error) }).collect();
    let (feature, folder, spec) =
        (store.spec().kind.name(), folder.display().to_string(), store.spec().digest().short().to_owned());
    if global.json {
        let without = without.iter().map(|(id, reason)| Without { id, reason }).collect();
        let (written, already) = (*written, *already);
        return output::json(&Told { feature, spec, folder, written, already, without, failed });
    }
    let mut text = format!("{feature}-{spec} -> {folder}: {written} written, {already} there already\n");
    if !without.is_empty() {
        text += &format!("  {} clips have no file:\n", without.len());
        without.iter().for_each(|(id, reason)| text += &format!("    {id}: {reason}\n"));
    }
    for Failed { id, error: Reason { message, hint, .. } } in &failed {
        text += &format!("  failed: {id}: {message}\n");
        hint.iter().for_each(|hint| text += &format!("    hint: {hint}\n"));
    }
    output::data(&text);
}
