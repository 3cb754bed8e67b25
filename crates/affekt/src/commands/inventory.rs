//! `affekt inventory`: media, transcripts and labels of a dataset held against each other, before any work.

use std::path::Path;
use std::process::ExitCode;

#[cfg(feature = "media")]
use affekt_pipelines::dataset::Prober;
use affekt_pipelines::dataset::inventory::summary::Part;
use affekt_pipelines::dataset::inventory::{Durations, Inventory, take};
use affekt_pipelines::dataset::{Manifest, Problem, Severity, Source, Split};
use affekt_report::Failure;
use serde::Serialize;

use crate::cli::{self, Global};
use crate::output;

/// Problems of a kind that people are shown; `--json` has all.
const SHOWN: usize = 5;

/// What `inventory --json` tells.
#[derive(Serialize)]
struct Report<'f> {
    dataset: &'f str,
    root: Option<&'f Path>,
    labels: Option<&'f Path>,
    #[serde(flatten)]
    inventory: Inventory,
}

/// Runs the command: exit 0 where nothing is off but for warnings, 2 where something is, 1 where it could not run.
pub fn run(flags: &cli::Inventory, global: &Global) -> ExitCode {
    let cli::Dataset { name: dataset, root, labels } = &flags.dataset;
    let (root, labels) = (root.as_deref(), labels.as_deref());
    let inventory = match of(&Source { dataset, root, labels }, flags, global) {
        Ok(inventory) => inventory,
        Err(failure) => {
            output::failure(&failure, global.json);
            return ExitCode::FAILURE;
        }
    };
    let report = Report { dataset, root, labels, inventory };
    if global.json {
        output::json(&report);
    } else {
        output::data(&text(&report));
    }
    let off = report.inventory.summary.errors > 0;
    if off { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

fn of(source: &Source, flags: &cli::Inventory, global: &Global) -> Result<Inventory, Failure> {
    let manifest = Manifest::read(source).map_err(|error| Failure::new(source.dataset, &error))?;
    let durations = durations(&manifest, flags, global)?;
    Ok(take(&manifest, &durations))
}

#[cfg(feature = "media")]
fn durations(manifest: &Manifest, flags: &cli::Inventory, global: &Global) -> Result<Durations, Failure> {
    if flags.no_probe {
        return Ok(Durations::new());
    }
    let pool = super::worker::pool().map_err(|error| Failure::new(&flags.dataset.name, &error))?;
    let progress = crate::progress::Progress::new(global);
    let durations = affekt_pipelines::dataset::durations(manifest, Prober::Isolated(&pool), &progress);
    progress.clear();
    Ok(durations)
}

#[cfg(not(feature = "media"))]
fn durations(_manifest: &Manifest, _flags: &cli::Inventory, _global: &Global) -> Result<Durations, Failure> {
    Ok(Durations::new())
}

/// The table and the problems for people.
fn text(report: &Report) -> String {
    let Inventory { summary, .. } = &report.inventory;
    let place = report.root.map(|root| format!(" in {}", root.display())).unwrap_or_default();
    let mut lines = vec![
        format!("{}{place}", report.dataset),
        String::new(),
        "  split       clips   videos    words   labels     hours".into(),
    ];
    let split = |name| Some(row(name, summary.splits.get(name)?));
    lines.extend(Split::ALL.map(Split::name).into_iter().chain(["none"]).filter_map(split));
    lines.push(row("all", &summary.all));
    lines.push(String::new());
    for problems in report.inventory.by_kind() {
        lines.extend(kind(problems));
        lines.push(String::new());
    }
    lines.push(verdict(&report.inventory));
    lines.join("\n") + "\n"
}

fn row(name: &str, part: &Part) -> String {
    let Part { clips, videos, with_text, with_label, hours } = part;
    format!("  {name:<8}{clips:>9}{videos:>9}{with_text:>9}{with_label:>9}{hours:>10.3}")
}

/// Problems of one kind: how many, and the first of them.
fn kind(problems: &[Problem]) -> Vec<String> {
    let Some(first) = problems.first() else { return Vec::new() };
    let warning = if first.severity == Severity::Warning { " (warning)" } else { "" };
    let name = first.kind.name().replace('_', " ");
    let mut lines = vec![format!("  {name}{warning}: {}", problems.len())];
    lines.extend(problems.iter().take(SHOWN).map(|problem| format!("    {problem}")));
    let more = problems.len().saturating_sub(SHOWN);
    lines.extend((more > 0).then(|| format!("    ... and {more} more; --json has them all")));
    lines
}

fn verdict(inventory: &Inventory) -> String {
    let probed = match inventory.summary.probed {
        0 => "no media file was opened".into(),
        1 => "1 media file was opened".into(),
        probed => format!("{probed} media files were opened"),
    };
    let count = |severity, name: &str| match inventory.count(severity) {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    };
    let (errors, warnings) = (count(Severity::Error, "error"), count(Severity::Warning, "warning"));
    format!("  {errors}, {warnings}; {probed}")
}
