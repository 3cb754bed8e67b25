//! Beam search over prompts of speech: every text has the same number of new tokens, since no token ends one.

use affekt_core::LayerRule;
use affekt_generate::engine::most_slots;
use affekt_generate::{Budget, Engine, Generation, Scorer, Settings};
use affekt_llama::{Config, Llama};
use candle_core::Tensor;

use super::clock::{median, timed};
use super::limits::{Limit, Work};
use super::peer::Sample;
use super::room::{fits, with};
use super::scale::Searches;
use super::words::{config, parameters};
use super::{Error, Limits, Ours, Plan};
use crate::seeded::{noise, weights};

/// The row of a single step.
pub(super) const STEP: &str = "one step of decoding behind the prompt";
/// Positions of prompts in a pass: as many as make a product that arithmetic limits.
const PREFILL: usize = 2048;

pub(super) fn measure(plan: &Plan, limits: &Limits) -> Result<Vec<(Ours, f64, Limit)>, Error> {
    let (config, dtype, sizes) = (config(plan.scale.language()), plan.scale.words(), plan.scale.searches());
    let network = fits(plan.device, || Ok(Llama::load(weights(dtype, plan.device), &config)?))?;
    let search = Search { config: &config, sizes, size: dtype.size_in_bytes() };
    let Searches { prompt, tokens, beams, clips, .. } = sizes;
    let deviation = (1.0 / config.hidden_size as f64).sqrt();
    let prompts =
        |batch: usize| noise("prompt", (batch, prompt, config.hidden_size), deviation, dtype, plan.device);
    let mut all = Vec::new();
    for &batch in clips {
        let measured = with(&network, plan.device, |network| {
            let prompts = prompts(batch)?;
            let seconds = timed(plan.device, plan.runs, || search.run(network, &prompts, tokens))?;
            let sample = if batch == clips[0] { Some(search.sample(network, &prompts)?) } else { None };
            Ok((seconds, sample))
        })?;
        let case = format!("{beams} beams, prompt of {prompt}, {tokens} new tokens");
        let (floor, limit) = search.floor(limits, batch);
        all.push((Ours::new(case, batch, dtype, search.work(batch), measured), floor, limit));
    }
    // What the first pass and the end of a search cost is in both: of one clip, whole and cut short.
    let step = with(&network, plan.device, |network| {
        let prompts = prompts(1)?;
        let median = |tokens| {
            let seconds = timed(plan.device, plan.runs, || search.run(network, &prompts, tokens))?;
            Ok::<_, Error>(median(&seconds))
        };
        Ok((vec![(median(tokens)? - median(2)?).max(1e-9) / (tokens - 2) as f64], None))
    })?;
    let work = Work { bytes: (search.size * parameters(&config)) as f64, ..Work::default() };
    let (floor, limit) = limits.floor(&work);
    all.push((Ours::new(STEP.into(), 1, dtype, work, step), floor, limit));
    Ok(all)
}

struct Search<'s> {
    config: &'s Config,
    sizes: Searches,
    /// Bytes of a number.
    size: usize,
}

impl Search<'_> {
    /// The logits behind the first of `prompts`, which tell one network from another by more than the score of a text
    /// does, and the tokens of its text.
    fn sample(&self, network: &Llama, prompts: &Tensor) -> Result<Sample, Error> {
        let first = prompts.narrow(0, 0, 1)?.contiguous()?;
        let logits = network.forward(&first, None)?.logits; // (1, t, vocab)
        let behind = logits.narrow(1, self.sizes.prompt - 1, 1)?;
        let found = self.run(network, &first, self.sizes.tokens)?;
        let tokens = found.into_iter().next().map(|found| found.tokens).unwrap_or_default();
        Ok(Sample { tokens, ..Sample::of(&behind)? })
    }

    /// Searches for all `prompts` (b, t, width) at once.
    fn run(&self, network: &Llama, prompts: &Tensor, tokens: usize) -> Result<Vec<Generation>, Error> {
        let (clips, beams) = (prompts.dim(0)?, self.sizes.beams);
        let settings = Settings {
            beams,
            max_new_tokens: tokens,
            eos: Vec::new(),
            scorer: Scorer::Hf5,
            layers: LayerRule::entry(-4),
        };
        let slots = clips * most_slots(self.sizes.prompt, beams, tokens);
        let budget = Budget { bytes: slots * network.cached().slot_bytes(), clips, prefill: PREFILL };
        let mut engine = Engine::new(network, settings, budget)?;
        for clip in 0..clips {
            engine.submit(clip, &prompts.narrow(0, clip, 1)?.contiguous()?, tokens)?;
        }
        let mut found: Vec<_> = engine.by_ref().collect();
        found.sort_unstable_by_key(|(clip, _)| *clip);
        found.into_iter().map(|(_, found)| Ok(found?)).collect()
    }

    /// Operations of a row, and bytes of a position in the cache.
    fn row(&self) -> (f64, f64) {
        let cached =
            2 * self.config.num_hidden_layers * self.config.num_key_value_heads * self.config.head_dim;
        (2.0 * parameters(self.config) as f64, (self.size * cached) as f64)
    }

    /// All rows of `clips` clips; weights read at every step; of the cache what every step has to read.
    fn work(&self, clips: usize) -> Work {
        let passes = self.passes(clips);
        let add = |sum: Work, one: &Work| Work {
            flop: sum.flop + one.flop,
            flop_f32: sum.flop_f32 + one.flop_f32,
            bytes: sum.bytes + one.bytes,
        };
        passes.iter().fold(Work::default(), add)
    }

    /// Prompts, then every step: each is limited by itself. The prompt's cache is shared by the beams of a clip.
    fn passes(&self, clips: usize) -> Vec<Work> {
        let (flop, cached) = self.row();
        let (weights, Searches { prompt, tokens, beams, .. }) =
            ((self.size * parameters(self.config)) as f64, self.sizes);
        let work = |rows: usize, read: f64| {
            let flop = rows as f64 * flop;
            let (half, full) = if self.size == 2 { (flop, 0.0) } else { (0.0, flop) };
            Work { flop: half, flop_f32: full, bytes: weights + read * cached }
        };
        let step = |at: usize| work(clips * beams, (clips * (prompt + beams * at)) as f64);
        std::iter::once(work(clips * prompt, (clips * prompt) as f64)).chain((1..tokens).map(step)).collect()
    }

    /// The sum of the floors of all passes, and the limit of a step in the middle.
    fn floor(&self, limits: &Limits, clips: usize) -> (f64, Limit) {
        let floors: Vec<(f64, Limit)> = self.passes(clips).iter().map(|work| limits.floor(work)).collect();
        (floors.iter().map(|(seconds, _)| seconds).sum(), floors[floors.len() / 2].1)
    }
}
