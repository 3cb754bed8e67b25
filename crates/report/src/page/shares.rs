//! What the result rests on: attention by modality and by view.

use super::markup::Markup;
use super::number::{Pc, percent};
use super::section;
use crate::exhibit::Views;
use crate::prediction::Shares;
use crate::{Exhibit, Prediction};

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
    page.tag("svg").class("plot stacked").set("width", "100%").set("height", 26).set("role", "img").with(
        |page| {
            page.tag("title").text(format_args!("Attention by modality, {}", flow.to_lowercase()));
            let told = parts.map(|(_, name, share)| format!("{name} {}", percent(share)));
            page.tag("desc").text(told.join(", "));
            let mut at = 0.0;
            for (class, _, share) in parts {
                page.tag("rect")
                    .class(class)
                    .set("x", Pc(at))
                    .set("y", 0)
                    .set("width", Pc(100.0 * share))
                    .set("height", 26)
                    .close();
                if share >= 0.12 {
                    let text =
                        page.tag("text").class("middle inside").set("x", Pc(at + 50.0 * share)).set("y", 18);
                    text.text(percent(share));
                }
                at += 100.0 * share;
            }
        },
    );
    page.tag("ul").class("legend").with(|page| {
        for (class, name, share) in parts {
            page.tag("li").with(|page| {
                page.tag("svg")
                    .class("plot stacked")
                    .set("width", 12)
                    .set("height", 12)
                    .set("aria-hidden", "true")
                    .with(|page| {
                        page.tag("rect").class(class).set("width", 12).set("height", 12).close();
                    });
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
                page.tag("svg")
                    .class(format_args!("plot key {class}"))
                    .set("width", 12)
                    .set("height", 12)
                    .set("aria-hidden", "true")
                    .with(|page| {
                        page.tag("rect").class("bar").set("width", 12).set("height", 12).close();
                    });
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

fn bars(page: &mut Markup, view: &str, flows: &[(&str, &str, f64)], largest: f64) {
    let height = 13 * flows.len();
    page.tag("svg").class("plot").set("width", "100%").set("height", height).set("role", "img").with(
        |page| {
            let told: Vec<String> = flows
                .iter()
                .map(|(_, flow, share)| format!("{} {}", flow.to_lowercase(), percent(*share)))
                .collect();
            page.tag("title").text(format_args!("{view}: {}", told.join(", ")));
            for (row, (class, _, share)) in flows.iter().enumerate() {
                let width = Pc(84.0 * share / largest);
                page.tag("g").class(*class).with(|page| {
                    page.tag("rect")
                        .class("bar")
                        .set("y", 13 * row + 1)
                        .set("width", width)
                        .set("height", 10)
                        .close();
                    page.tag("text")
                        .class("small")
                        .set("x", width)
                        .set("dx", 5)
                        .set("y", 13 * row + 10)
                        .text(percent(*share));
                });
            }
        },
    );
}
