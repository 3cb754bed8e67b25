//! How training went: validation by flow, the rate, every loss term, the epochs as a table.

use super::chart::{self, Axis, Line, figure};
use super::scale::Scale;
use super::{flow_class, legend_flows};
use crate::page::markup::Markup;
use crate::page::{facts_list, head, section};
use crate::training::Training;

/// Epochs that the page lists; `epochs.csv` has all.
const MOST_EPOCHS: usize = 200;

/// The sections.
pub fn write(page: &mut Markup, training: &Training) {
    if training.epochs.is_empty() {
        return section(page, "Training", |page| {
            page.tag("p").class("note").text("There was no epoch: the parameters are as they were given.");
        });
    }
    let axis = Axis::of(training);
    section(page, "Validation", |page| validation(page, training, &axis));
    section(page, "Losses on the training clips", |page| losses(page, training, &axis));
}

fn validation(page: &mut Markup, training: &Training, axis: &Axis) {
    let chosen = &training.chosen;
    let seen = chosen.value.map_or_else(String::new, |value| format!(" ({})", figure(value)));
    let kept = axis.chosen.map_or_else(|| format!("epoch {}", chosen.epoch), |index| axis.name(index));
    page.tag("p").class("note").text(format_args!(
        "Kept: {kept}, by the rule \u{201c}{}\u{201d}{seen}; the upright line marks it.",
        chosen.rule
    ));
    let lines: Vec<Line> = training
        .flows
        .iter()
        .enumerate()
        .map(|(index, flow)| Line {
            class: flow_class(index),
            name: flow.clone(),
            values: training.epochs.iter().map(|epoch| epoch.validated(flow).map(|m| m.mae)).collect(),
        })
        .filter(|line| line.values.iter().any(Option::is_some))
        .collect();
    if lines.is_empty() {
        page.tag("p").class("note").text("There is no validation split, so no epoch was judged on its own.");
    } else {
        page.tag("h4").text("MAE (mean absolute error) by epoch");
        legend_flows(page, &training.flows, true);
        let scale = Scale::of(lines.iter().flat_map(|line| &line.values).flatten().copied(), 5);
        let told: Vec<String> = lines.iter().map(|line| lowest(line, axis)).collect();
        let title = format!("Validation MAE by epoch. {}", told.join("; "));
        chart::write(page, &title, (220.0, 12), axis, &scale, &lines);
        page.tag("div").class("verbatim").with(|page| {
            facts_list(page, lines.iter().map(|line| (line.name.as_str(), lowest_value(line, axis))));
        });
    }
    page.tag("h4").text("Learning rate by epoch");
    let rates = single("rate", training.epochs.iter().map(|epoch| Some(epoch.rate)));
    let scale = Scale::of(rates.values.iter().flatten().copied().chain([0.0]), 2);
    chart::write(
        page,
        &format!("Learning rate by epoch. {}", ends(&rates)),
        (80.0, 12),
        axis,
        &scale,
        &[rates],
    );
}

fn losses(page: &mut Markup, training: &Training, axis: &Axis) {
    page.tag("p").class("note").text(
        "Mean over the batches of each epoch: the terms before weights, and their weighted sum, total. Each on a scale of its own; the last value stands beside \
         the name.",
    );
    let mut panels: Vec<Line> = training
        .terms()
        .into_iter()
        .map(|term| single(term, training.epochs.iter().map(|epoch| epoch.loss(term))))
        .collect();
    if training.epochs.iter().any(|epoch| epoch.gradient_norm.is_some()) {
        let norms = training.epochs.iter().map(|epoch| epoch.gradient_norm);
        panels.push(single("largest norm of the gradient", norms));
    }
    page.tag("div").class("panels").with(|page| {
        for line in &panels {
            page.tag("div").class("panel").with(|page| panel(page, line, axis));
        }
    });
    page.tag("details").with(|page| {
        page.tag("summary").text("Every epoch as a table");
        page.tag("div").class("scroll wide").set("tabindex", 0).with(|page| table(page, training, &panels));
    });
}

fn panel(page: &mut Markup, line: &Line, axis: &Axis) {
    page.tag("h4").class("panel-name").with(|page| {
        page.tag("bdi").class("code").text(&line.name);
        let last = line.values.iter().flatten().next_back();
        page.tag("span").class("number").text(last.map_or_else(String::new, |last| figure(*last)));
    });
    let broken = line.values.iter().flatten().filter(|value| !value.is_finite()).count();
    if broken > 0 {
        page.tag("p").class("note").text(format_args!("Not finite in {broken} of the epochs."));
    }
    let scale = Scale::of(line.values.iter().flatten().copied(), 3);
    let title = format!("{} by epoch. {}", line.name, ends(line));
    chart::write(page, &title, (96.0, 6), axis, &scale, std::slice::from_ref(line));
}

fn single(name: &str, values: impl Iterator<Item = Option<f64>>) -> Line {
    Line { class: "only".into(), name: name.into(), values: values.collect() }
}

/// `From 1.2 to 0.4`.
fn ends(line: &Line) -> String {
    let mut values = line.values.iter().flatten();
    match (values.next(), values.next_back()) {
        (Some(first), Some(last)) => format!("From {} to {}", figure(*first), figure(*last)),
        (Some(only), None) => format!("It is {}", figure(*only)),
        _ => "There are no values".into(),
    }
}

fn lowest(line: &Line, axis: &Axis) -> String {
    format!("{}: {}", line.name, lowest_value(line, axis))
}

fn lowest_value(line: &Line, axis: &Axis) -> String {
    let values = line.values.iter().enumerate().filter_map(|(index, value)| Some((index, (*value)?)));
    let Some((at, least)) = values.min_by(|a, b| a.1.total_cmp(&b.1)) else { return "no values".into() };
    let kept = axis.chosen.and_then(|chosen| line.values.get(chosen).copied().flatten());
    let kept = kept.map_or_else(String::new, |kept| format!("; {kept:.4} in the epoch that was kept"));
    format!("lowest {least:.4} in {}{kept}", axis.name(at))
}

fn table(page: &mut Markup, training: &Training, panels: &[Line]) {
    let rates = ["Phase", "Epoch", "Rate"].map(str::to_owned);
    let terms = panels.iter().map(|line| line.name.clone());
    let flows: Vec<&String> = training.flows.iter().collect();
    let valid = flows.iter().map(|flow| format!("validation MAE, {flow}"));
    let heads: Vec<String> = rates.into_iter().chain(terms).chain(valid).collect();
    page.tag("table").class("epochs").with(|page| {
        head(page, "plain", &heads.iter().map(String::as_str).collect::<Vec<_>>());
        page.tag("tbody").with(|page| {
            for (index, epoch) in training.epochs.iter().enumerate().take(MOST_EPOCHS) {
                page.tag("tr").with(|page| {
                    page.tag("td").with(|page| page.tag("bdi").text(&epoch.phase));
                    let terms = panels.iter().map(|line| line.values[index]);
                    let valid = flows.iter().map(|flow| epoch.validated(flow).map(|m| m.mae));
                    page.tag("td").class("number").text(epoch.epoch);
                    for value in [Some(epoch.rate)].into_iter().chain(terms).chain(valid) {
                        let text = value.map_or_else(|| "\u{2013}".into(), figure);
                        page.tag("td").class("number").text(text);
                    }
                });
            }
        });
    });
    if training.epochs.len() > MOST_EPOCHS {
        page.tag("p").class("note more").text(format_args!(
            "The first {MOST_EPOCHS} of {} epochs; epochs.csv lists all.",
            training.epochs.len()
        ));
    }
}
