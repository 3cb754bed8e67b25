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

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn layers_are_summed() {
        let state = |value: f32| Tensor::full(value, (1, 2, 3), &Device::Cpu).unwrap();
        let states = [state(1.0), state(2.0), state(4.0)];
        let sum = summed(&states, LayerRule::sum(-2, -1)).unwrap();
        assert_eq!(sum.to_vec2::<f32>().unwrap(), vec![vec![6.0; 3]; 2]);
    }
}
