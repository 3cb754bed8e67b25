//! `affekt models import`: a published checkpoint into a bundle.

use std::path::Path;
use std::process::ExitCode;

use affekt::bundles::import::{TakenIn, import};
use affekt::{Error, bundles};
use serde::Serialize;

use crate::cli::Global;
use crate::output;

/// What `models import --json` tells.
#[derive(Serialize)]
struct Told<'t> {
    bundle: &'t str,
    /// Path inside the bundle.
    file: &'t str,
    sha256: &'t str,
    source_sha256: &'t str,
    /// Tensors that were converted; null for a file that was copied as it is.
    tensors: Option<usize>,
}

/// Runs the command.
pub fn run(name: &str, target: &str, path: &Path, global: &Global) -> ExitCode {
    match take(name, target, path) {
        Ok(taken) => {
            tell(name, path, &taken, global);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::failed(&path.display().to_string(), &error, global.json);
            ExitCode::FAILURE
        }
    }
}

fn take(name: &str, target: &str, path: &Path) -> Result<TakenIn, Error> {
    let mut bundle = bundles::open(name)?;
    import(&mut bundle, target, path)
}

fn tell(name: &str, path: &Path, taken: &TakenIn, global: &Global) {
    let TakenIn { file, sha256, source_sha256, tensors } = taken;
    if global.json {
        let (sha256, source_sha256) = (sha256.as_str(), source_sha256.as_str());
        output::json(&Told { bundle: name, file, sha256, source_sha256, tensors: *tensors });
        return;
    }
    let how = match tensors {
        Some(tensors) => format!("{tensors} tensors, all of which fit"),
        None => "copied".into(),
    };
    output::data(&format!("{} -> {file} of {name}: {how}\n  SHA-256 {sha256}\n", path.display()));
}
