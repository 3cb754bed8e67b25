//! `affekt check`: every network on a device against its reference tensors.

use std::process::ExitCode;

use affekt_pipelines::bench::Machine;
use affekt_pipelines::check::{self, Part, Plan, Row};
use affekt_pipelines::{Error, device};
use affekt_report::Failure;
use candle_core::DType;
use serde::Serialize;

use crate::cli::{self, Global};
use crate::commands::batch::{Refusal, refusal};
use crate::output;

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    machine: Machine,
    /// Whether products of f32 on cards might round their factors to TF32.
    tf32: bool,
    failed: usize,
    rows: Vec<Row>,
}

/// Runs the command: exit 0 where everything holds, 1 where something does not.
pub fn run(flags: &cli::Check, global: &Global) -> ExitCode {
    let report = match checked(flags, global) {
        Ok(report) => report,
        Err(error) => {
            output::failure(&Failure::new("check", &*error), global.json);
            return ExitCode::FAILURE;
        }
    };
    if global.json {
        output::json(&report);
    } else {
        let Report { machine, tf32, failed, rows } = &report;
        let place = format!("{}, TF32 {}", machine.device, if *tf32 { "on" } else { "off" });
        let verdict = match failed {
            0 => format!("all {} checks hold on {place}\n", rows.len()),
            failed => format!("{failed} of {} checks FAILED on {place}\n", rows.len()),
        };
        output::data(&verdict);
    }
    let saved = output::saved(flags.save.as_deref(), &report);
    if report.failed == 0 && saved { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn checked(flags: &cli::Check, global: &Global) -> Result<Report, Refusal> {
    let device = device::named(&flags.device).map_err(refusal)?;
    let types: Vec<DType> = flags.dtype.iter().map(|dtype| dtype.candle()).collect();
    let tf32 = device::allows_tf32();
    if tf32 && !device.is_cpu() && types.contains(&DType::F32) {
        let reason = "what f32 is held to are exact products, which TF32 rounds; check without it (the part wide tells what it \
                      costs), or only other types with --dtype f16,bf16";
        return Err(refusal(Error::Setting { name: "--tf32 or AFFEKT_TF32".into(), reason: reason.into() }));
    }
    let parts = if flags.only.is_empty() { Part::ALL.to_vec() } else { flags.only.clone() };
    let plan = Plan { goldens: &flags.goldens, device: &device, types: &types, parts: &parts };
    if !global.json {
        output::data(&head());
    }
    let mut tell = |row: &Row| {
        if !global.json {
            output::data(&line(row));
        }
    };
    let rows = check::run(&plan, &mut tell).map_err(refusal)?;
    let failed = rows.iter().filter(|row| !row.ok).count();
    Ok(Report { machine: Machine::this(&device, "golden and seeded weights"), tf32, failed, rows })
}

/// A Markdown table: readable on a terminal, and in the book.
fn head() -> String {
    "| part     | type | error   | at most | verdict | case, and where the error is largest |\n\
     | -------- | ---- | ------- | ------- | ------- | --- |\n"
        .into()
}

fn line(row: &Row) -> String {
    let number = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{x:.1e}"));
    let verdict = match (row.ok, row.tolerance) {
        (false, _) => "FAILED",
        (true, None) => "told",
        (true, Some(_)) => "ok",
    };
    let at = if row.at.is_empty() { String::new() } else { format!(" ({})", row.at) };
    let (error, most) = (number(row.error), number(row.tolerance));
    format!(
        "| {:<8} | {:<4} | {error:<7} | {most:<7} | {verdict:<7} | {}{at} |\n",
        row.part, row.dtype, row.case
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_promised_and_what_was_found() {
        let row = Row {
            part: "wavlm",
            case: "every layer".into(),
            dtype: "bf16",
            error: Some(0.0123),
            at: "layer 3".into(),
            tolerance: Some(0.4),
            ok: true,
        };
        assert!(
            line(&row).contains("| 1.2e-2  | 4.0e-1  | ok      | every layer (layer 3) |"),
            "{}",
            line(&row)
        );
        let failed = Row { ok: false, error: None, ..row.clone() };
        assert!(line(&failed).contains("| -       | 4.0e-1  | FAILED  |"));
        let told = Row { tolerance: None, ..row };
        assert!(line(&told).contains("| -       | told    |"));
    }
}
