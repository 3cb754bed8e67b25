//! `affekt bench`: how fast this machine is.

#[cfg(feature = "media")]
mod extract;
mod gpu;
mod rates;
mod simulate;
#[cfg(feature = "media")]
mod table;
mod train;

use std::process::ExitCode;

use crate::cli::{self, Global};

/// Runs the command.
pub fn run(command: &cli::Bench, global: &Global) -> ExitCode {
    match command {
        cli::Bench::Simulate(flags) => simulate::run(flags, global),
        cli::Bench::Gpu(flags) => gpu::run(flags, global),
        cli::Bench::Train(flags) => train::run(flags, global),
        #[cfg(feature = "media")]
        cli::Bench::Extract(flags) => extract::run(flags, global),
    }
}

/// Hours, or minutes where they are few.
fn time(hours: f64) -> String {
    if hours >= 1.0 { format!("{hours:.1} h") } else { format!("{:.1} min", 60.0 * hours) }
}

fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02} min", seconds / 60, seconds % 60)
}
