//! True against predicted class of 7.

use super::flow_class;
use crate::metrics::{CLASSES, Confusion};
use crate::page::markup::Markup;
use crate::page::number::{counted, grouped, whole};
use crate::page::section;
use crate::training::Evidence;

/// Shades of the style sheet, from none to full.
const SHADES: f64 = 10.0;

/// The section.
pub fn write(page: &mut Markup, evidence: &Evidence) {
    section(page, "Confusion of 7 classes", |page| {
        page.tag("p").class("note").text(
            "A row holds the clips of one true class, a column those of one predicted class; each cell has their count and their \
             share of the row, which its shade shows. Acc-7 is the share on the diagonal, which is outlined.",
        );
        page.tag("div").class("columns").with(|page| {
            for (index, flow) in evidence.flows.iter().enumerate() {
                page.tag("div").class(flow_class(index)).with(|page| {
                    page.tag("h4").with(|page| page.tag("bdi").text(flow));
                    let (predictions, labels) = evidence.pairs(index);
                    match Confusion::of(&predictions, &labels) {
                        Ok(found) => table(page, flow, &found),
                        Err(error) => page.tag("p").class("note").text(error),
                    }
                });
            }
        });
    });
}

fn table(page: &mut Markup, flow: &str, found: &Confusion) {
    let clips = counted(found.samples(), "clip", "clips");
    page.tag("table").class("confusion").with(|page| {
        page.tag("caption").class("hidden").text(format_args!("Confusion of {flow}, {clips}"));
        page.tag("thead").with(|page| {
            page.tag("tr").with(|page| {
                page.tag("th").set("scope", "col").class("corner").text("true \u{2193} predicted \u{2192}");
                CLASSES.iter().for_each(|class| {
                    page.tag("th").set("scope", "col").text(whole((*class).into()));
                });
            });
        });
        page.tag("tbody").with(|page| {
            for (row, (class, counts)) in CLASSES.iter().zip(&found.counts).enumerate() {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").text(whole((*class).into()));
                    let all: usize = counts.iter().sum();
                    for (column, count) in counts.iter().enumerate() {
                        cell(page, *count, all, row == column);
                    }
                });
            }
        });
    });
}

fn cell(page: &mut Markup, count: usize, all: usize, is_right: bool) {
    let share = if all == 0 { 0.0 } else { count as f64 / all as f64 };
    // The least share is seen too.
    let shade = if count == 0 { 0.0 } else { (SHADES * share).round().max(1.0) };
    let right = if is_right { " right" } else { "" };
    page.tag("td").class(format_args!("shade-{shade}{right}")).with(|page| {
        if count > 0 {
            page.tag("span").class("number").text(grouped(count));
            page.tag("span").class("number share").text(format_args!("{:.0}%", 100.0 * share));
        } else {
            page.tag("span").class("muted").text(if all == 0 { "\u{2013}" } else { "0" });
        }
    });
}
