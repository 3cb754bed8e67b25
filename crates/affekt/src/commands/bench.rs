//! `affekt bench`: how fast this machine is.

mod extract;
mod table;

use std::process::ExitCode;

use crate::cli::{self, Global};

/// Runs the command.
pub fn run(command: &cli::Bench, global: &Global) -> ExitCode {
    match command {
        cli::Bench::Extract(flags) => extract::run(flags, global),
    }
}
