//! `run generate`: a prompt of embeddings (b, t, width) or ids (b, t) -> tokens, scores and hidden states.

use affekt_generate::engine::most_slots;
use affekt_generate::{Budget, CausalLm, Engine, Generation, Scorer, Settings, Tally};
use affekt_llama::{Config, Llama};
use affekt_pipelines::Error;
use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::job::outputs;
use super::{Job, Outputs, Told, llama};

/// A batch of prompts, padding at the left.
struct Prompts {
    /// (b, t, width)
    embeds: Tensor,
    /// Where each prompt starts: the padding before it.
    starts: Vec<usize>,
    /// The ids (b, t), where the prompt came as such: `generate` then returns them before the new tokens.
    ids: Option<Tensor>,
}

/// How a batch of prompts went through the model.
#[derive(Clone, Debug, Serialize)]
pub struct Search {
    /// Prompts.
    clips: usize,
    /// Tokens of the texts found.
    tokens: usize,
    /// Forward passes.
    passes: usize,
    /// Rows of beams in them.
    beam_rows: usize,
    /// Rows of prompts in them.
    prompt_rows: usize,
    /// Clips in flight, mean over the passes.
    mean_in_flight: f64,
    most_in_flight: usize,
    /// How often a clip had to sit a pass out for want of cache.
    held_back: usize,
    /// Most of the cache that was in use.
    peak_cache_bytes: usize,
    clips_per_s: f64,
    tokens_per_s: f64,
    /// Rows of beams and prompts.
    rows_per_s: f64,
}

impl Search {
    fn new(generations: &[Generation], tally: &Tally) -> Self {
        Self {
            clips: generations.len(),
            tokens: generations.iter().map(|generation| generation.tokens.len()).sum(),
            passes: tally.passes,
            beam_rows: tally.beam_rows,
            prompt_rows: tally.prompt_rows,
            mean_in_flight: tally.clips as f64 / tally.passes as f64,
            most_in_flight: tally.most_clips,
            held_back: tally.held_back,
            peak_cache_bytes: tally.peak_bytes,
            clips_per_s: 0.0,
            tokens_per_s: 0.0,
            rows_per_s: 0.0,
        }
    }

    /// Sets the rates of a search that took so many seconds.
    pub fn took(&mut self, seconds: f64) {
        self.clips_per_s = self.clips as f64 / seconds;
        self.tokens_per_s = self.tokens as f64 / seconds;
        self.rows_per_s = (self.beam_rows + self.prompt_rows) as f64 / seconds;
    }
}

pub fn prepare(job: &Job) -> Result<Told, Error> {
    let in_flight = in_flight(job)?;
    let (network, config) = llama::load(job)?;
    let settings = settings(job, &config)?;
    let prompts = prompts(job, &network, &config)?;
    let budget = budget(&prompts, &settings, in_flight, network.slot_bytes())?;
    Ok(Box::new(move || {
        let mut engine = Engine::new(&network, settings.clone(), budget)?;
        for (row, &start) in prompts.starts.iter().enumerate() {
            let embeds = prompts.embeds.narrow(0, row, 1)?; // (1, t, width)
            let embeds = embeds.narrow(1, start, embeds.dim(1)? - start)?.contiguous()?; // (1, t - start, width)
            engine.submit(row, &embeds, settings.max_new_tokens)?;
        }
        let mut found = engine.by_ref().collect::<Vec<_>>();
        found.sort_unstable_by_key(|(row, _)| *row);
        let found = found.into_iter().map(|(_, found)| Ok(found?)).collect::<Result<Vec<_>, Error>>()?;
        let outputs = collect(&found, prompts.ids.as_ref(), settings.eos.first().copied().unwrap_or(0))?;
        Ok((outputs, Some(Search::new(&found, &engine.tally()))))
    }))
}

fn in_flight(job: &Job) -> Result<usize, Error> {
    match job.special().in_flight {
        Some(0) => {
            let reason = "no prompt would be searched with none in flight: use 1 or more".into();
            Err(Error::Setting { name: "--in-flight".into(), reason })
        }
        given => Ok(given.unwrap_or(Budget::default().clips)),
    }
}

/// Cache for as many of the longest prompts as may be in flight, within the default; for one of them in any case.
fn budget(
    prompts: &Prompts,
    settings: &Settings,
    in_flight: usize,
    slot_bytes: usize,
) -> Result<Budget, Error> {
    let padded = prompts.embeds.dim(1)?;
    let need = |start: &usize| most_slots(padded - start, settings.beams, settings.max_new_tokens);
    let mut slots: Vec<usize> = prompts.starts.iter().map(need).collect();
    slots.sort_unstable_by(|a, b| b.cmp(a));
    let bytes = |slots: usize| slots.saturating_mul(slot_bytes);
    let all = slots.iter().take(in_flight).fold(0, |all: usize, slots| all.saturating_add(*slots));
    let largest = bytes(slots.first().copied().unwrap_or(0));
    let defaults = Budget::default();
    Ok(Budget { bytes: bytes(all).min(defaults.bytes).max(largest), clips: in_flight, ..defaults })
}

fn settings(job: &Job, config: &Config) -> Result<Settings, Error> {
    let special = job.special();
    let defaults = Settings::default();
    let scorer = match special.scorer.as_deref() {
        None | Some("hf5") => Scorer::Hf5,
        Some("hf4") => Scorer::Hf4,
        Some(other) => {
            let reason = format!("{other:?} is no scorer: use hf5 or hf4");
            return Err(Error::Setting { name: "--scorer".into(), reason });
        }
    };
    Ok(Settings {
        beams: special.beams.unwrap_or(defaults.beams),
        max_new_tokens: special.max_new_tokens.unwrap_or(defaults.max_new_tokens),
        eos: config.eos_token_ids.clone(),
        scorer,
        layers: special.layers.as_deref().map_or(Ok(defaults.layers), str::parse)?,
    })
}

fn prompts(job: &Job, network: &Llama, config: &Config) -> Result<Prompts, Error> {
    let (embeds, ids) = if job.input.has("inputs_embeds") {
        (job.input.floats("inputs_embeds", 3, job.dtype)?, None) // (b, t, width)
    } else {
        let mask = llama::attention_mask(job, job.input.integers("input_ids", 2)?.dims2()?)?;
        let ids = llama::input_ids(job, config, mask.as_ref())?;
        (network.embed(&ids)?, Some(job.input.integers("input_ids", 2)?)) // (b, t, width)
    };
    let (b, t, width) = embeds.dims3()?;
    if width != config.hidden_size {
        let wanted = format!("of width {}, as the network", config.hidden_size);
        return Err(job.input.bad("inputs_embeds", &embeds, &wanted).into());
    }
    let starts = match llama::attention_mask(job, (b, t))? {
        None => vec![0; b],
        Some(mask) => mask
            .to_vec2::<i64>()?
            .iter()
            .map(|row| {
                let start = row
                    .iter()
                    .position(|&there| there == 1)
                    .filter(|&at| row[at..].iter().all(|&there| there == 1));
                let wanted = "of rows with all padding at the left and at least one position";
                start.ok_or_else(|| job.input.bad("attention_mask", &mask, wanted).into())
            })
            .collect::<Result<_, Error>>()?,
    };
    Ok(Prompts { embeds, starts, ids })
}

fn collect(generations: &[Generation], ids: Option<&Tensor>, pad: u32) -> Result<Outputs, Error> {
    let longest = generations.iter().map(|generation| generation.tokens.len()).max().unwrap_or(0);
    let padded = |generation: &Generation| {
        let tokens = generation.tokens.iter().chain(std::iter::repeat(&pad)).take(longest);
        tokens.map(|&token| i64::from(token)).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<i64>> = generations.iter().map(padded).collect();
    let new = Tensor::new(rows, &Device::Cpu)?; // (b, longest)
    let sequences = match ids {
        Some(ids) => Tensor::cat(&[&ids.to_device(&Device::Cpu)?, &new], 1)?, // (b, t + longest)
        None => new,
    };
    let scores: Vec<f32> = generations.iter().map(|generation| generation.score as f32).collect();
    let best: Vec<&Tensor> = generations.iter().map(|generation| &generation.hidden_best).collect();
    let beam0: Vec<&Tensor> = generations.iter().map(|generation| &generation.hidden_beam0).collect();
    let ((best, best_lengths), (beam0, beam0_lengths)) = (stack(&best)?, stack(&beam0)?);
    Ok(outputs([
        ("sequences", sequences),
        ("scores", Tensor::new(scores, &Device::Cpu)?),
        ("hidden.best", best),
        ("lengths.best", best_lengths),
        ("hidden.beam0", beam0),
        ("lengths.beam0", beam0_lengths),
    ]))
}

/// Pads rows (r, width) with zeros to the longest: (b, longest, width) and the true lengths (b).
fn stack(rows: &[&Tensor]) -> Result<(Tensor, Tensor), Error> {
    let lengths = rows.iter().map(|rows| rows.dim(0)).collect::<Result<Vec<_>, _>>()?;
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let padded = rows.iter().zip(&lengths).map(|(rows, length)| {
        rows.to_dtype(DType::F32)?.pad_with_zeros(0, 0, longest - length) // (longest, width)
    });
    let stacked = Tensor::stack(&padded.collect::<Result<Vec<_>, _>>()?, 0)?; // (b, longest, width)
    let lengths: Vec<i64> = lengths.into_iter().map(|length| length as i64).collect();
    Ok((stacked, Tensor::new(lengths, &Device::Cpu)?))
}
