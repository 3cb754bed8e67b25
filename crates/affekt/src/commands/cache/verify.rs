//! `affekt cache verify`: every byte against its digest, clips against a list.

use std::path::Path;
use std::process::ExitCode;

use affekt_cache::{Error, Folder, Report, manifest, verify};
use affekt_core::ClipId;
use affekt_report::failure::Reason;
use serde::Serialize;

use super::{chosen, reason};
use crate::cli::{Choice, Global};
use crate::output;
use crate::progress::Progress;

/// What `cache verify --json` tells.
#[derive(Serialize)]
struct Told {
    cache: String,
    /// Whether nothing is wrong and, where a list was given, nothing missing.
    sound: bool,
    features: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    feature: &'static str,
    spec: String,
    folder: String,
    shards: usize,
    /// Features that are as they were written.
    features: usize,
    absent: usize,
    failures: usize,
    problems: Vec<Reason>,
    /// Of the list: clips of which nothing is known.
    missing: Vec<ClipId>,
    /// Of the list: clips that failed.
    failed: Vec<ClipId>,
}

/// Runs the command: exit 2 when something is wrong or missing.
pub fn run(cache: &Path, list: Option<&Path>, choice: &Choice, global: &Global) -> Result<ExitCode, Error> {
    let wanted = list.map(manifest::read).transpose()?.unwrap_or_default();
    let folders = chosen(cache, choice)?;
    let progress = Progress::new(global);
    let rows: Result<Vec<Row>, Error> =
        folders.iter().map(|folder| Ok(row(folder, verify(folder, &wanted, &progress)?))).collect();
    progress.clear();
    let features = rows?;
    let lacking = features.is_empty() && !wanted.is_empty();
    let sound = !lacking && features.iter().all(Row::is_sound);
    let told = Told { cache: cache.display().to_string(), sound, features };
    if global.json {
        output::json(&told);
    } else {
        output::data(&text(&told, wanted.len()));
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn row(folder: &Folder, report: Report) -> Row {
    let Report { shards, features, absent, failures, problems, missing, failed } = report;
    let (feature, spec) = (folder.kind.name(), folder.digest8.clone());
    let problems = problems.iter().map(reason).collect();
    Row {
        feature,
        spec,
        folder: folder.name(),
        shards,
        features,
        absent,
        failures,
        problems,
        missing,
        failed,
    }
}

impl Row {
    fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.missing.is_empty() && self.failed.is_empty()
    }
}

fn text(told: &Told, wanted: usize) -> String {
    if told.features.is_empty() {
        let missing = (wanted > 0).then(|| format!(": all {wanted} clips of the list are missing"));
        return format!("{} holds no features{}\n", told.cache, missing.unwrap_or_default());
    }
    let mut lines = Vec::new();
    for row in &told.features {
        let Row { folder, shards, features, absent, failures, .. } = row;
        let verdict = match (row.problems.is_empty(), row.is_sound()) {
            (true, true) => "sound".to_owned(),
            (true, false) => format!(
                "sound, but of {wanted} clips {} missing, {} failed",
                row.missing.len(),
                row.failed.len()
            ),
            (false, _) => format!("{} problems", row.problems.len()),
        };
        lines.push(format!(
            "{folder}: {verdict} (shards: {shards}, features: {features}, absent: {absent}, failed: {failures})"
        ));
        for Reason { message, hint, .. } in &row.problems {
            lines.push(format!("  error: {message}"));
            lines.extend(hint.iter().map(|hint| format!("    hint: {hint}")));
        }
        lines.extend(row.missing.iter().map(|id| format!("  missing: {id}")));
        lines.extend(row.failed.iter().map(|id| format!("  failed: {id}")));
    }
    lines.join("\n") + "\n"
}
