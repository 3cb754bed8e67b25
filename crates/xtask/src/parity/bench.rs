//! Times and memory of both programs, in turn.

use std::path::Path;

use anyhow::{Result, bail};

use super::cases::{self, Timed};
use super::check::holds;
use super::options::Options;
use super::programs::{Compared, Programs, publish};
use super::{engine, step, table};

/// Peak memory is never above PyTorch's.
pub const MEMORY_BOUND: f64 = 1.0;

/// How often each program is started.
pub const ROUNDS: usize = 3;

/// What one program took over all rounds.
#[derive(Default)]
struct Taken {
    seconds: Vec<f64>,
    memory: f64,
}

/// `cargo xtask bench-parity`.
pub fn run(root: &Path, flags: &[&str]) -> Result<()> {
    let options = Options::parse(flags, &["--network", "--threads", "--rounds", "--repeat"])?;
    let wanted = |timed: &Timed| options.wants(timed.case.network);
    let timed: Vec<Timed> = cases::timed().into_iter().filter(wanted).collect();
    let with_engine = options.wants("engine");
    let with_step = options.wants(cases::STEP);
    if timed.is_empty() && !with_engine && !with_step {
        bail!("none of these networks is timed");
    }
    if !timed.is_empty() {
        one_by_one(root, &options, &timed)?;
    }
    if with_engine {
        engine::run(root, &options)?;
    }
    if with_step { step::run(root, &options) } else { Ok(()) }
}

/// The passes of single networks.
fn one_by_one(root: &Path, options: &Options, timed: &[Timed]) -> Result<()> {
    let cases: Vec<_> = timed.iter().map(|timed| &timed.case).collect();
    let programs = Programs::prepare(root, options, &cases)?;
    let (mut rows, mut errors, mut missed) = (Vec::new(), Vec::new(), 0);
    for timed in timed {
        let (torch, affekt, groups) = in_turn(&programs, options, timed)?;
        let row = Row::new(timed, &torch, &affekt, &groups);
        missed += usize::from(!row.holds);
        rows.push(row.cells);
        for group in groups {
            let error = table::error(group.error, group.integers);
            errors.push(vec![timed.case.name.clone(), group.name, error]);
        }
    }
    let head =
        ["case", "affekt, s", "torch, s", "ratio", "bound", "affekt, MiB", "torch, MiB", "ratio", "verdict"];
    let text = format!(
        "{} threads; {} starts of each program in turn, {} passes of each: median (min to max); peak memory of the \
         whole process\n\n{}\n{}",
        options.threads,
        options.rounds.unwrap_or(ROUNDS),
        options.repeat,
        table::render(&head, &rows),
        table::render(&["case", "output", "error"], &errors)
    );
    publish(root, "bench.md", &text)?;
    if missed > 0 {
        bail!("{missed} of {} cases miss a bound", timed.len());
    }
    Ok(())
}

/// Starts the programs in turn, so that what else the machine does falls on both alike.
fn in_turn(programs: &Programs, options: &Options, timed: &Timed) -> Result<(Taken, Taken, Vec<Compared>)> {
    let (reference, got) = (programs.output("torch"), programs.output("affekt"));
    let (mut torch, mut affekt) = (Taken::default(), Taken::default());
    let rounds = options.rounds.unwrap_or(ROUNDS);
    for round in 1..=rounds {
        println!("{}: round {round} of {rounds}", timed.case.name);
        // The first pass of a process warms up.
        let passes = options.repeat + 1;
        for (taken, measured) in [
            (&mut torch, programs.torch(&timed.case, "f32", passes, &reference)?),
            (&mut affekt, programs.affekt(&timed.case, "f32", passes, &got)?),
        ] {
            taken.seconds.extend(&measured.seconds[1..]);
            taken.memory = taken.memory.max(measured.memory);
        }
    }
    Ok((torch, affekt, programs.compare(&reference, &got)?))
}

struct Row {
    cells: Vec<String>,
    holds: bool,
}

impl Row {
    fn new(timed: &Timed, torch: &Taken, affekt: &Taken, groups: &[Compared]) -> Self {
        let time = median(&affekt.seconds) / median(&torch.seconds);
        let memory = affekt.memory / torch.memory;
        let faults: Vec<&str> = [
            (time > timed.bound, "too slow"),
            (memory > MEMORY_BOUND, "too large"),
            (!groups.iter().all(holds), "wrong"),
        ]
        .into_iter()
        .filter_map(|(at_fault, fault)| at_fault.then_some(fault))
        .collect();
        let verdict = if faults.is_empty() { "ok".to_owned() } else { faults.join(", ").to_uppercase() };
        let cells = vec![
            timed.case.name.clone(),
            spread(&affekt.seconds),
            spread(&torch.seconds),
            format!("{time:.2}"),
            format!("{:.2}", timed.bound),
            format!("{:.0}", affekt.memory),
            format!("{:.0}", torch.memory),
            format!("{memory:.2}"),
            verdict,
        ];
        Self { cells, holds: faults.is_empty() }
    }
}

/// Median (min to max).
pub fn spread(seconds: &[f64]) -> String {
    let least = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = seconds.iter().copied().fold(0.0, f64::max);
    format!("{:.3} ({least:.3} to {most:.3})", median(seconds))
}

pub fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_even_and_odd_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn every_missed_bound_is_named() {
        let timed = &cases::timed()[0];
        let torch = Taken { seconds: vec![1.0, 1.2], memory: 100.0 };
        let row = |seconds: f64, memory: f64, error| {
            let group =
                Compared { name: "r".to_owned(), tensors: 1, worst: "r".to_owned(), integers: false, error };
            let row = Row::new(timed, &torch, &Taken { seconds: vec![seconds], memory }, &[group]);
            (row.holds, row.cells.last().cloned().unwrap())
        };
        assert_eq!(row(1.0, 90.0, Some(1e-5)), (true, "ok".to_owned()));
        assert_eq!(row(1.2, 101.0, None), (false, "TOO SLOW, TOO LARGE, WRONG".to_owned()));
    }
}
