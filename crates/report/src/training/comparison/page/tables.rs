//! Every metric by row and flow, gaps, tests.

use crate::metrics::{Metric, Paired, Spread};
use crate::page::markup::Markup;
use crate::page::number::grouped;
use crate::page::{head, section};
use crate::training::comparison::{Comparison, Published, Row};

/// Where there is nothing to tell.
const DASH: &str = "\u{2013}";
/// Metrics that the page tests; JSON has the tests of all.
const TESTED: [Metric; 3] = [Metric::Mae, Metric::Acc2Has0, Metric::Acc2Non0];

/// The sections.
pub fn write(page: &mut Markup, table: &Comparison) {
    for flow in &table.flows {
        section(page, &format!("Metrics: {flow}"), |page| metrics(page, table, flow));
    }
    if table.rows.iter().any(|row| !row.gaps.is_empty()) {
        section(page, "Gaps", |page| gaps(page, table));
    }
    if let [first, others @ ..] = &table.rows[..]
        && others.iter().any(|row| !row.against_first.is_empty())
    {
        section(page, &format!("Against {}", first.name), |page| tests(page, table, first, others));
    }
}

fn metrics(page: &mut Markup, table: &Comparison, flow: &str) {
    if let Some(result) = table.rows.iter().find_map(|row| row.result(flow)) {
        page.tag("p").class("note").text(format_args!(
            "{} samples, {} of them with a label that is not exactly 0.",
            grouped(result.samples),
            grouped(result.non0_samples)
        ));
    }
    let (error, two_classes) = Metric::ALL.split_at(4);
    page.tag("h4").text("Error, correlation, 7 and 5 classes");
    by_row(page, table, flow, error, ("published MAE", Metric::Mae, |published| published.mae));
    page.tag("h4").text("Two classes");
    let unsaid = "published Acc-2 (which of both is not said)";
    by_row(page, table, flow, two_classes, (unsaid, Metric::Acc2Non0, |published| published.acc2));
}

/// Heading, metric and value of what was published.
type Reference = (&'static str, Metric, fn(&Published) -> Option<f64>);

/// Some of the metrics, a line a row.
fn by_row(page: &mut Markup, table: &Comparison, flow: &str, metrics: &[Metric], reference: Reference) {
    let (heading, like, value) = reference;
    let published = |row: &Row| row.published(flow).and_then(value);
    let source = |row: &Row| row.published(flow).map(|published| published.source.clone());
    let has_published = table.rows.iter().any(|row| published(row).is_some());
    let mut heads = vec!["Row", "seeds"];
    heads.extend(metrics.iter().map(|metric| metric.title()));
    heads.extend(has_published.then_some(heading));
    page.tag("table").class("runs stack").with(|page| {
        head(page, "plain", &heads);
        page.tag("tbody").with(|page| {
            for row in &table.rows {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").with(|page| page.tag("bdi").text(&row.name));
                    let spread = |metric: &Metric| {
                        let measured = row.result(flow).and_then(|result| result.measured(*metric));
                        measured.map_or((DASH.into(), None), |measured| shown(*metric, &measured.spread))
                    };
                    let mut cells = vec![(row.runs.len().to_string(), None)];
                    cells.extend(metrics.iter().map(spread));
                    if has_published {
                        let found = published(row).map(|value| (like.shown(value), source(row)));
                        cells.push(found.unwrap_or((DASH.into(), None)));
                    }
                    for (name, (value, below)) in heads[1..].iter().zip(cells) {
                        cell(page, name, &value, below);
                    }
                });
            }
        });
    });
}

/// A number, and below it what else there is to say of it.
fn cell(page: &mut Markup, name: &str, value: &str, below: Option<String>) {
    page.tag("td").class("number").set("data-label", name).with(|page| {
        page.tag("span").with(|page| {
            page.text(value);
            if let Some(below) = below {
                page.text(" ");
                page.tag("span").class("deviation").text(below);
            }
        });
    });
}

/// Mean and deviation.
fn shown(metric: Metric, spread: &Spread) -> (String, Option<String>) {
    match spread.mean {
        Some(mean) => (metric.shown(mean), spread.sd.map(|sd| format!("\u{b1} {}", metric.shown(sd)))),
        None => (format!("undefined: {}", metric.undefined().unwrap_or("no value")), None),
    }
}

fn gaps(page: &mut Markup, table: &Comparison) {
    let first = table.flows.first().map_or("", String::as_str);
    page.tag("p").class("note").text(format_args!(
        "Absolute difference between {first} and each other flow, mean \u{b1} deviation of the runs' gaps."
    ));
    let heads = ["Row", "flow", "MAE", "Acc-2 (has0)", "Acc-2 (non0)"];
    page.tag("table").class("runs by-flow stack").with(|page| {
        head(page, "plain", &heads);
        page.tag("tbody").with(|page| {
            for (row, gaps) in table.rows.iter().flat_map(|row| row.gaps.iter().map(move |gaps| (row, gaps)))
            {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").with(|page| page.tag("bdi").text(&row.name));
                    page.tag("td").set("data-label", heads[1]).with(|page| page.tag("bdi").text(&gaps.flow));
                    let gaps = [
                        (Metric::Mae, &gaps.mae),
                        (Metric::Acc2Has0, &gaps.acc2_has0),
                        (Metric::Acc2Non0, &gaps.acc2_non0),
                    ];
                    for (name, (metric, spread)) in heads[2..].iter().zip(gaps) {
                        let (value, deviation) = shown(metric, spread);
                        cell(page, name, &value, deviation);
                    }
                });
            }
        });
    });
}

fn tests(page: &mut Markup, table: &Comparison, first: &Row, others: &[Row]) {
    page.tag("p").class("note").text(format_args!(
        "Difference to {} over the seeds that both have, as pairs of one seed each, with the probability that it is chance: Student's \
         paired t-test, and Wilcoxon's signed-rank test, which cannot fall below 2 / 2\u{207f} for n pairs.",
        first.name
    ));
    let heads = ["Row", "flow", "metric", "difference", "pairs", "p, t-test", "p, Wilcoxon"];
    page.tag("table").class("runs by-flow tests stack").with(|page| {
        head(page, "plain", &heads);
        page.tag("tbody").with(|page| {
            for row in others {
                for flow in &table.flows {
                    for metric in TESTED {
                        let Some(test) = row.against(flow, metric) else { continue };
                        page.tag("tr").with(|page| {
                            page.tag("th").set("scope", "row").with(|page| page.tag("bdi").text(&row.name));
                            page.tag("td")
                                .set("data-label", heads[1])
                                .with(|page| page.tag("bdi").text(flow));
                            let short = metric.title().split(" (mean").next().unwrap_or_default();
                            page.tag("td").set("data-label", heads[2]).text(short);
                            for (name, value) in heads[3..].iter().zip(test_cells(metric, test)) {
                                cell(page, name, &value, None);
                            }
                        });
                    }
                }
            }
        });
    });
}

fn test_cells(metric: Metric, test: &Paired) -> [String; 4] {
    let sign = |value: f64| if value < 0.0 { "\u{2212}" } else { "+" };
    let difference = test.mean_difference.map_or_else(
        || "no common seed".into(),
        |value| format!("{}{}", sign(value), metric.shown(value.abs())),
    );
    let p = |p: Option<f64>, reason: Option<String>| match (p, reason) {
        (Some(p), _) if p < 0.001 => "below 0.001".into(),
        (Some(p), _) => format!("{p:.4}"),
        (None, reason) => reason.unwrap_or_else(|| DASH.into()),
    };
    [
        difference,
        test.pairs.to_string(),
        p(test.t_test.map(|test| test.p), test.no_t_test.map(|reason| reason.to_string())),
        p(test.wilcoxon.map(|test| test.p), test.no_wilcoxon.map(|reason| reason.to_string())),
    ]
}
