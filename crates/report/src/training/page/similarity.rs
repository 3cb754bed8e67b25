//! Distances between what two flows read their valence from, clips sorted by label: Figure 2 of SDUMC's paper.

use super::chart::figure;
use super::heat;
use crate::metrics::CLASSES;
use crate::page::markup::Markup;
use crate::page::number::{Pc, Px, counted, whole};
use crate::page::{facts_list, plot, section};
use crate::training::evidence::Similarity;

/// Least share of the axis that has its class written at it.
const WRITTEN: f64 = 0.035;
/// Share of the distances at either end that have the last colour: a single far clip would leave none for the others.
const TAIL: f64 = 0.01;
/// What the drawing of the matrix' rows is stretched to, in percent.
const WHOLE: f64 = 100.0;

/// The section.
pub fn write(page: &mut Markup, similarity: &Similarity) {
    let Similarity { rows, columns, labels, distances } = similarity;
    let heading = format!("Similarity of {rows} and {columns}");
    section(page, &heading, |page| {
        page.tag("p").class("note").text(format_args!(
            "How far the representation of each clip in {rows} (rows) is from that of each clip in {columns} (columns): Euclidean \
             distance, {} sorted by label. Bright is near. A bright diagonal means that both flows see the same in a clip; bright \
             blocks along it, that clips of like sentiment lie together.",
            counted(labels.len(), "clip", "clips")
        ));
        let drawn =
            ends(distances).and_then(|ends| Some((ends, heat::matrix(distances, labels.len(), ends)?)));
        let Some((ends, picture)) = drawn else {
            return page.tag("p").class("note").text("There are no distances that could be drawn.");
        };
        let (near, far) = (figure(ends.0), figure(ends.1));
        page.tag("div").class("matrix").with(|page| {
            page.tag("div").class("matrix-rows").with(|page| upright(page, labels));
            let told = format!(
                "Distances between {rows} and {columns} of {} clips sorted by label, from {near} (bright) to {far} (dark)",
                labels.len()
            );
            page.tag("img").class("heat").set("alt", told).set("src", picture).close();
            page.tag("div").with(|page| level(page, labels));
            page.tag("p").class("axis-name").text(format_args!("label; rows {rows}, columns {columns}"));
            ramp(page, &near, &far);
        });
        facts_list(page, facts(similarity));
    });
}

/// What the colours reach from and to.
fn ends(distances: &[f64]) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = distances.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let tail = (TAIL * last as f64) as usize;
    Some((sorted[tail], sorted[last - tail]))
}

fn ramp(page: &mut Markup, near: &str, far: &str) {
    let Some(colours) = heat::ramp() else { return };
    page.tag("div").class("ramp").with(|page| {
        page.tag("span").class("number").text(format_args!("{near} or nearer"));
        page.tag("img").set("alt", "Colours from near to far").set("src", colours).close();
        page.tag("span").class("number").text(format_args!("{far} or farther"));
    });
}

/// Stretches of the axis with the same class of 7: the class, and where it begins and ends, 0 to 1.
fn stretches(labels: &[f64]) -> Vec<(i8, f64, f64)> {
    let class = |label: f64| label.clamp(-3.0, 3.0).round_ties_even() as i8;
    let count = labels.len().max(1) as f64;
    let mut found = Vec::new();
    let mut from = 0;
    for of_class in labels.chunk_by(|a, b| class(*a) == class(*b)) {
        let to = from + of_class.len();
        if CLASSES.contains(&class(of_class[0])) {
            found.push((class(of_class[0]), from as f64 / count, to as f64 / count));
        }
        from = to;
    }
    found
}

fn upright(page: &mut Markup, labels: &[f64]) {
    plot::ticks(page, "100%", |page| {
        for (class, from, to) in stretches(labels) {
            if from > 0.0 {
                let tick = page.tag("line").class("zero").set("x1", "75%").set("x2", "100%");
                tick.set("y1", Pc(WHOLE * from)).set("y2", Pc(WHOLE * from)).close();
            }
            if to - from >= WRITTEN {
                let text =
                    page.tag("text").class("end").set("x", "70%").set("y", Pc(WHOLE * 0.5 * (from + to)));
                text.set("dy", 4).text(whole(class.into()));
            }
        }
    });
}

fn level(page: &mut Markup, labels: &[f64]) {
    plot::ticks(page, 20, |page| {
        for (class, from, to) in stretches(labels) {
            if from > 0.0 {
                plot::upright(page, "zero", Pc(WHOLE * from), 0.0, 5.0);
            }
            if to - from >= WRITTEN {
                plot::text(page, "middle", (Pc(WHOLE * 0.5 * (from + to)), Px(16.0)), whole(class.into()));
            }
        }
    });
}

/// The same in three numbers.
fn facts(similarity: &Similarity) -> Vec<(&'static str, String)> {
    let side = similarity.labels.len();
    let (mut same, mut like, mut unlike) = (Vec::new(), Vec::new(), Vec::new());
    for (at, distance) in similarity.distances.iter().copied().enumerate().filter(|(_, d)| d.is_finite()) {
        let (row, column) = (at / side, at % side);
        match (similarity.labels[row] - similarity.labels[column]).abs() {
            _ if row == column => same.push(distance),
            apart if apart <= 0.5 => like.push(distance),
            apart if apart >= 2.0 => unlike.push(distance),
            _ => {}
        }
    }
    let mean = |values: &[f64]| match values.len() {
        0 => "there are none".into(),
        count => figure(values.iter().sum::<f64>() / count as f64),
    };
    vec![
        ("Mean distance of a clip to itself in the other flow", mean(&same)),
        ("To other clips whose label is at most 0.5 apart", mean(&like)),
        ("To clips whose label is at least 2 apart", mean(&unlike)),
    ]
}
