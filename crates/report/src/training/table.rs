//! A run as CSV files, for spreadsheets and scripts. What is undefined is empty.

use csv::WriterBuilder;

use super::{Epoch, Evidence, Training};
use crate::Metrics;

impl Training {
    /// `metrics.csv`: a line a split and flow, with all metrics, the samples they used, and the rule of the choice.
    pub fn metrics_csv(&self) -> String {
        let run = ["method", "name", "seed", "split", "flow", "samples", "non0_samples"];
        let chosen = ["chosen_phase", "chosen_epoch", "chosen_by"];
        let heads = run.into_iter().chain(Metrics::NAMES).chain(chosen).map(str::to_owned);
        let rows = self.results.iter().map(|result| {
            let metrics = &result.metrics;
            let run = [
                self.method.clone(),
                self.name.clone(),
                self.seed.to_string(),
                result.split.clone(),
                result.flow.clone(),
                metrics.samples.to_string(),
                metrics.non0_samples.to_string(),
            ];
            let chosen = [self.chosen.phase.clone(), self.chosen.epoch.to_string(), self.chosen.rule.clone()];
            run.into_iter().chain(values(metrics)).chain(chosen).collect()
        });
        csv(heads.collect(), rows)
    }

    /// `epochs.csv`: a line an epoch, with its rate, every loss term and the validation metrics of every flow.
    pub fn epochs_csv(&self) -> String {
        let terms = self.terms();
        let facts =
            ["phase", "epoch", "rate", "gradient_norm", "seconds", "seconds_compute", "seconds_waiting"];
        let valid =
            self.flows.iter().flat_map(|flow| Metrics::NAMES.map(|name| format!("valid.{flow}.{name}")));
        let losses = terms.iter().map(|term| format!("loss.{term}"));
        let heads = facts.map(str::to_owned).into_iter().chain(losses).chain(valid).collect();
        csv(heads, self.epochs.iter().map(|epoch| self.epoch_row(epoch, &terms)))
    }

    fn epoch_row(&self, epoch: &Epoch, terms: &[&str]) -> Vec<String> {
        let facts = [
            epoch.phase.clone(),
            epoch.epoch.to_string(),
            epoch.rate.to_string(),
            shown(epoch.gradient_norm),
            epoch.seconds.total.to_string(),
            epoch.seconds.compute.to_string(),
            epoch.seconds.waiting.to_string(),
        ];
        let losses = terms.iter().map(|term| shown(epoch.loss(term)));
        let valid = self.flows.iter().flat_map(|flow| match epoch.validated(flow) {
            Some(metrics) => values(metrics),
            None => [const { String::new() }; Metrics::NAMES.len()],
        });
        facts.into_iter().chain(losses).chain(valid).collect()
    }
}

impl Evidence {
    /// `predictions.csv`: a line a clip, with its split, its label and the prediction of every flow that any split has.
    pub fn predictions_csv(evidence: &[Self]) -> String {
        let mut flows: Vec<&str> = Vec::new();
        for flow in evidence.iter().flat_map(|split| &split.flows) {
            if !flows.contains(&flow.as_str()) {
                flows.push(flow);
            }
        }
        let heads = ["clip", "split", "label"].into_iter().chain(flows.iter().copied()).map(str::to_owned);
        let rows = evidence.iter().flat_map(|split| {
            let places: Vec<Option<usize>> =
                flows.iter().map(|flow| split.flows.iter().position(|name| name == flow)).collect();
            split.clips.iter().map(move |clip| {
                let said =
                    places.iter().map(|place| shown(place.and_then(|at| clip.valence.get(at).copied())));
                let clip = [clip.clip.clone(), split.split.clone(), clip.label.to_string()];
                clip.into_iter().chain(said).collect()
            })
        });
        csv(heads.collect(), rows)
    }
}

fn values(metrics: &Metrics) -> [String; Metrics::NAMES.len()] {
    metrics.entries().map(|entry| shown(entry.value))
}

fn shown(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(String::new, |value| value.to_string())
}

/// A table of equally long rows.
pub(super) fn csv(heads: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = WriterBuilder::new().from_writer(Vec::new());
    std::iter::once(heads)
        .chain(rows)
        .for_each(|row| table.write_record(row).expect("rows are equally long, and memory takes them"));
    let bytes = table.into_inner().expect("memory takes all");
    String::from_utf8(bytes).expect("made of text")
}
