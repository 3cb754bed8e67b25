//! What every command has that works through many clips: its record, its end, its exit code.

pub mod record;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use affekt::Error;
use affekt_core::{Explain, Seconds};
use affekt_pipelines::batch::Outcome;
use affekt_pipelines::batch::ledger::Scope;
use affekt_report::Failure;
use affekt_report::run::{Ending, RunRecord};
use serde::Serialize;

use crate::cli::Global;
use crate::output;

/// Exit code of a run that was interrupted: that of a program killed by Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Why a command could not run.
pub type Refusal = Box<dyn Explain>;

/// An error as a [`Refusal`].
pub fn refusal(error: impl Explain + 'static) -> Refusal {
    Box::new(error)
}

/// What `--json` tells at the end.
#[derive(Serialize)]
struct Ended<'r> {
    event: &'static str,
    /// The file of the record.
    path: &'r Path,
    #[serde(flatten)]
    run: &'r RunRecord,
}

/// Set by the first Ctrl-C from here on, or the first request to terminate; the second ends the process. Before the work
/// there is nothing to commit, and the first one ends it. A command may have two runs: a signal between them ends the second.
pub fn interruptible() -> Result<Arc<AtomicBool>, Error> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(stop) = STOP.get() {
        return Ok(Arc::clone(stop));
    }
    let stop = Arc::clone(STOP.get_or_init(Arc::default));
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .map_err(|error| Error::Setting { name: "signals".into(), reason: error.to_string() })?;
    }
    Ok(stop)
}

/// A run that can begin, and what becomes of it.
pub struct Run {
    started: Instant,
    /// Wall time of the work itself.
    worked: Seconds,
    scope: Scope,
    record: RunRecord,
    path: PathBuf,
    cache: PathBuf,
}

impl Run {
    /// A run that `record` is of, which goes to `cache`; the command `started` before.
    pub fn new(record: RunRecord, scope: Scope, cache: &Path, started: Instant) -> Self {
        let path = free(record.path(cache, std::process::id()));
        Self { started, worked: Seconds::ZERO, scope, record, path, cache: cache.into() }
    }

    /// Does `work`, unless there is none; saves the record before and after it, and tells how it ended.
    pub fn go(
        mut self,
        global: &Global,
        work: impl FnOnce() -> Result<Outcome, Refusal>,
    ) -> (ExitCode, Ending) {
        let place = self.cache.display().to_string();
        let refused = |error: &dyn Explain| {
            output::failure(&Failure::new(place.clone(), error), global.json);
            ExitCode::FAILURE
        };
        // The record is there before the work, in case that this process is killed.
        if let Err(error) = self.record.save(&self.path) {
            return (refused(&error), Ending::Failed);
        }
        let code = self.work(work).unwrap_or_else(|error| {
            self.record.message.get_or_insert_with(|| error.to_string());
            self.record.ended_by = Ending::Failed;
            refused(&*error)
        });
        record::close(&mut self.record, Seconds(self.started.elapsed().as_secs_f64()), self.worked);
        let saved = self.record.save(&self.path);
        self.tell(global);
        let code = saved.map_or_else(|error| refused(&error), |()| code);
        (code, self.record.ended_by)
    }

    fn work(&mut self, work: impl FnOnce() -> Result<Outcome, Refusal>) -> Result<ExitCode, Refusal> {
        self.record.seconds.start = Seconds(self.started.elapsed().as_secs_f64()).rounded();
        if self.record.clips.total == 0 {
            self.record.ended_by = Ending::Finished;
            return Ok(self.code());
        }
        let outcome = work()?;
        self.worked = outcome.elapsed;
        self.record.seconds.start = Seconds(self.started.elapsed().as_secs_f64() - self.worked.0).rounded();
        record::end(&mut self.record, outcome, self.scope);
        Ok(self.code())
    }

    /// The exit code; clips that had failed in earlier runs and were left alone count.
    fn code(&self) -> ExitCode {
        match self.record.ended_by {
            Ending::Interrupted => ExitCode::from(INTERRUPTED),
            Ending::Finished => {
                output::exit_code(self.scope.clips, self.scope.failed_before + self.record.clips.failed)
            }
            _ => ExitCode::FAILURE,
        }
    }

    fn tell(&self, global: &Global) {
        if global.json {
            return output::json(&Ended { event: "ended", path: &self.path, run: &self.record });
        }
        if !global.quiet {
            output::data(&self.record.summary(&self.path));
            let before = self.scope.failed_before;
            if before > 0 {
                let again = "--retry-failed takes them up again";
                let clips = if before == 1 { "clip" } else { "clips" };
                output::data(&format!("  {before} {clips} failed in earlier runs: {again}\n"));
            }
        }
        // What ended the run before its time is said even where nothing else is.
        match (&self.record.message, self.record.ended_by) {
            (Some(message), Ending::Interrupted) => output::note(&format!("interrupted: {message}\n")),
            (Some(message), Ending::Failed | Ending::Stopped) if self.worked > Seconds::ZERO => {
                output::note(&format!("error: {message}\n"));
            }
            _ => {}
        }
    }
}

/// `path`, or one beside it that no record has taken: a command may have two runs in one second.
fn free(path: PathBuf) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let others = (2..).map(|number| path.with_file_name(format!("{stem}-{number}.json")));
    std::iter::once(path.clone()).chain(others).find(|path| !path.exists()).unwrap_or(path)
}
