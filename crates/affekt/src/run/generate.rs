//! `run generate`: a prompt of embeddings (b, t, width) or ids (b, t) -> tokens, scores and hidden states.

use affekt_generate::{Generation, Scorer, Settings, beam_search};
use affekt_llama::{Config, Llama};
use affekt_pipelines::Error;
use candle_core::{DType, Device, Tensor};

use super::job::outputs;
use super::{Forward, Job, Outputs, llama};

/// A batch of prompts, padding at the left.
struct Prompts {
    /// (b, t, width)
    embeds: Tensor,
    /// Where each prompt starts: the padding before it.
    starts: Vec<usize>,
    /// The ids (b, t), where the prompt came as such: `generate` then returns them before the new tokens.
    ids: Option<Tensor>,
}

pub fn prepare(job: &Job) -> Result<Forward, Error> {
    let (network, config) = llama::load(job)?;
    let settings = settings(job, &config)?;
    let prompts = prompts(job, &network, &config)?;
    Ok(Box::new(move || {
        let generations = prompts.starts.iter().enumerate().map(|(row, &start)| {
            let embeds = prompts.embeds.narrow(0, row, 1)?; // (1, t, width)
            let embeds = embeds.narrow(1, start, embeds.dim(1)? - start)?.contiguous()?; // (1, t - start, width)
            Ok(beam_search(&network, &embeds, &settings)?)
        });
        let generations = generations.collect::<Result<Vec<_>, Error>>()?;
        collect(&generations, prompts.ids.as_ref(), settings.eos.first().copied().unwrap_or(0))
    }))
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
