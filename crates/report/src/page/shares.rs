//! What the result rests on: attention by modality and by view.

use super::markup::Markup;
use super::number::{Pc, percent};
use super::{plot, section};
use crate::exhibit::Views;
use crate::prediction::Shares;
use crate::{Exhibit, Prediction};

/// A narrower part has its share written in the legend only.
const WRITTEN: f64 = 0.12;

/// The section.
pub fn write(page: &mut Markup, prediction: &Prediction, exhibit: &Exhibit) {
    section(page, "What the result rests on", |page| {
        page.tag("div").class("columns").with(|page| {
            page.tag("div").with(|page| {
                page.tag("h4").text("Attention by modality");
                if let Some(shares) = prediction.attention.with_text {
                    modalities(page, "With text", "words", shares);
                }
                modalities(page, "Without text", "simulated words", prediction.attention.without_text);
            });
            page.tag("div").with(|page| views(page, &exhibit.views));
        });
    });
}

fn modalities(page: &mut Markup, flow: &str, words: &str, shares: Shares) {
    let parts =
        [("voice", "voice", shares.audio), ("words", words, shares.text), ("face", "face", shares.video)];
    page.tag("p").class("flow-name").text(flow);
    let told = parts.map(|(_, name, share)| format!("{name} {}", percent(share))).join(", ");
    let title = format!("Attention by modality, {}: {told}", flow.to_lowercase());
    plot::drawing(page, "stacked", 26, title, |page| {
        let mut at = 0.0;
        for (class, _, share) in parts {
            plot::rect(page, class, (Pc(at), 0.0), (Pc(100.0 * share), 26.0));
            if share >= WRITTEN {
                plot::text(page, "middle inside", (Pc(at + 50.0 * share), 18), percent(share));
            }
            at += 100.0 * share;
        }
    });
    page.tag("ul").class("legend").with(|page| {
        for (class, name, share) in parts {
            page.tag("li").with(|page| {
                plot::key(page, "stacked", 12, |page| plot::rect(page, class, (0, 0.0), (12, 12.0)));
                page.text(format_args!("{name} "));
                page.tag("strong").class("number").text(percent(share));
            });
        }
    });
}

fn views(page: &mut Markup, views: &Views) {
    page.tag("h4").text("Attention by view");
    let flows =
        [("with", "With text", views.with_text), ("without", "Without text", Some(views.without_text))];
    let flows: Vec<(&str, &str, [f64; 7])> =
        flows.into_iter().filter_map(|(class, name, shares)| Some((class, name, shares?))).collect();
    page.tag("ul").class("legend").with(|page| {
        for (class, name, _) in &flows {
            page.tag("li").with(|page| {
                plot::key(page, class, 12, |page| plot::rect(page, "bar", (0, 0.0), (12, 12.0)));
                page.text(name);
            });
        }
    });
    // Bars are drawn to the largest, and leave room for the numbers at their ends.
    let largest =
        flows.iter().flat_map(|(_, _, shares)| shares).fold(1e-9_f64, |largest, share| largest.max(*share));
    page.tag("table").class("views").with(|page| {
        page.tag("caption").class("hidden").text("Attention by view");
        page.tag("tbody").with(|page| {
            for (view, name) in Views::NAMES.into_iter().enumerate() {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").text(name);
                    page.tag("td").with(|page| {
                        let shares = flows.iter().map(|(class, flow, shares)| (*class, *flow, shares[view]));
                        bars(page, name, &shares.collect::<Vec<_>>(), largest);
                    });
                });
            }
        });
    });
}

/// One bar a flow, one under the other.
fn bars(page: &mut Markup, view: &str, flows: &[(&str, &str, f64)], largest: f64) {
    let told = flows.iter().map(|(_, flow, share)| format!("{} {}", flow.to_lowercase(), percent(*share)));
    let title = format!("{view}: {}", told.collect::<Vec<_>>().join(", "));
    plot::drawing(page, "", 13 * flows.len(), title, |page| {
        for (row, (class, _, share)) in flows.iter().enumerate() {
            let top = 13.0 * row as f64 + 1.0;
            page.tag("g")
                .class(class)
                .with(|page| plot::bar(page, top, 84.0 * share / largest, percent(*share)));
        }
    });
}
