//! Validation of every run by epoch: a small plot a row, its seeds over each other, all on one scale.

use crate::page::markup::Markup;
use crate::page::number::counted;
use crate::page::section;
use crate::training::comparison::{Comparison, Row};
use crate::training::page::chart::{self, Axis, Line};
use crate::training::page::scale::Scale;
use crate::training::page::{flow_class, legend_flows};

/// The section; none without a validated epoch.
pub fn write(page: &mut Markup, table: &Comparison) {
    let values =
        table.rows.iter().flat_map(|row| &row.curves).flat_map(|run| run.flows.iter().flatten().flatten());
    let values: Vec<f64> = values.copied().collect();
    let epochs = table.rows.iter().flat_map(|row| &row.curves).flat_map(|run| &run.flows).map(Vec::len).max();
    if values.is_empty() {
        return;
    }
    let (scale, axis) = (Scale::of(values, 4), Axis::counted(epochs.unwrap_or(0)));
    section(page, "Validation MAE by epoch", |page| {
        page.tag("p").class("note").text("Every run as a line, all rows on one scale.");
        legend_flows(page, &table.flows, true);
        page.tag("div").class("panels").with(|page| {
            for row in &table.rows {
                page.tag("div").class("panel").with(|page| panel(page, table, row, &axis, &scale));
            }
        });
    });
}

fn panel(page: &mut Markup, table: &Comparison, row: &Row, axis: &Axis, scale: &Scale) {
    page.tag("h4").class("panel-name").with(|page| {
        page.tag("bdi").text(&row.name);
        page.tag("span").class("number").text(counted(row.runs.len(), "run", "runs"));
    });
    let mut lines = Vec::new();
    let mut told = Vec::new();
    for (index, flow) in table.flows.iter().enumerate() {
        let mut least = f64::INFINITY;
        for (run, member) in row.curves.iter().zip(&row.runs) {
            let Some(values) = run.flows.get(index).filter(|values| values.iter().any(Option::is_some))
            else {
                continue;
            };
            least = values.iter().flatten().copied().fold(least, f64::min);
            let name = format!("{flow}, seed {}", member.seed);
            lines.push(Line { class: format!("{} thin", flow_class(index)), name, values: values.clone() });
        }
        told.extend(least.is_finite().then(|| format!("lowest of {flow} {least:.4}")));
    }
    if lines.is_empty() {
        return page.tag("p").class("note").text("There is no validation split.");
    }
    let title = format!("Validation MAE of {} by epoch: {}", row.name, told.join(", "));
    chart::write(page, &title, (130.0, 6), axis, scale, &lines);
}
