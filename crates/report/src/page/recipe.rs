//! How the numbers came about: recipes, networks, digests, and the prediction as data.

use affekt_core::FeatureSpec;

use super::markup::Markup;
use super::section;
use crate::exhibit::Weights;
use crate::{Exhibit, Prediction};

/// The sections.
pub fn write(page: &mut Markup, prediction: &Prediction, exhibit: &Exhibit) {
    if !exhibit.features.is_empty() {
        section(page, "How the features are made", |page| {
            page.tag("div").class("columns").with(|page| {
                for spec in &exhibit.features {
                    page.tag("div").class("spec").with(|page| feature(page, spec));
                }
            });
        });
    }
    if !exhibit.networks.is_empty() {
        section(page, "Networks and digests", |page| networks(page, &exhibit.networks));
    }
    section(page, "As data", |page| {
        page.tag("details").with(|page| {
            page.tag("summary").text("The prediction as JSON");
            let json =
                serde_json::to_string_pretty(prediction).expect("a prediction is plain data with text keys");
            page.tag("pre").set("tabindex", 0).text(json);
        });
    });
}

fn feature(page: &mut Markup, spec: &FeatureSpec) {
    page.tag("h4").text(spec.kind.name());
    page.tag("dl").class("facts").with(|page| {
        let layers = spec.layers.map_or_else(|| "its output".into(), |layers| layers.to_string());
        let rows = format!("one per {}, {} x {}", spec.row, spec.width, spec.dtype);
        for (name, value) in [("Network", &spec.encoder), ("Hidden states", &layers), ("Rows", &rows)] {
            fact(page, name, |page| page.tag("bdi").text(value));
        }
        fact(page, "Input", |page| {
            page.tag("ol").with(|page| {
                for step in &spec.preprocessing {
                    page.tag("li").with(|page| page.tag("bdi").class("code").text(step));
                }
            });
        });
        fact(page, "Recipe", |page| page.tag("span").class("code").text(spec.digest()));
        fact(page, "Weights", |page| page.tag("span").class("code").text(&spec.weights));
    });
}

fn fact(page: &mut Markup, name: &str, value: impl FnOnce(&mut Markup)) {
    page.tag("div").with(|page| {
        page.tag("dt").text(name);
        page.tag("dd").with(value);
    });
}

fn networks(page: &mut Markup, networks: &[Weights]) {
    page.tag("table").class("stack networks").with(|page| {
        super::head(page, "plain", &["Network", "SHA-256 of the weights", "Licence", "Source"]);
        page.tag("tbody").with(|page| {
            for network in networks {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").with(|page| page.tag("bdi").text(&network.network));
                    let cells = [
                        ("SHA-256", &network.sha256),
                        ("Licence", &network.licence),
                        ("Source", &network.source),
                    ];
                    for (name, value) in cells {
                        let class = if name == "SHA-256" { "code" } else { "plain" };
                        page.tag("td")
                            .set("data-label", name)
                            .with(|page| page.tag("bdi").class(class).text(value));
                    }
                });
            }
        });
    });
}
