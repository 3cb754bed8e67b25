//! What the run learnt from, its settings, and where its time went.

use affekt_core::Seconds;

use crate::duration;
use crate::page::markup::Markup;
use crate::page::number::{counted, grouped, percent, signed};
use crate::page::{facts_list, head, section};
use crate::training::{Data, SplitFacts, Training, settings};

/// Clips that were left out which the page lists.
const MOST_LEFT_OUT: usize = 200;

/// Columns of the table of splits.
const SPLIT_HEADS: [&str; 6] =
    ["Split", "clips", "labels, mean \u{b1} deviation", "range", "absent features", "digest"];

/// The sections.
pub fn write(page: &mut Markup, training: &Training) {
    section(page, "Clips", |page| data(page, &training.data));
    section(page, "Settings", |page| {
        page.tag("div").class("settings").with(|page| {
            page.tag("dl").class("facts").with(|page| {
                for (path, value) in settings::flat(&training.config) {
                    page.tag("div").with(|page| {
                        page.tag("dt").with(|page| page.tag("bdi").class("code").text(path));
                        page.tag("dd").with(|page| page.tag("bdi").class("code").text(value));
                    });
                }
            });
        });
        page.tag("details").with(|page| {
            page.tag("summary").text("The settings as JSON");
            let json = serde_json::to_string_pretty(&training.config).expect("settings are plain data");
            page.tag("pre").set("tabindex", 0).text(json);
        });
    });
    section(page, "Run", |page| facts_list(page, run(training)));
}

fn data(page: &mut Markup, data: &Data) {
    page.tag("table").class("metrics stack splits").with(|page| {
        head(page, "plain", &SPLIT_HEADS);
        page.tag("tbody").with(|page| {
            for (name, facts) in in_order(data) {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").with(|page| page.tag("bdi").text(name));
                    split(page, facts);
                });
            }
        });
    });
    page.tag("h4").class("split").text("Features");
    page.tag("table").class("metrics features").with(|page| {
        head(page, "plain", &["Feature", "network", "numbers a row", "recipe"]);
        page.tag("tbody").with(|page| {
            for feature in &data.features {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").text(feature.spec.kind.name());
                    page.tag("td").with(|page| page.tag("bdi").text(&feature.spec.encoder));
                    page.tag("td").class("number").text(grouped(feature.spec.width));
                    page.tag("td").with(|page| page.tag("bdi").class("code").text(&feature.folder));
                });
            }
        });
    });
    let labels = [
        ("Table of labels", data.labels.clone()),
        ("Its digest", data.labels_digest.to_string()),
        ("Column of the split", data.split_column.clone()),
    ];
    facts_list(page, labels);
    left_out(page, data);
}

/// Splits in the order of their use.
fn in_order(data: &Data) -> Vec<(&String, &SplitFacts)> {
    const ORDER: [&str; 3] = ["train", "valid", "test"];
    let mut splits: Vec<_> = data.splits.iter().collect();
    splits.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()));
    splits
}

fn split(page: &mut Markup, facts: &SplitFacts) {
    let labels = format!("{} \u{b1} {:.3}", signed(facts.label_mean), facts.label_deviation);
    let range = format!("{} to {}", signed(facts.label_least), signed(facts.label_greatest));
    let absent = facts.absent.iter().filter(|(_, count)| **count > 0);
    let absent: Vec<String> =
        absent.map(|(feature, count)| format!("{feature} {}", grouped(*count))).collect();
    let absent = if absent.is_empty() { "none".into() } else { absent.join(", ") };
    let digest = facts.digest.short().to_owned();
    let cells = [
        (grouped(facts.clips), "number"),
        (labels, "number"),
        (range, "number"),
        (absent, "plain"),
        (digest, "code"),
    ];
    for (name, (value, class)) in SPLIT_HEADS[1..].iter().zip(cells) {
        page.tag("td").class(class).set("data-label", name).with(|page| page.tag("bdi").text(value));
    }
}

fn left_out(page: &mut Markup, data: &Data) {
    if data.left_out.is_empty() {
        return page.tag("p").class("note more").text("No clip was left out.");
    }
    let clips = counted(data.left_out.len(), "clip", "clips");
    page.tag("details").with(|page| {
        page.tag("summary").text(format_args!("{clips} left out by rule"));
        page.tag("div").class("scroll").set("tabindex", 0).with(|page| {
            page.tag("table").with(|page| {
                head(page, "plain", &["Clip", "Split", "Rule"]);
                page.tag("tbody").with(|page| {
                    for clip in data.left_out.iter().take(MOST_LEFT_OUT) {
                        page.tag("tr").with(|page| {
                            page.tag("th")
                                .set("scope", "row")
                                .with(|page| page.tag("bdi").class("code").text(&clip.clip));
                            page.tag("td").with(|page| page.tag("bdi").text(&clip.split));
                            page.tag("td").with(|page| page.tag("bdi").text(&clip.reason));
                        });
                    }
                });
            });
        });
    });
    if data.left_out.len() > MOST_LEFT_OUT {
        page.tag("p")
            .class("note more")
            .text(format_args!("The list has the first {MOST_LEFT_OUT} of them; metrics.json has all."));
    }
}

fn run(training: &Training) -> Vec<(&'static str, String)> {
    let times = &training.seconds;
    let of_total = |part: f64| {
        let share = if times.total > 0.0 { part / times.total } else { 0.0 };
        format!("{} ({} of the time)", duration(Seconds(part)), percent(share))
    };
    let epochs = training.epochs.len();
    let mean = training.epochs.iter().map(|epoch| epoch.seconds.total).sum::<f64>() / epochs.max(1) as f64;
    let mut facts = vec![
        ("Began", training.started.clone()),
        ("Time in all", duration(Seconds(times.total))),
        ("Computing", of_total(times.compute)),
        ("Waiting for clips", of_total(times.waiting)),
    ];
    if epochs > 0 {
        facts.push(("Mean epoch", format!("{mean:.1} s")));
    }
    if let Some(bytes) = training.peak_memory_bytes {
        facts.push(("Largest memory", format!("{:.2} GB", bytes as f64 / 1e9)));
    }
    facts.extend([
        ("Device", training.device.clone()),
        ("Method", training.method.clone()),
        ("Seed", training.seed.to_string()),
        ("Parameters", grouped(training.parameters)),
        ("Version of affekt", training.affekt.clone()),
    ]);
    facts
}
