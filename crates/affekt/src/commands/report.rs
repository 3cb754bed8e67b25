//! `affekt report`: several runs held against each other.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use affekt_core::Explain;
use affekt_pipelines::train::ablate::TABLE;
use affekt_report::Failure;
use affekt_report::training::file::{self, Error};
use affekt_report::training::{Comparison, Training};

use super::batch::{Refusal, refusal};
use super::made::made;
use crate::cli::{self, Global};
use crate::output;

/// Folders below one that is named in which runs are looked for.
const DEPTH: usize = 2;

/// Runs the command: exit 0 where every run could be read, 2 where some could not, 1 where none could or the page could not
/// be written.
pub fn run(flags: &cli::Report, global: &Global) -> ExitCode {
    let mut found = Found::default();
    let failed = |path: &Path, error: &dyn Explain| {
        output::failure(&Failure::new(path.display().to_string(), error), global.json);
    };
    flags.runs.iter().for_each(|path| found.add(path));
    let Found { runs, failures } = found;
    failures.iter().for_each(|(path, error)| failed(path, error));
    if runs.is_empty() {
        return ExitCode::FAILURE;
    }
    if let Err(error) = tell(&Comparison::of(&runs), flags.out.as_deref(), global) {
        failed(flags.out.as_deref().unwrap_or(Path::new("report")), &*error);
        return ExitCode::FAILURE;
    }
    output::exit_code(runs.len() + failures.len(), failures.len())
}

fn tell(comparison: &Comparison, out: Option<&Path>, global: &Global) -> Result<(), Refusal> {
    if let Some(path) = out {
        file::write(path, &comparison.to_html(&made())).map_err(refusal)?;
    }
    if global.json {
        output::json(comparison);
    } else {
        output::data(&comparison.to_text(output::width()));
        if let Some(path) = out.filter(|_| !global.quiet) {
            output::note(&format!("report: {}\n", path.display()));
        }
    }
    Ok(())
}

/// What is found where runs are looked for.
#[derive(Default)]
struct Found {
    /// Each with its folder.
    runs: Vec<(String, Training)>,
    failures: Vec<(PathBuf, Error)>,
}

impl Found {
    /// The run at `path`, or those in its folders. The rows of the paper's table come in its order, the full model first.
    fn add(&mut self, path: &Path) {
        let before = self.runs.len();
        let below = if is_run(path) { Vec::new() } else { below(path, DEPTH) };
        if below.is_empty() {
            self.read(path);
        }
        below.iter().for_each(|path| self.read(path));
        let place = |name: &str| TABLE.iter().position(|row| row.config == name).unwrap_or(TABLE.len());
        self.runs[before..].sort_by_key(|(_, training)| place(&training.name));
    }

    fn read(&mut self, path: &Path) {
        match Training::read(path) {
            Ok(training) => self.runs.push((path.display().to_string(), training)),
            Err(error) => self.failures.push((path.to_owned(), error)),
        }
    }
}

fn is_run(path: &Path) -> bool {
    path.join(file::METRICS).is_file()
}

/// Folders of runs below `folder`, by name.
fn below(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    let runs = folders.into_iter().flat_map(|path| match is_run(&path) {
        true => vec![path],
        false if depth > 1 => below(&path, depth - 1),
        false => Vec::new(),
    });
    runs.collect()
}
