//! `affekt eval`: trained parameters judged on labelled clips.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use affekt_core::Digest;
use affekt_pipelines::dataset::Split;
use affekt_pipelines::device;
use affekt_pipelines::train::checkpoint;
use affekt_pipelines::train::data::Source;
use affekt_pipelines::train::eval::{Evaluation, Request, eval};
use affekt_report::Failure;
use affekt_report::training::Training;
use serde::Serialize;
use time::OffsetDateTime;

use super::batch::{Refusal, refusal};
use super::made::made;
use crate::cli::{self, Global};
use crate::{host, output};

/// What `--json` tells.
#[derive(Serialize)]
struct Told<'e> {
    /// The file of the parameters.
    weights: &'e Path,
    /// Its SHA-256.
    weights_digest: &'e Digest,
    #[serde(flatten)]
    training: &'e Training,
}

/// A folder for results that must not go there.
#[derive(Debug, thiserror::Error)]
#[error("{} holds a run, whose results would be lost", folder.display())]
struct Taken {
    folder: PathBuf,
}

impl affekt_core::Explain for Taken {
    fn kind(&self) -> affekt_core::ErrorKind {
        affekt_core::ErrorKind::BadConfig
    }

    fn hint(&self) -> Option<String> {
        Some("name another folder with --out".into())
    }
}

/// Runs the command: exit 0 where everything was judged, else 1.
pub fn run(flags: &cli::Eval, global: &Global) -> ExitCode {
    match go(flags, global) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&Failure::new(flags.run.display().to_string(), &*error), global.json);
            ExitCode::FAILURE
        }
    }
}

fn go(flags: &cli::Eval, global: &Global) -> Result<(), Refusal> {
    if let Some(folder) = flags.out.as_ref().filter(|folder| folder.join(checkpoint::FILE).exists()) {
        return Err(refusal(Taken { folder: folder.clone() }));
    }
    let labelled = &flags.labelled;
    let recipes = labelled.recipes.iter().cloned().collect();
    let source = Source {
        cache: &labelled.cache,
        recipes: &recipes,
        labels: &labelled.labels,
        split_column: labelled.split_column.as_deref(),
    };
    let request = Request {
        weights: &flags.run,
        reading: &flags.reading.parse().map_err(refusal)?,
        source: &source,
        splits: &once_each(&flags.split),
        incomplete: flags.incomplete.map(Into::into),
        device: &device::named(&labelled.device).map_err(refusal)?,
        started: host::utc(OffsetDateTime::now_utc()),
        peak_memory: &host::peak_memory,
    };
    let Evaluation { weights, digest, training, evidence } = eval(&request).map_err(refusal)?;
    if let Some(folder) = &flags.out {
        training.save(folder, &evidence, &made()).map_err(refusal)?;
    }
    if global.json {
        output::json(&Told { weights: &weights, weights_digest: &digest, training: &training });
        return Ok(());
    }
    output::data(&training.summary());
    if let Some(folder) = flags.out.as_ref().filter(|_| !global.quiet) {
        output::note(&format!("{}: the page to look at\n", folder.join("report.html").display()));
    }
    Ok(())
}

fn once_each(splits: &[Split]) -> Vec<Split> {
    Split::ALL.into_iter().filter(|split| splits.contains(split)).collect()
}
