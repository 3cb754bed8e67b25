//! Llama over transcripts: all hidden states and logits.

use affekt_llama::{Config, Llama};
use candle_core::Tensor;
use serde_json::Value;

use super::clock::timed;
use super::limits::{Limit, Work};
use super::peer::Sample;
use super::room::{fits, with};
use super::{Error, Limits, Ours, Plan};
use crate::seeded::{integers, weights};

/// The configuration of a scale.
pub(super) fn config(json: Value) -> Config {
    serde_json::from_value(json).expect("these are the published sizes")
}

/// Numbers in weights that every row is multiplied with: all but the table of embeddings.
pub(super) fn parameters(config: &Config) -> usize {
    let (width, heads, kv) = (config.hidden_size, config.num_attention_heads, config.num_key_value_heads);
    let attention = 2 * width * (heads + kv) * config.head_dim;
    config.num_hidden_layers * (attention + 3 * width * config.intermediate_size) + width * config.vocab_size
}

pub(super) fn measure(plan: &Plan, limits: &Limits) -> Result<Vec<(Ours, f64, Limit)>, Error> {
    let (config, dtype) = (config(plan.scale.language()), plan.scale.words());
    let (tokens, batches) = plan.scale.texts();
    let network = fits(plan.device, || Ok(Llama::load(weights(dtype, plan.device), &config)?))?;
    let mut all = Vec::new();
    for &batch in batches {
        let measured = with(&network, plan.device, |network| {
            let ids = integers("input_ids", batch * tokens, config.vocab_size as u32);
            let ids = Tensor::from_vec(ids, (batch, tokens), plan.device)?;
            let forward = || Ok::<_, Error>(network.forward(&network.embed(&ids)?, None)?);
            let seconds = timed(plan.device, plan.runs, forward)?;
            let sample = if batch == batches[0] { Some(Sample::of(&forward()?.logits)?) } else { None };
            Ok((seconds, sample))
        })?;
        let case = format!("{tokens} tokens, all hidden states and logits");
        let work = work(&config, tokens, batch, dtype.size_in_bytes());
        let ours = Ours::new(case, batch, dtype, work, measured);
        let (floor, limit) = limits.floor(&ours.work);
        all.push((ours, floor, limit));
    }
    Ok(all)
}

fn work(config: &Config, tokens: usize, batch: usize, size: usize) -> Work {
    let (rows, parameters) = (batch * tokens, parameters(config));
    let attention = config.num_hidden_layers * 2 * tokens * config.hidden_size;
    let states = rows * ((config.num_hidden_layers + 1) * config.hidden_size + config.vocab_size);
    let flop = 2.0 * rows as f64 * (parameters + attention) as f64;
    let (half, full) = if size == 2 { (flop, 0.0) } else { (0.0, flop) };
    Work { flop: half, flop_f32: full, bytes: (size * (parameters + states)) as f64 }
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::*;

    #[test]
    fn a_token_is_what_the_cost_model_says() {
        let config = config(Scale::Published.language());
        let work = work(&config, 28, 1, 2);
        assert!((13.1e9..13.4e9).contains(&(work.flop / 28.0)), "{}", work.flop / 28.0);
        assert!((13.1e9..13.6e9).contains(&work.bytes), "{}", work.bytes);
    }
}
