//! The folder of a run.

use std::fs;
use std::path::Path;

use affekt_report::training::file::METRICS;
use affekt_report::training::{Evidence, Made, Training};

use super::Error;
use super::plan::{Plan, decisive};
use super::state::State;

/// The parameters that were kept.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// The configuration, with every setting.
pub const CONFIG: &str = "config.toml";

/// Makes the folder ready for a run of `plan`; a run of it that has ended already comes back.
///
/// # Errors
/// [`Error::Folder`] where it holds something else.
pub fn open(folder: &Path, plan: &Plan) -> Result<Option<Training>, Error> {
    let bad = |reason: String| Error::Folder { folder: folder.into(), reason };
    let failed = |source| Error::Write { path: folder.into(), source };
    if folder.exists() && !folder.is_dir() {
        return Err(bad("is no folder".into()));
    }
    fs::create_dir_all(folder).map_err(failed)?;
    if State::is_in(folder) {
        return Ok(None);
    }
    if folder.join(METRICS).is_file() {
        let finished = Training::read(folder)?;
        if !folder.join(CHECKPOINT).is_file() {
            return Err(bad(format!("holds the report of a run, but no {CHECKPOINT}")));
        }
        return match decisive(&finished.config, &finished.data) == plan.digest() {
            true => Ok(Some(finished)),
            false => {
                Err(bad(format!("holds the run {} already, which differs from this one", finished.name)))
            }
        };
    }
    let mut others =
        fs::read_dir(folder).map_err(failed)?.filter_map(Result::ok).map(|entry| entry.file_name());
    if let Some(other) = others.find(|name| name != CONFIG) {
        return Err(bad(format!("holds {}, but no run", other.display())));
    }
    let path = folder.join(CONFIG);
    fs::write(&path, plan.config.to_toml()).map_err(|source| Error::Write { path: path.clone(), source })?;
    Ok(None)
}

/// Writes everything that is said of a run.
pub fn report(folder: &Path, training: &Training, evidence: &[Evidence], made: &Made) -> Result<(), Error> {
    training.save(folder, evidence, made)?;
    Ok(())
}
