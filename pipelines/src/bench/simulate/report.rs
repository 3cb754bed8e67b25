//! Rates, what limits them, and what they make of all of MOSEI.

use affekt_core::LayerRule;
use serde::Serialize;

use super::search::Taken;
use super::words::Read;
use super::{Reach, Voices, Work};
use crate::bench::Machine;
use crate::bench::lengths::{CLIP_HOURS, CLIPS};
use crate::recipe::SimulatedRecipe;

/// Everything that was measured, and what follows from it. Times are in seconds where their names do not say hours.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of affekt.
    pub affekt: &'static str,
    /// The machine and what ran on it.
    pub machine: Machine,
    /// How text is simulated.
    pub recipe: Recipe,
    /// The language model.
    pub network: Network,
    /// The voices.
    pub data: Data,
    /// What the machine can do at most; `None` where networks do not run on its cores.
    pub reach: Option<Reach>,
    /// Text generation, a row for each number of clips in flight.
    pub simulate: Vec<Row>,
    /// Reading transcripts.
    pub text: Text,
    /// All of MOSEI.
    pub projection: Projection,
}

/// How text is simulated.
#[derive(Clone, Debug, Serialize)]
pub struct Recipe {
    /// Whose states.
    pub mode: &'static str,
    /// Which hidden states, summed.
    pub layers: LayerRule,
    /// What the language model is asked to do.
    pub prompt: String,
    /// Beams of the search.
    pub beams: usize,
    /// Longest text, in tokens.
    pub max_new_tokens: usize,
    /// Whether short clips may only have short texts.
    pub robust: bool,
}

/// The language model.
#[derive(Clone, Debug, Serialize)]
pub struct Network {
    /// Its name in the bundle.
    pub name: String,
    /// Parameters that rows are multiplied with.
    pub parameters: u64,
    /// Bytes of these, which a forward pass reads.
    pub bytes: u64,
}

/// The voices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Data {
    /// Whether they are out of a cache; else drawn.
    pub cached: bool,
    /// How many.
    pub clips: usize,
    /// Length of them.
    pub clip_s: f64,
    /// Those that are too short for a row of the projector.
    pub too_short: usize,
}

/// All voices with so many in flight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Most clips in flight that were allowed.
    pub in_flight: usize,
    /// Wall time.
    pub seconds: f64,
    /// Texts.
    pub clips: usize,
    /// Tokens of them, their ends among them.
    pub tokens: usize,
    /// Forward passes.
    pub passes: usize,
    /// Rows of beams in them.
    pub beam_rows: usize,
    /// Rows of prompts in them.
    pub prompt_rows: usize,
    /// Clips in flight, mean over the passes.
    pub mean_in_flight: f64,
    /// That, of those which were allowed and there.
    pub occupancy: f64,
    /// Most clips in flight.
    pub most_in_flight: usize,
    /// How often a clip had to sit a pass out for want of cache.
    pub held_back: usize,
    /// Most of the cache that was in use.
    pub peak_cache_bytes: usize,
    /// Clips a second.
    pub clips_per_s: f64,
    /// Tokens a second.
    pub tokens_per_s: f64,
    /// Rows of beams and prompts a second.
    pub rows_per_s: f64,
    /// Its clip rate, of that with one in flight; `None` where that was not measured.
    pub ratio: Option<f64>,
    /// Weights read, in GB/s.
    pub read_gb_per_s: f64,
    /// That, of what plain reading reaches.
    pub of_reading: Option<f64>,
    /// Products with weights, in GFLOP/s.
    pub gflop_per_s: f64,
    /// That, of what products of many rows reach.
    pub of_products: Option<f64>,
    /// What holds it back.
    pub limit: Option<Limit>,
    /// Hours of all of MOSEI.
    pub mosei_hours: f64,
}

/// What holds generation back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Reading weights: more clips in flight are faster.
    Weights,
    /// Arithmetic: more clips in flight are no faster.
    Arithmetic,
    /// Both together are not at half of what the machine can do: what a pass costs whatever its size.
    Neither,
}

/// Reading transcripts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Text {
    /// Whether they are those of a cache; else a passage, cut to what people say in that time.
    pub cached: bool,
    /// How many.
    pub clips: usize,
    /// Tokens of them.
    pub tokens: usize,
    /// Transcripts a second, one at a time.
    pub alone_per_s: f64,
    /// Transcripts a second, several in a forward pass.
    pub together_per_s: f64,
    /// The second, of the first.
    pub ratio: f64,
}

/// What all of MOSEI would take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Projection {
    /// Its clips.
    pub clips: usize,
    /// Hours of them.
    pub clip_hours: f64,
    /// The number of clips in flight that is fastest.
    pub in_flight: usize,
    /// Hours of simulated text with it.
    pub simulate_hours: f64,
    /// Hours of real text.
    pub text_hours: f64,
}

impl Report {
    /// From what was measured; `taken` has a row or more.
    pub fn new(
        machine: Machine,
        recipe: &SimulatedRecipe,
        work: &Work,
        reach: Option<Reach>,
        voices: &Voices,
        taken: &[Taken],
        read: &Read,
    ) -> Self {
        let alone = taken.iter().find(|taken| taken.in_flight == 1).map(|taken| taken.seconds);
        let row = |taken| Row::of(taken, voices.seconds(), work, reach, alone);
        let simulate: Vec<Row> = taken.iter().map(row).collect();
        let text = Text::of(read);
        let clips = simulate.first().map_or(0, |row| row.clips);
        Self {
            affekt: env!("CARGO_PKG_VERSION"),
            machine,
            recipe: Recipe::of(recipe),
            network: Network {
                name: recipe.network.clone(),
                parameters: (work.layers + work.head) as u64,
                bytes: work.bytes as u64,
            },
            data: Data {
                cached: voices.cached,
                clips: voices.all.len(),
                clip_s: voices.seconds(),
                too_short: voices.all.len() - clips,
            },
            reach,
            projection: Projection::of(&simulate, &text),
            simulate,
            text,
        }
    }
}

impl Recipe {
    fn of(recipe: &SimulatedRecipe) -> Self {
        Self {
            mode: recipe.mode.name(),
            layers: recipe.layers,
            prompt: recipe.prompt.text().to_owned(),
            beams: recipe.beams,
            max_new_tokens: recipe.max_new_tokens,
            robust: recipe.robust,
        }
    }
}

impl Row {
    /// Of voices of `voiced` seconds together; one in flight took `alone` seconds.
    fn of(taken: &Taken, voiced: f64, work: &Work, reach: Option<Reach>, alone: Option<f64>) -> Self {
        let Taken { in_flight, seconds, tally, .. } = taken;
        let (clips, tokens) = (taken.clips(), taken.tokens());
        let each_second = |count: usize| count as f64 / seconds;
        let mean_in_flight = tally.clips as f64 / tally.passes.max(1) as f64;
        let read_gb_per_s = work.read(tally) / seconds / 1e9;
        let gflop_per_s = work.operations(tally, clips) / seconds / 1e9;
        let of_reading = reach.map(|reach| read_gb_per_s / reach.read_gb_per_s);
        let of_products = reach.map(|reach| gflop_per_s / reach.gflop_per_s);
        Self {
            in_flight: *in_flight,
            seconds: *seconds,
            clips,
            tokens,
            passes: tally.passes,
            beam_rows: tally.beam_rows,
            prompt_rows: tally.prompt_rows,
            mean_in_flight,
            occupancy: mean_in_flight / clips.min(*in_flight).max(1) as f64,
            most_in_flight: tally.most_clips,
            held_back: tally.held_back,
            peak_cache_bytes: tally.peak_bytes,
            clips_per_s: each_second(clips),
            tokens_per_s: each_second(tokens),
            rows_per_s: each_second(tally.beam_rows + tally.prompt_rows),
            ratio: alone.map(|alone| alone / seconds),
            read_gb_per_s,
            of_reading,
            gflop_per_s,
            of_products,
            limit: of_reading.zip(of_products).map(|(reading, products)| Limit::of(reading, products)),
            mosei_hours: seconds * CLIP_HOURS / voiced.max(1e-9),
        }
    }
}

impl Limit {
    /// Of generation that reads and multiplies at these shares of what the machine can.
    fn of(reading: f64, products: f64) -> Self {
        // Prompts are multiplied and beams wait for weights one after the other: the shares add up.
        match reading + products >= 0.5 {
            true if reading > products => Self::Weights,
            true => Self::Arithmetic,
            false => Self::Neither,
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "reading weights",
            Self::Arithmetic => "arithmetic",
            Self::Neither => "neither",
        }
    }
}

impl Text {
    fn of(read: &Read) -> Self {
        let clips = read.clips as f64;
        Self {
            cached: read.transcripts,
            clips: read.clips,
            tokens: read.tokens,
            alone_per_s: clips / read.alone,
            together_per_s: clips / read.together,
            ratio: read.alone / read.together,
        }
    }
}

impl Projection {
    fn of(rows: &[Row], text: &Text) -> Self {
        let fastest = rows.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds));
        Self {
            clips: CLIPS as usize,
            clip_hours: CLIP_HOURS,
            in_flight: fastest.map_or(0, |row| row.in_flight),
            simulate_hours: fastest.map_or(0.0, |row| row.mosei_hours),
            text_hours: CLIPS / text.together_per_s / 3600.0,
        }
    }
}

#[cfg(test)]
mod tests;
