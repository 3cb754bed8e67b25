//! `run llama`: input_ids (b, t), optional attention_mask (b, t) -> hidden_states.i (b, t, width), logits (b, t, vocab).

use affekt_llama::{Config, KEYS, Llama};
use affekt_pipelines::Error;
use candle_core::{DType, Tensor};

use super::{Forward, Job, Outputs};

/// Loads the language model of a job: from a GGUF file, which holds its configuration, or from anything else.
pub fn load(job: &Job) -> Result<(Llama, Config), Error> {
    if let Some(path) = job.gguf() {
        if job.dtype != DType::F32 {
            let reason = "a GGUF file's weights keep their type and run with f32 hidden states".into();
            return Err(Error::Setting { name: "--dtype".into(), reason });
        }
        return Ok(Llama::load_gguf(path, &job.device)?);
    }
    let config: Config = job.config()?;
    let network = job.weights()?.load(&KEYS, job.dtype, &job.device, |vb| Llama::load(vb, &config))?;
    Ok((network, config))
}

/// `input_ids` (b, t), each inside the vocabulary. Where `mask` has padding they may be anything, and become 0.
pub fn input_ids(job: &Job, config: &Config, mask: Option<&Tensor>) -> Result<Tensor, Error> {
    let ids = job.input.integers("input_ids", 2)?;
    let ids = match mask {
        Some(mask) => mask.ne(0_i64)?.where_cond(&ids, &ids.zeros_like()?)?,
        None => ids,
    };
    let vocabulary = 0..config.vocab_size as i64;
    if let Some(id) = ids.flatten_all()?.to_vec1::<i64>()?.iter().find(|id| !vocabulary.contains(id)) {
        return Err(job
            .input
            .bad("input_ids", &ids, &format!("of ids below {}, not {id}", config.vocab_size))
            .into());
    }
    Ok(ids)
}

/// `attention_mask` of the batch and length of the prompt (b, t), where there is one: all 0 and 1.
pub fn attention_mask(job: &Job, (b, t): (usize, usize)) -> Result<Option<Tensor>, Error> {
    if !job.input.has("attention_mask") {
        return Ok(None);
    }
    let mask = job.input.integers("attention_mask", 2)?;
    let binary = mask.flatten_all()?.to_vec1::<i64>()?.iter().all(|&value| value == 0 || value == 1);
    if mask.dims() != [b, t] || !binary {
        return Err(job
            .input
            .bad("attention_mask", &mask, &format!("of zeros and ones, shape [{b}, {t}]"))
            .into());
    }
    Ok(Some(mask))
}

pub fn prepare(job: &Job) -> Result<Forward, Error> {
    let (network, config) = load(job)?;
    let shape = job.input.integers("input_ids", 2)?.dims2()?;
    let mask = attention_mask(job, shape)?;
    let ids = input_ids(job, &config, mask.as_ref())?;
    Ok(Box::new(move || {
        let output = network.forward(&network.embed(&ids)?, mask.as_ref())?;
        let named = output.hidden_states.iter().enumerate();
        let mut named = named
            .map(|(at, state)| Ok((format!("hidden_states.{at}"), state.to_dtype(DType::F32)?)))
            .collect::<Result<Outputs, Error>>()?;
        named.insert("logits".into(), output.logits.to_dtype(DType::F32)?);
        Ok(named)
    }))
}
