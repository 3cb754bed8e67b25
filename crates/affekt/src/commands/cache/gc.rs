//! `affekt cache gc`: what a cache can do without.

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use affekt_cache::{Error, Waste, waste};
use serde::Serialize;

use crate::cli::Global;
use crate::commands::models::size;
use crate::output;

/// What `cache gc --json` tells.
#[derive(Serialize)]
struct Told<'w> {
    cache: String,
    /// Whether nothing was removed.
    dry_run: bool,
    bytes: u64,
    superseded: Vec<Superseded>,
    stale: Vec<Stale<'w>>,
    kept: Vec<Kept<'w>>,
}

#[derive(Serialize)]
struct Superseded {
    folder: String,
    by: String,
    shards: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct Stale<'w> {
    file: &'w Path,
    bytes: u64,
}

#[derive(Serialize)]
struct Kept<'w> {
    folder: String,
    reason: &'w str,
}

/// Runs the command.
pub fn run(cache: &Path, dry_run: bool, global: &Global) -> Result<ExitCode, Error> {
    let waste = waste(cache, SystemTime::now())?;
    if !dry_run {
        waste.remove()?;
    }
    let told = told(cache, dry_run, &waste);
    if global.json {
        output::json(&told);
    } else {
        output::data(&text(&told));
    }
    Ok(ExitCode::SUCCESS)
}

fn told<'w>(cache: &Path, dry_run: bool, waste: &'w Waste) -> Told<'w> {
    let superseded = waste.superseded.iter().map(|superseded| Superseded {
        folder: superseded.folder.name(),
        by: superseded.by.name(),
        shards: superseded.shards.len(),
        bytes: superseded.bytes,
    });
    let kept = waste.kept.iter().map(|(folder, reason)| Kept { folder: folder.name(), reason });
    Told {
        cache: cache.display().to_string(),
        dry_run,
        bytes: waste.bytes(),
        superseded: superseded.collect(),
        stale: waste.stale.iter().map(|(file, bytes)| Stale { file, bytes: *bytes }).collect(),
        kept: kept.collect(),
    }
}

fn text(told: &Told) -> String {
    let done = if told.dry_run { "would remove" } else { "removed" };
    let mut lines = Vec::new();
    for Superseded { folder, by, shards, bytes } in &told.superseded {
        lines.push(format!("{done} {folder}, superseded by {by}: {} in {shards} files", size(Some(*bytes))));
    }
    for Stale { file, bytes } in &told.stale {
        lines.push(format!("{done} {}, left by a dead writer: {}", file.display(), size(Some(*bytes))));
    }
    if lines.is_empty() {
        lines.push(format!("{}: nothing to remove", told.cache));
    } else {
        lines.push(format!("{done} {} in all", size(Some(told.bytes))));
    }
    lines.extend(told.kept.iter().map(|Kept { folder, reason }| format!("kept {folder}: {reason}")));
    lines.join("\n") + "\n"
}
