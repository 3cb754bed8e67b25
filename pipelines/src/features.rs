//! From waveform, faces, words and speech to the features of the fusion model: one module a feature.

pub mod audio;
pub mod simulated;
pub mod text;
pub mod video;

use affekt_core::LayerRule;
use candle_core::{DType, Tensor};

use crate::Error;

/// Sums the entries of `states`, each (1, t, width), that `layers` names: (t, width).
fn summed(states: &[Tensor], layers: LayerRule) -> Result<Tensor, Error> {
    let entries = layers.resolve(states.len())?;
    let (first, rest) = (&states[*entries.start()], &states[entries.start() + 1..=*entries.end()]);
    let mut sum = first.to_dtype(DType::F32)?;
    for state in rest {
        sum = (sum + state.to_dtype(DType::F32)?)?;
    }
    Ok(sum.squeeze(0)?) // (t, width)
}

/// The gate behind every encoder: a checkpoint that overflows must not pass for a feature.
fn finite(feature: Tensor, network: &str) -> Result<Tensor, Error> {
    // A sum is finite only if all its terms are; in f64 it cannot overflow by itself.
    let sum = feature.to_dtype(DType::F64)?.abs()?.sum_all()?.to_scalar::<f64>()?;
    if sum.is_finite() { Ok(feature) } else { Err(Error::NotFinite { network: network.into() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn layers_are_summed_and_nan_is_stopped() {
        let state = |value: f32| Tensor::full(value, (1, 2, 3), &Device::Cpu).unwrap();
        let states = [state(1.0), state(2.0), state(4.0)];
        let sum = summed(&states, LayerRule::sum(-2, -1)).unwrap();
        assert_eq!(sum.to_vec2::<f32>().unwrap(), vec![vec![6.0; 3]; 2]);
        assert!(finite(sum, "n").is_ok());
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(matches!(finite(state(bad), "n"), Err(Error::NotFinite { .. })));
        }
    }
}
