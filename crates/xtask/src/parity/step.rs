//! A training step of SDUMC beside PyTorch's: both flows, all losses, backward, update.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::bench::{MEMORY_BOUND, ROUNDS, median, spread};
use super::options::Options;
use super::programs::{Floor, Programs, publish};
use super::table;

/// Largest ratio of affekt's time to PyTorch's.
const BOUND: f64 = 1.0;

/// Seconds of every step of all rounds, and the peak memory in MiB.
#[derive(Default)]
struct Taken {
    seconds: Vec<f64>,
    memory: f64,
}

/// `cargo xtask bench-parity --network sdumc-step`.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let programs = Programs::with_weights(root, options, &[])?;
    let (mut torch, mut affekt, mut floors) = (Taken::default(), Taken::default(), Vec::new());
    let rounds = options.rounds.unwrap_or(ROUNDS);
    // In turn, so that what else the machine does falls on both alike.
    for round in 1..=rounds {
        println!("training step: round {round} of {rounds}");
        torch.add(&programs.torch_steps(options.repeat)?);
        let (measured, floor) = programs.affekt_steps(options.repeat)?;
        affekt.add(&measured);
        floors.push(floor);
    }
    let floor = floors.into_iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds)).context("no round")?;
    let row = row(&torch, &affekt);
    let head =
        ["case", "affekt, s", "torch, s", "ratio", "bound", "affekt, MiB", "torch, MiB", "ratio", "verdict"];
    let text = format!(
        "{} threads; {rounds} starts of each program in turn, {} steps of each: median (min to max); peak memory of the \
         whole process\n\n{}\n{}\n",
        options.threads,
        options.repeat,
        table::render(&head, std::slice::from_ref(&row)),
        distance(&floor, median(&affekt.seconds)),
    );
    publish(root, "step.md", &text)?;
    if row.last().is_some_and(|verdict| verdict != "ok") {
        bail!("the training step misses a bound");
    }
    Ok(())
}

impl Taken {
    fn add(&mut self, measured: &super::programs::Measured) {
        self.seconds.extend(&measured.seconds);
        self.memory = self.memory.max(measured.memory);
    }
}

fn row(torch: &Taken, affekt: &Taken) -> Vec<String> {
    let time = median(&affekt.seconds) / median(&torch.seconds);
    let memory = affekt.memory / torch.memory;
    let faults = [(time > BOUND, "TOO SLOW"), (memory > MEMORY_BOUND, "TOO LARGE")];
    let faults: Vec<&str> =
        faults.into_iter().filter_map(|(at_fault, fault)| at_fault.then_some(fault)).collect();
    vec![
        "SDUMC, 64 clips, 365/40/220 frames".to_owned(),
        spread(&affekt.seconds),
        spread(&torch.seconds),
        format!("{time:.2}"),
        format!("{BOUND:.2}"),
        format!("{:.0}", affekt.memory),
        format!("{:.0}", torch.memory),
        format!("{memory:.2}"),
        if faults.is_empty() { "ok".to_owned() } else { faults.join(", ") },
    ]
}

/// How far a step of so many seconds is from its arithmetic.
fn distance(floor: &Floor, seconds: f64) -> String {
    format!(
        "The projections of a step are {:.0} GFLOP: {:.3} s at the {:.0} GFLOP/s of affekt's plain products in this run. \
         A step takes {:.2} times that.",
        floor.gflop,
        floor.seconds,
        floor.gflop_per_s,
        seconds / floor.seconds,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missed_bound_is_named() {
        let taken = |seconds: f64, memory: f64| Taken { seconds: vec![seconds], memory };
        let verdict = |affekt: &Taken| row(&taken(1.0, 100.0), affekt).last().cloned().unwrap();
        assert_eq!(verdict(&taken(0.9, 90.0)), "ok");
        assert_eq!(verdict(&taken(1.1, 101.0)), "TOO SLOW, TOO LARGE");
    }

    #[test]
    fn the_distance_is_that_of_the_floor() {
        let floor = Floor { gflop: 124.0, gflop_per_s: 400.0, seconds: 0.31 };
        assert!(distance(&floor, 0.62).ends_with("A step takes 2.00 times that."));
    }
}
