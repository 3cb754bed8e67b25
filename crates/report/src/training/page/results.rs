//! What the run reaches: figures first, then every metric of every flow on every split.

use super::{DASH, flow_class};
use crate::Metrics;
use crate::metrics::{Gap, Metric};
use crate::page::markup::Markup;
use crate::page::number::grouped;
use crate::page::{plot, section};
use crate::training::Training;

/// The split of the figures, in words.
fn split_name(split: &str) -> String {
    match split {
        "test" => "Test clips".into(),
        "valid" => "Validation clips".into(),
        "train" => "Training clips".into(),
        other => format!("Clips of {other}"),
    }
}

/// The figures that a reader looks for first, of the split that counts most.
pub fn figures(page: &mut Markup, training: &Training) {
    let Some(split) = training.judged_splits().first().copied() else {
        return page.tag("p").class("note").text("No split was judged.");
    };
    let flows = flows_of(training, split);
    page.tag("ul").class("headlines").with(|page| {
        for (index, flow, metrics) in &flows {
            page.tag("li").class(flow_class(*index)).with(|page| {
                page.tag("p").class("flow-name").with(|page| {
                    plot::key(page, &flow_class(*index), 12, |page| {
                        plot::rect(page, "fill", (0, 0.0), (12, 12.0));
                    });
                    page.tag("bdi").text(flow);
                });
                page.tag("p").with(|page| {
                    page.tag("strong").class("number").text(Metric::Mae.shown(metrics.mae));
                    page.text(" MAE");
                });
                for metric in [Metric::Acc2Has0, Metric::Acc2Non0, Metric::Corr] {
                    let value =
                        metric.of(metrics).map_or_else(|| "undefined".into(), |value| metric.shown(value));
                    page.tag("p").class("line").with(|page| {
                        page.tag("span").class("number").text(value);
                        page.text(format_args!(" {}", metric.title()));
                    });
                }
            });
        }
    });
    if let [(_, first, of_first), (_, second, of_second)] = &flows[..] {
        let gap = Gap::between(of_first, of_second);
        let non0 = gap.acc2_non0.map_or_else(|| DASH.into(), |gap| Metric::Acc2Non0.shown(gap));
        page.tag("p").class("note gap").text(format_args!(
            "{}, {}. Gap between {first} and {second}: MAE {}, Acc-2 (has0) {}, Acc-2 (non0) {non0}.",
            split_name(split),
            grouped(of_first.samples),
            Metric::Mae.shown(gap.mae),
            Metric::Acc2Has0.shown(gap.acc2_has0),
        ));
    } else {
        let samples = flows.first().map_or(0, |(_, _, metrics)| metrics.samples);
        page.tag("p").class("note gap").text(format_args!("{}, {}.", split_name(split), grouped(samples)));
    }
}

/// All metrics of all splits.
pub fn tables(page: &mut Markup, training: &Training) {
    let splits = training.judged_splits();
    if splits.is_empty() {
        return;
    }
    section(page, "Metrics", |page| {
        let chosen = &training.chosen;
        page.tag("p").class("note").text(format_args!(
            "{}, kept by the rule \u{201c}{}\u{201d}. Predictions are unclipped for MAE and Corr. \
             Acc-2 and F1 stand here by both definitions: has0 tells negative from non-negative and uses all samples; non0 tells \
             negative from positive and leaves labels of exactly 0 out.",
            match (chosen.epoch, chosen.phase.as_str()) {
                // Weights that do not say.
                (0, _) => "Of parameters of an unknown epoch".to_owned(),
                (epoch, "") => format!("Of the parameters of epoch {epoch}"),
                (epoch, phase) => format!("Of the parameters of epoch {epoch} of phase {phase}"),
            },
            chosen.rule
        ));
        for (index, split) in splits.iter().enumerate() {
            if index > 0 {
                page.tag("h4").class("split").text(split_name(split));
            } else {
                page.tag("h4").text(split_name(split));
            }
            table(page, training, split);
        }
    });
}

fn flows_of<'a>(training: &'a Training, split: &str) -> Vec<(usize, &'a str, &'a Metrics)> {
    let known = training.flows.iter().enumerate();
    known
        .filter_map(|(index, flow)| Some((index, flow.as_str(), &training.outcome(split, flow)?.metrics)))
        .collect()
}

fn table(page: &mut Markup, training: &Training, split: &str) {
    let flows = flows_of(training, split);
    // Gaps are those to the first flow, which has everything.
    let gaps = if flows.len() < 4 { flows.len().saturating_sub(1) } else { 0 };
    page.tag("table").class("metrics results").with(|page| {
        page.tag("caption").class("hidden").text(format_args!("Metrics: {}", split_name(split)));
        page.tag("thead").with(|page| {
            page.tag("tr").with(|page| {
                page.tag("th").set("scope", "col").text("Metric");
                for (_, flow, _) in &flows {
                    page.tag("th")
                        .set("scope", "col")
                        .class("number")
                        .with(|page| page.tag("bdi").text(flow));
                }
                for (_, flow, _) in flows.iter().skip(1).take(gaps) {
                    let head = if gaps == 1 { "gap".into() } else { format!("gap to {flow}") };
                    page.tag("th").set("scope", "col").class("number").text(head);
                }
                page.tag("th").set("scope", "col").class("number").text("samples");
            });
        });
        page.tag("tbody").with(|page| {
            for metric in Metric::ALL {
                page.tag("tr").with(|page| row(page, metric, &flows, gaps));
            }
        });
    });
}

fn row(page: &mut Markup, metric: Metric, flows: &[(usize, &str, &Metrics)], gaps: usize) {
    page.tag("th").set("scope", "row").text(metric.title());
    for (_, _, metrics) in flows {
        let value = metric.of(metrics);
        let class = if value.is_some() { "number" } else { "undefined" };
        let reason = || format!("undefined: {}", metric.undefined().unwrap_or("no value"));
        page.tag("td").class(class).text(value.map_or_else(reason, |value| metric.shown(value)));
    }
    for (_, _, metrics) in flows.iter().skip(1).take(gaps) {
        let gap = Gap::between(flows[0].2, metrics);
        let value = match metric {
            Metric::Mae => Some(gap.mae),
            Metric::Acc2Has0 => Some(gap.acc2_has0),
            Metric::Acc2Non0 => gap.acc2_non0,
            _ => None,
        };
        page.tag("td").class("number").text(value.map_or_else(|| DASH.into(), |gap| metric.shown(gap)));
    }
    let samples = flows.first().map_or(0, |(_, _, metrics)| metric.samples(metrics));
    page.tag("td").class("number").text(grouped(samples));
}
