//! The table of runs as one self-contained HTML page.
//!
//! | module | holds |
//! |---|---|
//! | `tables` | every metric by row and flow, gaps, tests |
//! | `dots` | the error of every run as a dot |
//! | `curves` | validation of every run by epoch, a small plot a row |

mod curves;
mod dots;
mod tables;

use super::{Comparison, Row};
use crate::page::markup::Markup;
use crate::page::number::counted;
use crate::page::{footer, head, section, styled};
use crate::training::Made;
use crate::training::page::STYLE;

impl Comparison {
    /// The page: HTML that is well-formed XML as well.
    pub fn to_html(&self, made: &Made) -> String {
        let title = "Table of runs";
        styled(title, &made.program, STYLE, |page| {
            page.tag("header").class("page").with(|page| {
                page.tag("p").class("eyebrow").text(format_args!("{} \u{b7} {}", made.program, made.made));
            });
            page.tag("main").with(|page| {
                page.tag("section").class("card").with(|page| {
                    page.tag("h1").class("name").text(title);
                    self.summary(page);
                });
                if !self.rows.is_empty() {
                    dots::write(page, self);
                    tables::write(page, self);
                    curves::write(page, self);
                    section(page, "Rows", |page| rows(page, &self.rows));
                }
            });
            footer(page, &made.program, &made.made, &made.command);
        })
    }

    fn summary(&self, page: &mut Markup) {
        let runs: usize = self.rows.iter().map(|row| row.runs.len()).sum();
        page.tag("p").class("meta muted").text(format_args!(
            "{} in {}, judged on {}",
            counted(runs, "run", "runs"),
            counted(self.rows.len(), "row", "rows"),
            self.split
        ));
        page.tag("p").class("note").text(
            "Runs that differ in nothing but their seed are one row: mean \u{b1} sample standard deviation over the seeds. Acc-2 and F1 \
             by both definitions: has0 tells negative from non-negative and uses all samples; non0 tells negative from positive and \
             leaves labels of exactly 0 out.",
        );
        if !self.warnings.is_empty() {
            page.tag("div").class("notice").set("role", "note").with(|page| {
                page.tag("ul").with(|page| {
                    for warning in &self.warnings {
                        page.tag("li").with(|page| page.tag("bdi").text(warning));
                    }
                });
            });
        }
    }
}

/// What the rows are.
fn rows(page: &mut Markup, rows: &[Row]) {
    page.tag("table").class("stack rows").with(|page| {
        let heads =
            ["Row", "Method", "Settings that differ from the first row", "Chosen by", "Runs: seed, epoch"];
        head(page, "plain", &heads);
        page.tag("tbody").with(|page| {
            for (index, row) in rows.iter().enumerate() {
                page.tag("tr").with(|page| {
                    page.tag("th").set("scope", "row").with(|page| page.tag("bdi").text(&row.name));
                    let differs = match &row.differs[..] {
                        [] if index == 0 => "the first row".into(),
                        [] => "none".into(),
                        settings => settings.join("\n"),
                    };
                    let runs: Vec<String> = row
                        .runs
                        .iter()
                        .map(|run| format!("{}: {}, {}", run.run, run.seed, run.epoch))
                        .collect();
                    let cells = [
                        (row.method.clone(), "plain"),
                        (differs, "code lines"),
                        (row.rule.clone(), "plain"),
                        (runs.join("\n"), "code lines"),
                    ];
                    for (name, (value, class)) in heads[1..].iter().zip(cells) {
                        page.tag("td")
                            .set("data-label", name)
                            .with(|page| page.tag("bdi").class(class).text(value));
                    }
                });
            }
        });
    });
}
