//! Of what the valence was made: mean shares of modalities and views.

use super::{flow_class, legend_flows};
use crate::page::markup::Markup;
use crate::page::number::{Pc, percent};
use crate::page::{plot, section};
use crate::training::Evidence;
use crate::training::evidence::Attention;

/// Height of a flow's bar.
const ROW: f64 = 16.0;

/// The section; none where nothing is known.
pub fn write(page: &mut Markup, evidence: &Evidence) {
    let mut groups: Vec<&str> = Vec::new();
    for share in &evidence.attention {
        if !groups.contains(&share.of.as_str()) {
            groups.push(&share.of);
        }
    }
    if groups.is_empty() {
        return;
    }
    section(page, "What the result rests on", |page| {
        page.tag("p").class("note").text(format_args!(
            "Mean shares over the clips of {}; the thin line reaches one standard deviation to both sides.",
            evidence.split
        ));
        legend_flows(page, &evidence.flows, false);
        page.tag("div").class("columns").with(|page| {
            for group in groups {
                let shares: Vec<(usize, &Attention)> = evidence
                    .attention
                    .iter()
                    .filter(|share| share.of == group)
                    .map(|share| {
                        let known = evidence.flows.iter().position(|flow| *flow == share.flow);
                        (known.unwrap_or(evidence.flows.len()), share)
                    })
                    .collect();
                page.tag("div").with(|page| table(page, group, &shares));
            }
        });
    });
}

fn table(page: &mut Markup, group: &str, shares: &[(usize, &Attention)]) {
    page.tag("h4").text(format_args!("Attention by {group}"));
    let mut parts: Vec<&str> = Vec::new();
    for (part, _, _) in shares.iter().flat_map(|(_, share)| &share.parts) {
        if !parts.contains(&part.as_str()) {
            parts.push(part);
        }
    }
    let ends = shares
        .iter()
        .flat_map(|(_, share)| &share.parts)
        .map(|(_, mean, deviation)| (mean - deviation, mean + deviation));
    let ends = ends.filter(|(low, high)| low.is_finite() && high.is_finite());
    let (low, high) = ends.fold((0.0_f64, 1e-9_f64), |(low, high), (from, to)| (low.min(from), high.max(to)));
    page.tag("table").class("views").with(|page| {
        page.tag("caption").class("hidden").text(format_args!("Attention by {group}"));
        page.tag("tbody").with(|page| {
            for part in parts {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").with(|page| page.tag("bdi").text(part));
                    page.tag("td").with(|page| bars(page, part, shares, (low.max(-1.0), high.min(2.0))));
                });
            }
        });
    });
}

fn bars(page: &mut Markup, part: &str, shares: &[(usize, &Attention)], (low, high): (f64, f64)) {
    let found: Vec<(usize, &str, f64, f64)> = shares
        .iter()
        .filter_map(|(index, share)| {
            let (_, mean, deviation) = share.parts.iter().find(|(name, _, _)| name == part)?;
            Some((*index, share.flow.as_str(), *mean, *deviation))
        })
        .collect();
    let said = |mean: f64, deviation: f64| format!("{} \u{b1} {}", percent(mean), percent(deviation));
    let told = found.iter().map(|(_, flow, mean, deviation)| format!("{flow} {}", said(*mean, *deviation)));
    let title = format!("{part}: {}", told.collect::<Vec<_>>().join(", "));
    // Room for the numbers at the ends.
    let x = |value: f64| 70.0 * (value.clamp(low, high) - low) / (high - low);
    plot::drawing(page, "", ROW * found.len() as f64, title, |page| {
        for (row, (index, _, mean, deviation)) in found.iter().enumerate() {
            let (top, zero, end) = (ROW * row as f64 + 2.0, x(0.0), x(*mean));
            page.tag("g").class(flow_class(*index)).with(|page| {
                plot::rect(page, "fill", (Pc(zero.min(end)), top), (Pc((end - zero).abs()), ROW - 4.0));
            });
            let middle = top + 0.5 * (ROW - 4.0);
            let (from, to) = (x(mean - deviation), x(mean + deviation));
            let line = page.tag("line").class("whisker").set("x1", Pc(from)).set("x2", Pc(to));
            line.set("y1", middle).set("y2", middle).close();
            let text = page.tag("text").set("x", Pc(end.max(to))).set("dx", 5).set("y", top + ROW - 6.0);
            text.text(said(*mean, *deviation));
        }
    });
}
