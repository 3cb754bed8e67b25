//! A run as one self-contained HTML page: no script, nothing from anywhere else.
//!
//! Sections stand in the order of the page.
//!
//! | module | holds |
//! |---|---|
//! | `results` | figures; every metric of every flow on every split, with gaps |
//! | `curves` | validation, rate and losses by epoch |
//! | `scatter` | prediction against label |
//! | `errors` | error by label; the clips with the largest errors |
//! | `confusion` | true against predicted class |
//! | `similarity`, `heat` | distances between two flows; matrices as pictures |
//! | `attention` | of what the valence was made |
//! | `facts` | clips, features, settings, time |
//! | `chart`, `scale` | lines over epochs; round numbers |

mod attention;
pub(super) mod chart;
mod confusion;
mod curves;
mod errors;
mod facts;
mod heat;
mod results;
pub(super) mod scale;
mod scatter;
mod similarity;

use super::{Evidence, Made, Training};
use crate::page::markup::Markup;
use crate::page::number::{Px, counted, grouped};
use crate::page::{footer, plot, styled};

/// Charts, matrices and tables of runs.
pub(super) const STYLE: &str = include_str!("page/training.css");
/// Colours of flows that the style sheet has.
const COLOURS: usize = 7;
/// Where there is nothing to tell.
const DASH: &str = "\u{2013}";

impl Training {
    /// The page: HTML that is well-formed XML as well. Plots are of the evidence about the split that counts most.
    pub fn to_html(&self, evidence: &[Evidence], made: &Made) -> String {
        let title = format!("{}, seed {}", self.name, self.seed);
        let evidence =
            self.judged_splits().into_iter().find_map(|split| evidence.iter().find(|one| one.split == split));
        styled(&title, &made.program, STYLE, |page| {
            page.tag("header").class("page").with(|page| {
                page.tag("p").class("eyebrow").text(format_args!("{} \u{b7} {}", made.program, made.made));
            });
            page.tag("main").with(|page| {
                summary(page, self, &title);
                results::tables(page, self);
                curves::write(page, self);
                match evidence {
                    Some(evidence) => plots(page, evidence),
                    None => page.tag("p").class("card note").text(
                        "What was said of each clip is not beside the metrics, so there are no plots of it.",
                    ),
                }
                facts::write(page, self);
            });
            footer(page, &made.program, &made.made, &made.command);
        })
    }
}

fn summary(page: &mut Markup, training: &Training, title: &str) {
    page.tag("section").class("card").with(|page| {
        page.tag("h1").class("name").set("dir", "auto").text(title);
        let epochs = training.epochs.len();
        page.tag("p").class("meta muted").text(format_args!(
            "{}, {} parameters, {}, on {}",
            training.method,
            grouped(training.parameters),
            if epochs == 0 { "evaluated".into() } else { counted(epochs, "epoch", "epochs") },
            training.device,
        ));
        results::figures(page, training);
        if !training.warnings.is_empty() {
            page.tag("div").class("notice").set("role", "note").with(|page| {
                page.tag("ul").with(|page| {
                    for warning in &training.warnings {
                        page.tag("li").with(|page| page.tag("bdi").text(warning));
                    }
                });
            });
        }
    });
}

fn plots(page: &mut Markup, evidence: &Evidence) {
    scatter::write(page, evidence);
    errors::by_label(page, evidence);
    confusion::write(page, evidence);
    if let Some(similarity) = &evidence.similarity {
        similarity::write(page, similarity);
    }
    attention::write(page, evidence);
    errors::largest(page, evidence);
}

impl Evidence {
    /// Predictions of the flow at `index` with their labels: only pairs of finite numbers.
    fn pairs(&self, index: usize) -> (Vec<f64>, Vec<f64>) {
        let pairs = self.clips.iter().filter_map(|clip| Some((*clip.valence.get(index)?, clip.label)));
        pairs.filter(|(prediction, label)| prediction.is_finite() && label.is_finite()).unzip()
    }
}

/// The class that sets colour and dashes of a flow.
pub(super) fn flow_class(index: usize) -> String {
    format!("flow-{}", index % COLOURS)
}

/// What colours, and dashes of `lines`, mean.
pub(super) fn legend_flows(page: &mut Markup, flows: &[String], lines: bool) {
    page.tag("ul").class("legend").with(|page| {
        for (index, flow) in flows.iter().enumerate() {
            page.tag("li").with(|page| {
                let width = if lines { 26 } else { 12 };
                plot::key(page, &flow_class(index), width, |page| match lines {
                    true => page.tag("path").class("curve").set("d", "M0 6H26").close(),
                    false => plot::rect(page, "fill", (0, 0.0), (Px(12.0), 12.0)),
                });
                page.tag("bdi").text(flow);
            });
        }
    });
}
