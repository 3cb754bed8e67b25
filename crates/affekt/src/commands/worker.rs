//! `affekt worker`: opens media files for another affekt, so that none of them can end it.

use std::io::{stdin, stdout};
use std::process::ExitCode;

use affekt_pipelines::isolate::{Error, Pool, Program, Settings, answer, serve};

/// Runs the command; the process ends with its stdin.
pub fn run() -> ExitCode {
    match serve(stdin(), stdout(), answer) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever asked is gone.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Workers that run this program.
///
/// # Errors
/// [`Error::NotStarted`].
pub fn pool() -> Result<Pool, Error> {
    let path = std::env::current_exe()
        .map_err(|error| Error::NotStarted { program: "affekt".into(), reason: error.to_string() })?;
    Pool::start(Program { path, arguments: vec!["worker".into()] }, Settings::default())
}
