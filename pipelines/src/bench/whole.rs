//! The whole: `affekt extract` as a command, into a cache of its own, and once more when it has nothing left to do.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::clock::Spent;
use super::{Clips, Error};
use crate::isolate::Program;

/// How often it is started with nothing to do: the median counts.
const STARTS: usize = 3;
/// Exit codes of a run that went through all clips: all well, or some failed.
const THROUGH: [i32; 2] = [0, 2];

/// What the whole took.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// From the start of the process to its end.
    pub spent: Spent,
    /// Wall seconds of a run that finds everything in the cache, from the start of the process to its end.
    pub start_stop: f64,
    /// Seconds of it before the first clip was taken up and after the last was through, as the run says.
    pub around: Option<f64>,
    /// The stage that the others waited for, as the run says.
    pub limit: Option<String>,
    /// Largest resident memory of the process, in bytes, as the run says.
    pub peak_memory: Option<u64>,
}

/// Runs `extract`, the command with all flags but those of dataset and cache, over `clips`; files go into `folder`.
///
/// # Errors
/// [`Error::Extract`] where it cannot be started or ends before its time; those of [`Clips::save`].
pub fn measure(clips: &Clips, extract: &Program, folder: &Path) -> Result<Whole, Error> {
    let (manifest, cache) = (folder.join("clips.jsonl"), folder.join("whole"));
    clips.save(&manifest)?;
    let run = || run(extract, &manifest, &cache);
    let ((), spent) = Spent::on(run)?;
    let record = record(&cache);
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(Spent::on(run)?.1.wall);
    }
    starts.sort_by(f64::total_cmp);
    let limit = record.as_ref().and_then(|record| record["limit"].as_str().map(str::to_owned));
    let around = record.as_ref().and_then(|record| {
        let seconds = &record["seconds"];
        Some(seconds["start"].as_f64()? + seconds["stop"].as_f64()?)
    });
    let peak_memory = record.as_ref().and_then(|record| record["peak_memory_bytes"].as_u64());
    Ok(Whole { spent, start_stop: starts[STARTS / 2], around, limit, peak_memory })
}

fn run(extract: &Program, manifest: &Path, cache: &Path) -> Result<(), Error> {
    let mut command = Command::new(&extract.path);
    command.args(&extract.arguments);
    command.arg("--dataset").arg(manifest).arg("--cache").arg(cache).arg("--quiet");
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| Error::Extract { reason: format!("cannot be started: {error}") })?;
    if output.status.code().is_some_and(|code| THROUGH.contains(&code)) {
        return Ok(());
    }
    Err(Error::Extract { reason: ended(&output) })
}

/// How it ended, and the first line that it said: the error, which its hint follows.
fn ended(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.map(|line| format!(": {line}")).unwrap_or_default();
    format!("ended with {}{line}", output.status)
}

/// The record of the run, where it has left one.
fn record(cache: &Path) -> Option<Value> {
    let entries = fs::read_dir(cache.join("runs")).ok()?;
    let mut records = entries.flatten().map(|entry| entry.path());
    let path = records.find(|path| path.extension().is_some_and(|extension| extension == "json"))?;
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
