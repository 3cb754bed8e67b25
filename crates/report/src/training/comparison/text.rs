//! The table of runs for a terminal: as many columns side by side as fit, the others below.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::{Comparison, Measured, Row};
use crate::metrics::{Metric, Paired, Spread};
use crate::table::on_one_line;

/// Between two columns.
const GAP: &str = "  ";
/// Where there is nothing to tell.
const NONE: &str = "-";
/// Metrics that are tested in this table; the other formats test all.
const TESTED: [Metric; 3] = [Metric::Mae, Metric::Acc2Has0, Metric::Acc2Non0];

/// A column: its heading, and an entry a row.
struct Column {
    heading: String,
    cells: Vec<String>,
}

impl Column {
    fn width(&self) -> usize {
        self.cells.iter().map(|cell| cell.width()).max().unwrap_or(0).max(self.heading.width())
    }
}

impl Comparison {
    /// The table, at most `width` columns wide where the names of the rows leave room, ending in a line break: for each flow
    /// every metric with its deviation, then gaps and tests.
    pub fn to_text(&self, width: usize) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out, width);
        out
    }

    fn write(&self, out: &mut String, width: usize) -> std::fmt::Result {
        for warning in &self.warnings {
            writeln!(out, "warning: {}", on_one_line(warning))?;
        }
        let names = Column {
            heading: "run".into(),
            cells: self.rows.iter().map(|row| on_one_line(&row.name)).collect(),
        };
        for flow in &self.flows {
            let samples = self.rows.iter().find_map(|row| row.result(flow));
            let samples = samples.map_or_else(String::new, |result| {
                let (all, non0) = (result.samples, result.non0_samples);
                format!(", {all} samples ({non0} for non0)")
            });
            writeln!(out, "{} on {}{samples}", on_one_line(flow), on_one_line(&self.split))?;
            table(out, &names, &self.columns(flow), width)?;
            writeln!(out)?;
        }
        if self.rows.iter().any(|row| !row.gaps.is_empty()) {
            writeln!(out, "gap to {}", on_one_line(self.flows.first().map_or(NONE, String::as_str)))?;
            table(out, &names, &self.gaps(), width)?;
            writeln!(out)?;
        }
        if self.rows.iter().skip(1).any(|row| !row.against_first.is_empty()) {
            writeln!(
                out,
                "less {}: mean difference over common seeds; p of the paired t-test, of Wilcoxon's",
                names.cells[0]
            )?;
            let names = Column { heading: "run".into(), cells: names.cells[1..].to_vec() };
            table(out, &names, &self.tests(), width)?;
            writeln!(out)?;
        }
        self.rules(out)
    }

    fn columns(&self, flow: &str) -> Vec<Column> {
        let column = |heading: &str, cell: &dyn Fn(&Row) -> String| Column {
            heading: heading.into(),
            cells: self.rows.iter().map(cell).collect(),
        };
        let mut columns = vec![column("seeds", &|row| row.runs.len().to_string())];
        for metric in Metric::ALL {
            let cell = |row: &Row| {
                let measured = row.result(flow).and_then(|result| result.measured(metric));
                measured.map_or_else(|| NONE.into(), cell)
            };
            columns.push(column(short(metric), &cell));
        }
        if self.rows.iter().any(|row| row.published(flow).is_some()) {
            let mae = |row: &Row| row.published(flow).and_then(|published| published.mae);
            let acc2 = |row: &Row| row.published(flow).and_then(|published| published.acc2);
            let shown =
                |metric: Metric, value: Option<f64>| value.map_or_else(|| NONE.into(), |v| metric.shown(v));
            columns.push(column("published MAE", &|row| shown(Metric::Mae, mae(row))));
            columns.push(column("published Acc-2", &|row| shown(Metric::Acc2Non0, acc2(row))));
        }
        columns
    }

    fn gaps(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        let several = self.flows.len() > 2;
        for flow in self.flows.iter().skip(1) {
            let cells = |metric: Metric, of: fn(&super::Gaps) -> Spread| {
                let gap = |row: &Row| row.gaps.iter().find(|gaps| gaps.flow == *flow).map(of);
                let cell = |row: &Row| gap(row).map_or_else(|| NONE.into(), |gap| spread(metric, &gap));
                let name = on_one_line(flow);
                let heading =
                    if several { format!("{name} {}", short(metric)) } else { short(metric).into() };
                Column { heading, cells: self.rows.iter().map(cell).collect() }
            };
            columns.push(cells(Metric::Mae, |gaps| gaps.mae));
            columns.push(cells(Metric::Acc2Has0, |gaps| gaps.acc2_has0));
            columns.push(cells(Metric::Acc2Non0, |gaps| gaps.acc2_non0));
        }
        columns
    }

    fn tests(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        for flow in &self.flows {
            for metric in TESTED {
                let cell = |row: &Row| {
                    row.against(flow, metric).map_or_else(|| NONE.into(), |test| tested(metric, test))
                };
                let heading = format!("{} {}", on_one_line(flow), short(metric));
                columns.push(Column { heading, cells: self.rows.iter().skip(1).map(cell).collect() });
            }
        }
        columns
    }

    /// The rules of the choice, once each.
    fn rules(&self, out: &mut String) -> std::fmt::Result {
        let mut told: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !told.contains(&row.rule.as_str()) {
                told.push(&row.rule);
                writeln!(out, "chosen by: {}", on_one_line(&row.rule))?;
            }
        }
        Ok(())
    }
}

/// Names of the columns: they tell the two definitions apart.
fn short(metric: Metric) -> &'static str {
    match metric {
        Metric::Mae => "MAE",
        Metric::Corr => "Corr",
        Metric::Acc7 => "Acc-7",
        Metric::Acc5 => "Acc-5",
        Metric::Acc2Has0 => "Acc-2 has0",
        Metric::F1Has0 => "F1 has0",
        Metric::Acc2Non0 => "Acc-2 non0",
        Metric::F1Non0 => "F1 non0",
    }
}

fn cell(measured: &Measured) -> String {
    spread(measured.metric, &measured.spread)
}

/// `0.5060 ± 0.0012`; the mean alone for a single value.
fn spread(metric: Metric, spread: &Spread) -> String {
    match (spread.mean, spread.sd) {
        (None, _) => "undefined".into(),
        (Some(mean), None) => metric.shown(mean),
        (Some(mean), Some(sd)) => format!("{} \u{b1} {}", metric.shown(mean), metric.shown(sd)),
    }
}

/// `-0.0123, p 0.0120, 0.0625`.
fn tested(metric: Metric, test: &Paired) -> String {
    let Some(difference) = test.mean_difference else { return "no common seed".into() };
    let difference = format!("{}{}", if difference < 0.0 { "" } else { "+" }, metric.shown(difference));
    let p = |p: Option<f64>| p.map_or_else(|| NONE.into(), |p| format!("{p:.4}"));
    match (test.t_test.map(|test| test.p), test.wilcoxon.map(|test| test.p)) {
        (None, None) => difference,
        (t, w) => format!("{difference}, p {}, {}", p(t), p(w)),
    }
}

/// Names and columns; those that do not fit in `width` stand below, with the names again.
fn table(out: &mut String, names: &Column, columns: &[Column], width: usize) -> std::fmt::Result {
    let room = names.width();
    let mut rest = columns;
    while !rest.is_empty() {
        let mut used = room;
        let fitting = rest.iter().take_while(|column| {
            used += GAP.len() + column.width();
            used <= width
        });
        let (now, later) = rest.split_at(fitting.count().max(1));
        line(out, &names.heading, room, now.iter().map(|column| (column.heading.as_str(), column.width())))?;
        for (at, name) in names.cells.iter().enumerate() {
            line(out, name, room, now.iter().map(|column| (column.cells[at].as_str(), column.width())))?;
        }
        rest = later;
    }
    Ok(())
}

fn line<'a>(
    out: &mut String,
    name: &str,
    room: usize,
    cells: impl Iterator<Item = (&'a str, usize)>,
) -> std::fmt::Result {
    let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(text.width()));
    write!(out, "{name}{}", pad(name, room))?;
    for (cell, width) in cells {
        write!(out, "{GAP}{}{cell}", pad(cell, width))?;
    }
    writeln!(out)
}
