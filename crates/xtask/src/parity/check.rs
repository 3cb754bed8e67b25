//! The outputs of every network at full size against PyTorch's.

use std::path::Path;

use anyhow::{Result, bail};

use super::cases::{self, Case, ERROR_AIM, ERROR_BOUND};
use super::options::Options;
use super::programs::{Compared, Programs, publish};
use super::table;

/// `cargo xtask check-parity`.
pub fn run(root: &Path, flags: &[&str]) -> Result<()> {
    let options = Options::parse(flags, &["--network", "--dtype", "--threads"])?;
    let halves = options.dtype != "f32";
    let cases = cases::checked();
    let wanted = |case: &&Case| options.wants(case.network) && (case.in_halves || !halves);
    let cases: Vec<&Case> = cases.iter().filter(wanted).collect();
    if cases.is_empty() {
        bail!("none of these networks has a case in {}", options.dtype);
    }
    let programs = Programs::prepare(root, &options, &cases)?;
    if halves { in_halves(root, &options, &programs, &cases) } else { in_full(root, &programs, &cases) }
}

/// Every output group of every case, each with its verdict.
fn in_full(root: &Path, programs: &Programs, cases: &[&Case]) -> Result<()> {
    let (mut rows, mut failed) = (Vec::new(), 0);
    for case in cases {
        println!("{}", case.name);
        let (reference, got) = (programs.output("torch"), programs.output("affekt"));
        programs.torch(case, "f32", 1, &reference)?;
        let compared = programs.affekt(case, "f32", 1, &got).and_then(|_| programs.compare(&reference, &got));
        match compared {
            Ok(groups) => {
                for group in groups {
                    failed += usize::from(!holds(&group));
                    rows.push(row(case, &group));
                }
            }
            Err(error) => {
                failed += 1;
                println!("  {error:#}");
                rows.push([case.name.as_str(), "", "", "", "", "FAILED"].map(str::to_owned).to_vec());
            }
        }
    }
    let head = ["case", "output", "tensors", "error", "worst", "verdict"];
    publish(root, "check.md", &table::render(&head, &rows))?;
    if failed > 0 {
        bail!("{failed} outputs are further than {ERROR_BOUND:.0e} from PyTorch's");
    }
    println!("every output is within {ERROR_BOUND:.0e} of PyTorch's");
    Ok(())
}

/// Whether a group is near enough.
pub fn holds(group: &Compared) -> bool {
    group.error.is_some_and(|error| error <= ERROR_BOUND)
}

fn row(case: &Case, group: &Compared) -> Vec<String> {
    let verdict = match group.error {
        Some(error) if error <= ERROR_AIM => "ok",
        Some(error) if error <= ERROR_BOUND => "within the bound",
        _ => "FAILED",
    };
    let worst = if group.tensors > 1 { group.worst.clone() } else { String::new() };
    vec![
        case.name.clone(),
        group.name.clone(),
        group.tensors.to_string(),
        table::error(group.error, group.integers),
        worst,
        verdict.to_owned(),
    ]
}

/// How far affekt in half precision is from PyTorch in f32, beside PyTorch in the same type. There is no bound.
fn in_halves(root: &Path, options: &Options, programs: &Programs, cases: &[&Case]) -> Result<()> {
    let dtype = options.dtype.as_str();
    let mut rows = Vec::new();
    for case in cases {
        println!("{}", case.name);
        let [reference, torch, affekt] =
            ["torch", "torch-halves", "affekt"].map(|name| programs.output(name));
        programs.torch(case, "f32", 1, &reference)?;
        programs.torch(case, dtype, 1, &torch)?;
        let theirs = programs.compare(&reference, &torch)?;
        let ours =
            programs.affekt(case, dtype, 1, &affekt).and_then(|_| programs.compare(&reference, &affekt));
        if let Err(error) = &ours {
            println!("  {error:#}");
        }
        for (at, their) in theirs.iter().enumerate() {
            let our = ours.as_ref().ok().map(|ours| table::error(ours[at].error, false));
            let cells = [&case.name, &their.name, &our.unwrap_or_else(|| "refused".to_owned())];
            rows.push(cells.into_iter().cloned().chain([table::error(their.error, false)]).collect());
        }
    }
    let (ours, theirs) = (format!("affekt {dtype}"), format!("torch {dtype}"));
    publish(root, &format!("check-{dtype}.md"), &table::render(&["case", "output", &ours, &theirs], &rows))
}
