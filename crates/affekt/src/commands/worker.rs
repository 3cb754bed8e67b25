//! `affekt worker`: opens media files for another affekt, so that none of them can end it.
//!
//! No command for people, so none of [`crate::cli`]: completions would offer even one that help hides.

use std::io::{stdin, stdout};
use std::process::ExitCode;

use affekt_pipelines::isolate::{Error, Pool, Program, Settings, Work, serve};

/// The only argument of a worker.
const ARGUMENT: &str = "worker";

/// Whether this process is one.
pub fn is_meant() -> bool {
    std::env::args_os().skip(1).eq([ARGUMENT])
}

/// Answers; the process ends with its stdin.
pub fn run() -> ExitCode {
    let mut work = Work::default();
    match serve(stdin(), stdout(), |request, speaker| work.answer(request, speaker)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever asked is gone.
        Err(_) => ExitCode::FAILURE,
    }
}

/// This program as a worker.
///
/// # Errors
/// [`Error::NotStarted`] where the system does not say which program this is.
pub fn program() -> Result<Program, Error> {
    let path = std::env::current_exe()
        .map_err(|error| Error::NotStarted { program: "affekt".into(), reason: error.to_string() })?;
    Ok(Program { path, arguments: vec![ARGUMENT.into()] })
}

/// Workers that run this program.
///
/// # Errors
/// [`Error::NotStarted`].
pub fn pool() -> Result<Pool, Error> {
    Pool::start(program()?, Settings::default())
}
