//! WavLM over clips of one length, all hidden states.

use affekt_wavlm::{Config, RawConfig, WavLm};

use super::clock::timed;
use super::limits::{Limit, Work};
use super::peer::Sample;
use super::room::{fits, with};
use super::{Error, Limits, Ours, Plan};
use crate::seeded::{noise, weights};

pub(super) fn measure(plan: &Plan, limits: &Limits) -> Result<Vec<(Ours, f64, Limit)>, Error> {
    let raw: RawConfig = serde_json::from_value(plan.scale.speech()).expect("these are the published sizes");
    let (config, samples) = (raw.into_config()?, plan.scale.samples());
    let mut all = Vec::new();
    for dtype in plan.scale.halves() {
        let network = fits(plan.device, || Ok(WavLm::load(weights(dtype, plan.device), &config)?))?;
        for &batch in plan.scale.clips() {
            let first = batch == plan.scale.clips()[0];
            let measured = with(&network, plan.device, |network| {
                let voices = noise("waveform", (batch, samples), 1.0, dtype, plan.device)?;
                let seconds = timed(plan.device, plan.runs, || Ok(network.forward(&voices, None)?))?;
                let states = if first { network.forward(&voices, None)? } else { Vec::new() };
                Ok((seconds, states.last().map(Sample::of).transpose()?))
            })?;
            let case = format!("{} s, all hidden states", samples / 16_000);
            let ours = Ours::new(case, batch, dtype, work(&config, samples, batch), measured);
            let (floor, limit) = limits.floor(&ours.work);
            all.push((ours, floor, limit));
        }
    }
    Ok(all)
}

/// Products, at two operations a multiplication; weights read once, hidden states written once, 2 bytes each.
fn work(config: &Config, samples: usize, batch: usize) -> Work {
    let (mut length, mut products, mut parameters) = (samples, 0, 0);
    for conv in &config.convs {
        length = conv.length(length);
        let weights = conv.inputs * conv.outputs * conv.kernel;
        products += weights * length;
        parameters += weights;
    }
    let (t, d) = (length, config.hidden_size);
    let last = config.convs.last().map_or(0, |conv| conv.outputs);
    let positional = config.positional_kernel * (d / config.positional_groups) * d;
    let layer = 4 * d * d + 2 * d * config.intermediate_size;
    let weights = last * d + positional + config.layers * layer;
    products += weights * t + config.layers * 2 * t * t * d;
    parameters += weights;
    let states = batch * (config.layers + 1) * t * d;
    Work { flop: 2.0 * (batch * products) as f64, bytes: 2.0 * (parameters + states) as f64, flop_f32: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::*;

    #[test]
    fn a_second_of_speech_is_what_the_cost_model_says() {
        let raw: RawConfig = serde_json::from_value(Scale::Published.speech()).unwrap();
        let work = work(&raw.into_config().unwrap(), 128_000, 1);
        let per_second = work.flop / 8.0 / 1e9;
        assert!((37.0..39.0).contains(&per_second), "{per_second} GFLOP");
    }
}
