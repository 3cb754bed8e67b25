//! The `affekt` command: flags and glue.

mod cli;
mod commands;
#[cfg(feature = "media")]
mod inputs;
mod output;
mod progress;
mod run;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};

fn main() -> ExitCode {
    #[cfg(feature = "media")]
    let started = std::time::Instant::now();
    let Cli { global, command } = Cli::parse();
    match command {
        #[cfg(feature = "media")]
        Command::Predict(flags) => commands::predict::run(&flags, &global, started),
        #[cfg(feature = "media")]
        Command::Faces(flags) => commands::faces::run(&flags, &global),
        Command::Models(command) => commands::models::run(&command, &global),
        Command::Run(flags) => commands::run::run(&flags, &global),
        Command::Doctor(flags) => commands::doctor::run(&flags, &global),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "affekt", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Command::Man => match clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
    }
}
