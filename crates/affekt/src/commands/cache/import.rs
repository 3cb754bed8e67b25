//! `affekt cache import`: `.npy` files of another program into a cache.

use std::process::ExitCode;

use affekt_cache::{Description, Error, Imported, Index, import, import_table};
use affekt_core::{ClipId, FeatureSpec};
use serde::Serialize;

use super::words;
use crate::cli::{Global, Import};
use crate::output;
use crate::progress::Progress;

/// What `cache import --json` tells.
#[derive(Serialize)]
struct Told<'i> {
    feature: &'static str,
    spec: &'i str,
    folder: String,
    recipe: &'i FeatureSpec,
    written: usize,
    already: usize,
    failed: Vec<Failed<'i>>,
    /// Files of other kinds.
    ignored: usize,
}

#[derive(Serialize)]
struct Failed<'i> {
    id: &'i ClipId,
    reason: &'i str,
}

/// Runs the command: exit 2 when some clips cannot be taken, 1 when none can.
pub fn run(flags: &Import, global: &Global) -> Result<ExitCode, Error> {
    let progress = Progress::new(global);
    let imported = match index(flags) {
        Some(index) => import_table(&flags.cache, &flags.npy, &index, &description(flags), &progress),
        None => {
            let below = flags.npy.join(flags.feature.name());
            let folder = if below.is_dir() { &below } else { &flags.npy };
            import(&flags.cache, folder, &description(flags), &progress)
        }
    };
    progress.clear();
    let imported = imported?;
    tell(&imported, global);
    let failures = imported.failed.len();
    Ok(output::exit_code(imported.written + imported.already + failures, failures))
}

fn index(flags: &Import) -> Option<Index> {
    let Import { index, id_column, row_column, length_column, .. } = flags;
    let path = index.clone()?;
    Some(Index { path, id: id_column.clone(), row: row_column.clone(), length: length_column.clone() })
}

fn description(flags: &Import) -> Description {
    Description {
        kind: flags.feature,
        encoder: flags.encoder.clone(),
        weights: flags.weights.clone(),
        layers: flags.layers,
        preprocessing: flags.preprocessing.clone(),
        width: flags.width,
        dtype: flags.dtype.clone(),
        row: flags.row.clone(),
    }
}

fn tell(imported: &Imported, global: &Global) {
    let Imported { spec, written, already, failed, ignored } = imported;
    let digest = spec.digest();
    if global.json {
        let failed = failed.iter().map(|(id, reason)| Failed { id, reason }).collect();
        let (feature, folder, recipe) = (spec.kind.name(), spec.folder(), spec);
        let (written, already, ignored) = (*written, *already, *ignored);
        let told = Told { feature, spec: digest.short(), folder, recipe, written, already, failed, ignored };
        output::json(&told);
        return;
    }
    let mut text = format!("{}: {written} taken, {already} there already\n", spec.folder());
    words(spec).iter().for_each(|words| text += &format!("  {words}\n"));
    if *ignored > 0 {
        text += &format!("  {ignored} files of other kinds were left alone\n");
    }
    failed.iter().for_each(|(id, reason)| text += &format!("  failed: {id}: {reason}\n"));
    output::data(&text);
}
