//! Printing: data to stdout, everything else to stderr.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use affekt_core::Explain;
use affekt_report::{Failure, text};
use serde::Serialize;

/// Whether data was lost on the way to stdout.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints data to stdout. A reader that has gone away (`| head`) is no error; a full disk is one, told once, and
/// [`ended`] knows of it.
pub fn data(text: &str) {
    let mut stdout = std::io::stdout();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    let Err(error) = written else { return };
    if error.kind() != ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) {
        note(&format!(
            "error: the output cannot be written: {error}\n  hint: send it elsewhere, or make room\n"
        ));
    }
}

/// The exit code of a command that ended with `code`: a failure where data was lost.
pub fn ended(code: ExitCode) -> ExitCode {
    if LOST.load(Ordering::Relaxed) { ExitCode::FAILURE } else { code }
}

/// Prints one JSON object on a line of its own.
pub fn json(value: &impl Serialize) {
    let line = serde_json::to_string(value).expect("reports are plain data");
    data(&(line + "\n"));
}

/// Writes `value` as JSON to the file at `path`, where one is named; whether that went well, which is told where not.
pub fn saved(path: Option<&Path>, value: &impl Serialize) -> bool {
    let Some(path) = path else { return true };
    let text = serde_json::to_string_pretty(value).expect("reports are plain data") + "\n";
    let written = std::fs::write(path, text);
    if let Err(error) = &written {
        note(&format!(
            "error: {} cannot be written: {error}\n  hint: name a file in a folder that is there\n",
            path.display()
        ));
    }
    written.is_ok()
}

/// Prints to stderr.
pub fn note(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Tells why `input` failed: as JSON on stdout, or for people on stderr.
pub fn failed(input: &str, error: &dyn Explain, as_json: bool) {
    failure(&Failure::new(input, error), as_json);
}

/// [`failed`] for what is taken down already.
pub fn failure(failure: &Failure, as_json: bool) {
    if as_json {
        json(failure);
    } else {
        note(&text::failure(failure));
    }
}

/// Columns of the terminal; `None` where the output goes elsewhere.
pub fn columns() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Columns of a table: those of the terminal; where the output goes elsewhere, no line need be broken.
pub fn width() -> usize {
    columns().unwrap_or(usize::MAX)
}

/// The exit code of a run over several inputs: 0 all done, 2 some failed, 1 all failed.
pub fn exit_code(inputs: usize, failures: usize) -> ExitCode {
    match failures {
        0 => ExitCode::SUCCESS,
        failures if failures < inputs => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}
