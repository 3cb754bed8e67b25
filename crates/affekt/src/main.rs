//! The `affekt` command: flags and glue.

mod cli;
mod commands;
mod host;
#[cfg(feature = "media")]
mod inputs;
mod launch;
mod output;
mod progress;
mod run;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};

fn main() -> ExitCode {
    #[cfg(feature = "media")]
    if commands::worker::is_meant() {
        return commands::worker::run();
    }
    match Cli::try_parse() {
        Ok(cli) => output::ended(execute(cli)),
        Err(told) => usage(&told),
    }
}

fn execute(Cli { global, command }: Cli) -> ExitCode {
    if let Err(error) = launch::rounding(global.tf32) {
        output::failure(&affekt_report::Failure::new("AFFEKT_TF32", &error), global.json);
        return ExitCode::FAILURE;
    }
    if command.trains() {
        launch::without_second_pool();
    }
    match command {
        #[cfg(feature = "media")]
        Command::Predict(flags) => commands::predict::run(&flags, &global),
        #[cfg(feature = "media")]
        Command::Extract(flags) => commands::extract::run(&flags, &global),
        #[cfg(feature = "media")]
        Command::Transcribe(flags) => commands::transcribe::run(&flags, &global),
        #[cfg(feature = "media")]
        Command::Faces(flags) => commands::faces::run(&flags, &global),
        Command::Simulate(flags) => commands::simulate::run(&flags, &global),
        Command::Train(flags) => commands::train::run(&flags, &global),
        Command::Eval(flags) => commands::eval::run(&flags, &global),
        Command::Ablate(flags) => commands::ablate::run(&flags, &global),
        Command::Report(flags) => commands::report::run(&flags, &global),
        Command::Models(command) => commands::models::run(&command, &global),
        Command::Run(flags) => commands::run::run(&flags, &global),
        Command::Inventory(flags) => commands::inventory::run(&flags, &global),
        Command::Cache(command) => commands::cache::run(&command, &global),
        Command::Doctor(flags) => commands::doctor::run(&flags, &global),
        Command::Check(flags) => commands::check::run(&flags, &global),
        Command::Bench(command) => commands::bench::run(&command, &global),
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

/// Help and version, or what is wrong with the command line: then nothing could run, whose code is 1; clap's own, 2, means
/// that some inputs failed.
fn usage(told: &clap::Error) -> ExitCode {
    // Who has closed the output does not want to read it.
    let _ = told.print();
    if told.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
