//! The error by label, and the clips with the largest errors.

use super::{DASH, flow_class, legend_flows};
use crate::metrics::{Bin, ByBin};
use crate::page::markup::Markup;
use crate::page::number::{Pc, grouped, signed, signed_or_dash, whole};
use crate::page::{head, plot, section};
use crate::training::Evidence;

/// Clips that the page lists.
const MOST: usize = 15;
/// Height of a flow's bar.
const ROW: f64 = 16.0;

/// The error by label.
pub fn by_label(page: &mut Markup, evidence: &Evidence) {
    section(page, "Error by label", |page| {
        page.tag("p").class("note").text(
            "Clips by their label, rounded to the nearest of 7 classes. The mean signed error is prediction less label: \
             predictions are too high where it is positive.",
        );
        let mut flows: Vec<(usize, &str, ByBin)> = Vec::new();
        for (index, flow) in evidence.flows.iter().enumerate() {
            let (predictions, labels) = evidence.pairs(index);
            match ByBin::of(&predictions, &labels) {
                Ok(found) => flows.push((index, flow, found)),
                Err(error) => page.tag("p").class("note").text(format_args!("{flow}: {error}")),
            }
        }
        if flows.is_empty() {
            return;
        }
        legend_flows(page, &evidence.flows, false);
        table(page, &flows);
    });
}

fn table(page: &mut Markup, flows: &[(usize, &str, ByBin)]) {
    let all = || flows.iter().flat_map(|(_, _, found)| &found.bins);
    let largest = all().filter_map(|bin| bin.mae).fold(1e-9, f64::max);
    let bias = all().filter_map(|bin| bin.bias).fold(1e-9, |most: f64, bias| most.max(bias.abs()));
    page.tag("table").class("views bins").with(|page| {
        head(page, "plain", &["Label", "Clips", "MAE (mean absolute error)", "Mean signed error"]);
        page.tag("tbody").with(|page| {
            for at in 0..flows[0].2.bins.len() {
                let bins: Vec<(usize, &str, Bin)> =
                    flows.iter().map(|(index, flow, found)| (*index, *flow, found.bins[at])).collect();
                page.tag("tr").with(|page| {
                    let class = whole(bins[0].2.class.into());
                    page.tag("th").set("scope", "row").class("number").text(&class);
                    page.tag("td").class("number").text(grouped(bins[0].2.samples));
                    page.tag("td").with(|page| sizes(page, &class, &bins, largest));
                    page.tag("td").with(|page| biases(page, &class, &bins, bias));
                });
            }
        });
    });
}

fn sizes(page: &mut Markup, class: &str, bins: &[(usize, &str, Bin)], largest: f64) {
    let shown = |mae: Option<f64>| mae.map_or_else(|| DASH.into(), |mae| format!("{mae:.3}"));
    let told = bins.iter().map(|(_, flow, bin)| format!("{flow} {}", shown(bin.mae)));
    let title = format!("MAE at label {class}: {}", told.collect::<Vec<_>>().join(", "));
    plot::drawing(page, "", ROW * bins.len() as f64, title, |page| {
        for (row, (index, _, bin)) in bins.iter().enumerate() {
            let (top, end) = (ROW * row as f64 + 2.0, 62.0 * bin.mae.unwrap_or(0.0) / largest);
            page.tag("g").class(flow_class(*index)).with(|page| {
                plot::rect(page, "fill", ("0%", top), (Pc(end), ROW - 4.0));
            });
            let text = page.tag("text").set("x", Pc(end)).set("dx", 5).set("y", top + ROW - 6.0);
            text.text(shown(bin.mae));
        }
    });
}

/// Bars to both sides of a middle line, their numbers beyond the ends.
fn biases(page: &mut Markup, class: &str, bins: &[(usize, &str, Bin)], largest: f64) {
    let told = bins.iter().map(|(_, flow, bin)| format!("{flow} {}", signed_or_dash(bin.bias)));
    let title = format!("Mean signed error at label {class}: {}", told.collect::<Vec<_>>().join(", "));
    let height = ROW * bins.len() as f64;
    plot::drawing(page, "", height, title, |page| {
        plot::upright(page, "zero", "50%", 0.0, height);
        for (row, (index, _, bin)) in bins.iter().enumerate() {
            let Some(bias) = bin.bias else { continue };
            let (top, size) = (ROW * row as f64 + 2.0, 16.0 * bias.abs() / largest);
            let (from, end) = if bias < 0.0 { (50.0 - size, 50.0 - size) } else { (50.0, 50.0 + size) };
            page.tag("g").class(flow_class(*index)).with(|page| {
                plot::rect(page, "fill", (Pc(from), top), (Pc(size), ROW - 4.0));
            });
            let (side, dx) = if bias < 0.0 { ("end", -5) } else { ("start", 5) };
            let text = page.tag("text").class(side).set("x", Pc(end)).set("dx", dx).set("y", top + ROW - 6.0);
            text.text(signed(bias));
        }
    });
}

/// The clips with the largest errors, for a look at them.
pub fn largest(page: &mut Markup, evidence: &Evidence) {
    let mut clips: Vec<(f64, usize)> = Vec::new();
    for (at, clip) in evidence.clips.iter().enumerate() {
        let errors = clip.valence.iter().map(|value| (value - clip.label).abs());
        let mean = errors.sum::<f64>() / clip.valence.len().max(1) as f64;
        clips.extend(mean.is_finite().then_some((mean, at)));
    }
    clips.sort_by(|a, b| b.0.total_cmp(&a.0));
    if clips.len() < 2 {
        return;
    }
    section(page, "Clips with the largest errors", |page| {
        page.tag("p").class("note").text(
            "By the mean absolute error over all flows. Worth a look and a listen: a wrong label or cut shows up here.",
        );
        page.tag("table").class("metrics largest").with(|page| {
            let heads = ["Clip", "label"].into_iter().chain(evidence.flows.iter().map(String::as_str));
            head(page, "plain", &heads.collect::<Vec<_>>());
            page.tag("tbody").with(|page| {
                for (_, at) in clips.iter().take(MOST) {
                    let clip = &evidence.clips[*at];
                    page.tag("tr").with(|page| {
                        page.tag("th")
                            .set("scope", "row")
                            .with(|page| page.tag("bdi").class("code").text(&clip.clip));
                        page.tag("td").class("number").text(signed(clip.label));
                        for value in &clip.valence {
                            page.tag("td").class("number").text(signed(*value));
                        }
                    });
                }
            });
        });
        if clips.len() > MOST {
            page.tag("p").class("note more").text(format_args!(
                "The first {MOST} of {} clips; predictions.csv has all.",
                grouped(clips.len())
            ));
        }
    });
}
