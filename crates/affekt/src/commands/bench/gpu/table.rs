//! What `bench gpu` tells people: Markdown, readable on a terminal and in the book.

use affekt_pipelines::bench::gpu::limits::Limit;
use affekt_pipelines::bench::gpu::report::{Agreement, Goal, Report, Row, describe};
use affekt_pipelines::bench::gpu::{Limits, Scale};

/// All tables.
pub fn text(report: &Report) -> String {
    let mut lines = head(report);
    let cells: Vec<Vec<String>> = report.rows.iter().map(row).collect();
    lines.push(table(
        &[
            "stage",
            "type",
            "batch",
            "ms",
            "1/s",
            "torch 1/s",
            "torch's best",
            "ratio",
            "floor, ms",
            "of floor",
            "limit",
        ],
        &cells,
    ));
    let mut missing: Vec<String> = Vec::new();
    for row in &report.rows {
        let told = row.missing.as_ref().map(|reason| format!("No PyTorch for {}: {reason}", row.stage));
        missing.extend(told.filter(|told| !missing.contains(told)));
    }
    lines.extend(missing);
    let full = report.rows.iter().filter_map(|row| Some((row, row.failed.as_ref()?)));
    lines.extend(full.map(|(row, reason)| {
        format!("{} in {}, batch {}, was not measured: {reason}", row.stage, row.dtype, row.batch)
    }));
    if !report.agreements.is_empty() {
        let cells: Vec<Vec<String>> = report.agreements.iter().map(agreement).collect();
        lines.push(
            "Both programs had the same weights and inputs; their outputs differ by (root mean square):\n"
                .into(),
        );
        lines.push(table(&["stage", "type", "difference", "at most", "tokens alike", "verdict"], &cells));
    }
    if !report.goals.is_empty() {
        let cells: Vec<Vec<String>> = report.goals.iter().map(goal).collect();
        lines.push(table(&["goal", "wanted", "found", "verdict"], &cells));
    }
    lines.join("\n") + "\n"
}

fn head(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    match &report.card {
        Some(card) => lines.push(describe(card)),
        None => lines.push("NOT A MEASUREMENT OF A GPU: this ran on the CPU".into()),
    }
    if report.scale == Scale::Tiny {
        lines.push("Tiny networks: these numbers say nothing of speed, only that the command works".into());
    }
    let Limits { tflops, tb_per_s, stated, measured_tflops, measured_f32_tflops, measured_tb_per_s } =
        report.limits;
    let origin = if stated { "the cost model's" } else { "as measured" };
    lines.push(format!(
        "Limits of the floors, {origin}: {tflops:.3} TFLOP/s, {tb_per_s:.3} TB/s. Measured in this run: a large product \
         {measured_tflops:.3} TFLOP/s in bf16, {measured_f32_tflops:.3} in f32 (by which steps of training are held); a \
         large copy {measured_tb_per_s:.3} TB/s"
    ));
    let rounding = if report.tf32 { "on, in both programs" } else { "off" };
    lines.push(format!(
        "Medians of up to {} runs; {} cores; TF32 {rounding}\n",
        report.runs, report.machine.cores
    ));
    lines
}

fn row(row: &Row) -> Vec<String> {
    let rate = |rate: f64| if rate >= 100.0 { format!("{rate:.0}") } else { format!("{rate:.2}") };
    let none = || "-".to_owned();
    vec![
        format!("{}: {}", row.stage, row.case),
        row.dtype.into(),
        row.batch.to_string(),
        row.seconds.map_or_else(|| "does not fit".to_owned(), |seconds| format!("{:.3}", 1e3 * seconds)),
        row.per_s.map_or_else(none, rate),
        row.torch_per_s.map_or_else(none, rate),
        row.torch_best.map_or_else(none, |(batch, best)| format!("{} at {batch}", rate(best))),
        row.to_torch.map_or_else(none, |ratio| format!("{ratio:.2}")),
        format!("{:.3}", 1e3 * row.floor_s),
        row.of_floor.map_or_else(none, |share| format!("{share:.2}")),
        match row.limit {
            Limit::Arithmetic => "arithmetic".into(),
            Limit::Memory => "memory".into(),
        },
    ]
}

fn agreement(found: &Agreement) -> Vec<String> {
    vec![
        found.stage.into(),
        found.dtype.clone(),
        found.difference.map_or_else(|| "-".to_owned(), |difference| format!("{difference:.1e}")),
        format!("{:.1e}", found.at_most),
        found.tokens.map_or_else(|| "-".to_owned(), |(same, of)| format!("{same} of {of}")),
        match (found.same, found.difference) {
            (true, _) => "the same network".into(),
            (false, Some(_)) => "OTHER NETWORKS".into(),
            (false, None) => "NO SAMPLE of PyTorch".into(),
        },
    ]
}

fn goal(goal: &Goal) -> Vec<String> {
    let bound = if goal.at_most { "at most" } else { "at least" };
    vec![
        goal.what.clone(),
        format!("{bound} {}", goal.wanted),
        goal.found.map_or_else(|| "-".to_owned(), |found| format!("{found:.2}")),
        match goal.met {
            Some(true) => "met".into(),
            Some(false) => "MISSED".into(),
            None => "not measured".into(),
        },
    ]
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let mut text = line(head) + &line(&rule.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        text += &line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_what_is_missing_is_a_dash() {
        let row = Row {
            stage: "wavlm",
            case: "8 s".into(),
            dtype: "bf16",
            batch: 8,
            seconds: Some(0.0125),
            failed: None,
            runs: vec![0.0125],
            per_s: Some(640.0),
            torch_per_s: None,
            torch_best: Some((32, 512.5)),
            to_torch: Some(1.25),
            floor_s: 0.003,
            of_floor: Some(0.24),
            limit: Limit::Arithmetic,
            missing: None,
        };
        let cells = super::row(&row);
        assert_eq!(cells[3..8], ["12.500", "640", "-", "512 at 32", "1.25"].map(str::to_owned));
        let full = Row { seconds: None, per_s: None, of_floor: None, ..row };
        assert_eq!(super::row(&full)[3..5], ["does not fit", "-"].map(str::to_owned));
        let text = table(&["a", "long"], &[vec!["wide cell".into(), "1".into()]]);
        assert_eq!(text, "| a         | long |\n| --------- | ---- |\n| wide cell | 1    |\n");
    }
}
