//! `affekt cache ls`: what a cache holds.

use std::path::Path;
use std::process::ExitCode;

use affekt_cache::folders::{Contents, Counts};
use affekt_cache::{Error, Folder, Store, folders};
use affekt_core::FeatureSpec;
use affekt_report::failure::Reason;
use serde::Serialize;

use super::{reason, words};
use crate::cli::Global;
use crate::commands::models::size;
use crate::output;

/// What `cache ls --json` tells.
#[derive(Serialize)]
struct Listed {
    cache: String,
    features: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    feature: &'static str,
    /// The first digits of the recipe's digest.
    spec: String,
    folder: String,
    /// `None` where no shard can be read.
    recipe: Option<FeatureSpec>,
    done: usize,
    absent: usize,
    failed: usize,
    shards: usize,
    bytes: u64,
    /// Files of writers, at work or dead.
    temporary: usize,
    problems: Vec<Reason>,
}

/// Runs the command: exit 2 when a shard cannot be read, 1 when none can.
pub fn run(cache: &Path, global: &Global) -> Result<ExitCode, Error> {
    let mut features = Vec::new();
    for folder in folders(cache)? {
        features.push(row(&folder, &folder.contents()?));
    }
    let problems: usize = features.iter().map(|row| row.problems.len()).sum();
    let shards: usize = features.iter().map(|row| row.shards).sum();
    let listed = Listed { cache: cache.display().to_string(), features };
    if global.json {
        output::json(&listed);
    } else {
        output::data(&text(&listed));
    }
    Ok(output::exit_code(shards, problems))
}

fn row(folder: &Folder, contents: &Contents) -> Row {
    let Contents { store, shards, bytes, temporary, problems } = contents;
    let Counts { done, absent, failed } = store.as_ref().map(Store::counts).unwrap_or_default();
    Row {
        feature: folder.kind.name(),
        spec: folder.digest8.clone(),
        folder: folder.name(),
        recipe: store.as_ref().map(|store| store.spec().clone()),
        done,
        absent,
        failed,
        shards: *shards,
        bytes: *bytes,
        temporary: temporary.len(),
        problems: problems.iter().map(reason).collect(),
    }
}

fn text(listed: &Listed) -> String {
    let Listed { cache, features } = listed;
    if features.is_empty() {
        return format!("{cache} holds no features\n");
    }
    let head = ["FEATURE", "SPEC", "DONE", "ABSENT", "FAILED", "SHARDS", "SIZE"].map(str::to_owned);
    let mut lines = vec![line(&head)];
    for row in features {
        let numbers = [row.done, row.absent, row.failed, row.shards].map(|number| number.to_string());
        let [done, absent, failed, shards] = numbers;
        let size = size(Some(row.bytes));
        lines.push(line(&[row.feature.to_owned(), row.spec.clone(), done, absent, failed, shards, size]));
        lines.extend(row.recipe.iter().flat_map(words).map(|words| format!("  {words}")));
        if row.shards == 0 {
            lines.push("  it holds no shards".to_owned());
        }
        if row.temporary > 0 {
            lines.push(format!("  {} temporary files of writers, at work or dead", row.temporary));
        }
        for Reason { message, hint, .. } in &row.problems {
            lines.push(format!("  error: {message}"));
            lines.extend(hint.iter().map(|hint| format!("    hint: {hint}")));
        }
    }
    lines.join("\n") + "\n"
}

fn line([feature, spec, done, absent, failed, shards, size]: &[String; 7]) -> String {
    format!("{feature:<9}  {spec:<8}  {done:>7}  {absent:>6}  {failed:>6}  {shards:>6}  {size:>7}")
}
