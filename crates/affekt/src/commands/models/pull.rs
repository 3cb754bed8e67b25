//! `affekt models pull`: files of a bundle from the hub.

use std::process::ExitCode;

use affekt::bundles::pull::{Got, How, chosen, pull};
use affekt::{Error, bundles};
use affekt_core::{Event, Reporter};
use affekt_weights::{Bundle, Hub};
use serde::Serialize;

use super::size;
use crate::cli::Global;
use crate::output;
use crate::progress::Progress;

/// What `models pull --json` tells of one file.
#[derive(Serialize)]
struct Told<'f> {
    file: &'f str,
    /// `already`, `cached` or `fetched`.
    how: &'static str,
    size: Option<u64>,
    sha256: Option<String>,
    repo: Option<String>,
    revision: Option<String>,
}

/// Runs the command. A file that cannot be had does not keep the others from coming.
pub fn run(name: &str, files: &[String], global: &Global) -> ExitCode {
    let (mut bundle, hub, files) = match prepare(name, files) {
        Ok(prepared) => prepared,
        Err(error) => {
            output::failed(name, &error, global.json);
            return ExitCode::FAILURE;
        }
    };
    let progress = Progress::new(global);
    let (count, mut failures) = (files.len(), 0);
    for (index, file) in files.iter().enumerate() {
        progress.report(&Event::Input { name: file.clone(), index, count });
        let got = pull(&mut bundle, &hub, file, &progress);
        progress.clear();
        match got {
            Ok(got) => tell(file, &got, global),
            Err(error) => {
                failures += 1;
                output::failed(file, &error, global.json);
            }
        }
    }
    if files.is_empty() && !global.json {
        output::data(&format!("{name}: nothing of it is on the hub\n"));
    }
    output::exit_code(count, failures)
}

fn prepare(name: &str, files: &[String]) -> Result<(Bundle, Hub, Vec<String>), Error> {
    let bundle = bundles::open(name)?;
    let files = chosen(&bundle, files)?;
    let hub = Hub::from_env().map_err(affekt_weights::Error::from)?;
    Ok((bundle, hub, files))
}

fn tell(file: &str, got: &Got, global: &Global) {
    let Got { sha256, size: bytes, hub, how } = got;
    if global.json {
        let how = match how {
            How::Already => "already",
            How::Cached => "cached",
            How::Fetched => "fetched",
        };
        let (repo, revision) =
            (hub.as_ref().map(|hub| hub.repo.clone()), hub.as_ref().map(|hub| hub.revision.clone()));
        let sha256 = sha256.as_ref().map(ToString::to_string);
        output::json(&Told { file, how, size: *bytes, sha256, repo, revision });
        return;
    }
    let how = match how {
        How::Already => "there already".into(),
        How::Cached => format!("from the cache, {}", size(*bytes)),
        How::Fetched => format!("fetched, {}", size(*bytes)),
    };
    let commit =
        hub.as_ref().map(|hub| format!(", {}@{}", hub.repo, hub.revision.get(..8).unwrap_or(&hub.revision)));
    output::data(&format!("{file}: {how}{}\n", commit.unwrap_or_default()));
}
