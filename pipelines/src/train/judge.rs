//! What a method says of a split.

use std::collections::HashMap;
use std::ops::ControlFlow;

use affekt_core::ClipId;
use affekt_nn::threads::in_pool;
use affekt_report::metrics::Metrics;
use affekt_report::training::evidence::{Attention, Similarity, Verdict};
use affekt_report::training::{Evidence, Outcome};
use affekt_train::{Batch, Judged, Method};
use candle_core::{DType, Device};

use super::Error;
use super::data::{Batching, Corpus, Sample, feed};
use crate::dataset::Split;

/// Clips of the matrix of distances, at most: a batch of the paper.
const SAMPLE: usize = 128;

/// Batches that are assembled in advance.
const AHEAD: usize = 2;

/// A method that stands in one of its phases, and what it is judged on.
pub struct Judge<'a> {
    /// The method.
    pub method: &'a dyn Method,
    /// The phase that it stands in.
    pub phase: usize,
    /// Its flows.
    pub flows: &'a [&'static str],
    /// The clips.
    pub corpus: &'a Corpus,
    /// Clips that are judged together.
    pub batch: usize,
    /// Where the method runs.
    pub device: &'a Device,
}

/// Everything that was said.
struct Said<'a> {
    flows: &'a [&'static str],
    /// As the table has them: batches hold them in f32.
    labels: HashMap<&'a ClipId, f64>,
    verdicts: Vec<Verdict>,
    /// Clips of the matrix, with their place in it.
    sampled: HashMap<ClipId, usize>,
    /// By flow: what is known of the sampled clips.
    representations: Vec<Vec<Option<Vec<f32>>>>,
    /// By flow and kind: names of the parts, sums and sums of squares of their shares.
    shares: Vec<Vec<Tally>>,
}

struct Tally {
    of: &'static str,
    parts: &'static [&'static str],
    sums: Vec<(f64, f64)>,
    clips: usize,
}

impl Judge<'_> {
    /// The metrics of each flow on `split`.
    pub fn outcomes(&self, split: Split) -> Result<Vec<Outcome>, Error> {
        let said = self.say(split, &[])?;
        outcomes(split, self.flows, &said.verdicts)
    }

    /// The metrics of each flow on `split`, and what was said of each clip.
    pub fn evidence(&self, split: Split) -> Result<(Vec<Outcome>, Evidence), Error> {
        let sample = sample(self.corpus.split(split));
        let said = self.say(split, &sample)?;
        let outcomes = outcomes(split, self.flows, &said.verdicts)?;
        let similarity = said.similarity(&sample);
        let attention = said.attention();
        let flows = self.flows.iter().map(|flow| (*flow).to_owned()).collect();
        let evidence =
            Evidence { split: split.name().into(), flows, clips: said.verdicts, similarity, attention };
        Ok((outcomes, evidence))
    }

    fn say(&self, split: Split, sample: &[&Sample]) -> Result<Said<'_>, Error> {
        let sampled = sample.iter().enumerate().map(|(at, sample)| (sample.id.clone(), at)).collect();
        let mut said = Said {
            flows: self.flows,
            labels: self.corpus.split(split).iter().map(|sample| (&sample.id, sample.label)).collect(),
            verdicts: Vec::new(),
            sampled,
            representations: vec![vec![None; sample.len()]; self.flows.len()],
            shares: self.flows.iter().map(|_| Vec::new()).collect(),
        };
        let plan = Batching { size: self.batch, pool: 1 }.epoch(self.corpus.split(split), None);
        feed(self.corpus, split, &plan, self.device, AHEAD, |_, batch| {
            said.hear(&batch, &in_pool(|| self.method.judge(&batch, self.phase))?)?;
            Ok::<_, Error>(ControlFlow::Continue(()))
        })?;
        said.verdicts.sort_by(|one, other| one.clip.cmp(&other.clip));
        Ok(said)
    }
}

fn outcomes(split: Split, flows: &[&str], verdicts: &[Verdict]) -> Result<Vec<Outcome>, Error> {
    let labels: Vec<f64> = verdicts.iter().map(|verdict| verdict.label).collect();
    let of_flow = |(index, flow): (usize, &&str)| {
        let predictions: Vec<f64> = verdicts.iter().map(|verdict| verdict.valence[index]).collect();
        let metrics = Metrics::of(&predictions, &labels)?;
        Ok(Outcome { split: split.name().into(), flow: (*flow).to_owned(), metrics })
    };
    flows.iter().enumerate().map(of_flow).collect()
}

/// Clips evenly along the labels, in their order.
fn sample(samples: &[Sample]) -> Vec<&Sample> {
    let mut sorted: Vec<&Sample> = samples.iter().collect();
    sorted.sort_by(|one, other| one.label.total_cmp(&other.label).then_with(|| one.id.cmp(&other.id)));
    let count = sorted.len().min(SAMPLE);
    (0..count).map(|at| sorted[at * sorted.len() / count]).collect()
}

impl Said<'_> {
    fn hear(&mut self, batch: &Batch, judged: &[Judged]) -> Result<(), Error> {
        for (at, clip) in batch.clips.iter().enumerate() {
            let valence = judged.iter().map(|flow| flow.valence[at]).collect();
            let label = self.labels[clip];
            self.verdicts.push(Verdict { clip: clip.to_string(), label, valence });
        }
        for (flow, judged) in judged.iter().enumerate() {
            if let Some(representation) = judged.representation.as_ref().filter(|_| !self.sampled.is_empty())
            {
                let rows: Vec<Vec<f32>> = representation.to_dtype(DType::F32)?.to_vec2()?;
                for (clip, row) in batch.clips.iter().zip(rows) {
                    if let Some(&place) = self.sampled.get(clip) {
                        self.representations[flow][place] = Some(row);
                    }
                }
            }
            for share in &judged.shares {
                let tallies = &mut self.shares[flow];
                let known = tallies.iter().position(|tally| tally.of == share.of);
                let known = known.unwrap_or_else(|| {
                    let sums = vec![(0.0, 0.0); share.parts.len()];
                    tallies.push(Tally { of: share.of, parts: share.parts, sums, clips: 0 });
                    tallies.len() - 1
                });
                tallies[known].add(&share.values);
            }
        }
        Ok(())
    }

    /// Between the first two flows; `None` where there is only one, or a flow shows no representation.
    fn similarity(&self, sample: &[&Sample]) -> Option<Similarity> {
        let [rows, columns] = self.representations.get(..2)? else { return None };
        let rows: Vec<&Vec<f32>> = rows.iter().map(Option::as_ref).collect::<Option<_>>()?;
        let columns: Vec<&Vec<f32>> = columns.iter().map(Option::as_ref).collect::<Option<_>>()?;
        let distance = |one: &[f32], other: &[f32]| {
            let squares = one.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let distances = rows.iter().flat_map(|row| columns.iter().map(|column| distance(row, column)));
        Some(Similarity {
            rows: self.flows[0].to_owned(),
            columns: self.flows[1].to_owned(),
            labels: sample.iter().map(|sample| sample.label).collect(),
            distances: distances.collect(),
        })
    }

    fn attention(&self) -> Vec<Attention> {
        let named = self.flows.iter().zip(&self.shares);
        named.flat_map(|(flow, tallies)| tallies.iter().map(|tally| tally.attention(flow))).collect()
    }
}

impl Tally {
    fn add(&mut self, values: &[Vec<f32>]) {
        self.clips += values.len();
        for clip in values {
            for (sums, share) in self.sums.iter_mut().zip(clip) {
                let share = f64::from(*share);
                sums.0 += share;
                sums.1 += share * share;
            }
        }
    }

    fn attention(&self, flow: &str) -> Attention {
        let clips = self.clips as f64;
        let part = |(name, (sum, squares)): (&&str, &(f64, f64))| {
            let mean = sum / clips;
            let variance = if self.clips > 1 { (squares - clips * mean * mean) / (clips - 1.0) } else { 0.0 };
            ((*name).to_owned(), mean, variance.max(0.0).sqrt())
        };
        let parts = self.parts.iter().zip(&self.sums).map(part).collect();
        Attention { flow: flow.to_owned(), of: self.of.to_owned(), parts }
    }
}
