//! From waveform, faces, words and speech to the features of the fusion model: one module a feature, each with its
//! `Encoder`: network and recipe.

pub mod audio;
mod frames;
pub mod simulated;
pub mod text;
pub mod video;

use affekt_core::{FeatureKind, LayerRule};
use affekt_weights::Bundle;
use candle_core::{DType, Tensor};

use crate::Error;
use crate::recipe::{Recipes, width};

/// Numbers a row of a feature, as its spec states them: kept rows of another width would be a wrong cache.
#[derive(Clone, Copy, Debug)]
struct Width {
    kind: FeatureKind,
    numbers: usize,
}

impl Width {
    /// What the spec of `kind` states; an error where the loaded network says another.
    fn of(bundle: &Bundle, recipes: &Recipes, kind: FeatureKind, loaded: usize) -> Result<Self, Error> {
        let width = Self { kind, numbers: width(bundle, recipes, kind)? };
        width.check(loaded)?;
        Ok(width)
    }

    fn check(self, found: usize) -> Result<(), Error> {
        let Self { kind, numbers: wanted } = self;
        if found == wanted { Ok(()) } else { Err(Error::Width { kind, found, wanted }) }
    }

    /// The rows that a network made, where they are as wide as they should be.
    fn held(self, rows: Tensor) -> Result<Tensor, Error> {
        self.check(*rows.dims().last().unwrap_or(&0))?;
        Ok(rows)
    }
}

/// Sums the entries of `states`, each (b, t, width), that `layers` names: (b, t, width).
fn summed(states: &[Tensor], layers: LayerRule) -> Result<Tensor, Error> {
    let entries = layers.resolve(states.len())?;
    let (first, rest) = (&states[*entries.start()], &states[entries.start() + 1..=*entries.end()]);
    let mut sum = first.to_dtype(DType::F32)?;
    for state in rest {
        sum = (sum + state.to_dtype(DType::F32)?)?;
    }
    Ok(sum)
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
        assert_eq!(sum.to_vec3::<f32>().unwrap(), vec![vec![vec![6.0; 3]; 2]]);
    }

    #[test]
    fn rows_of_another_width_are_refused() {
        let rows = |width: usize| Tensor::zeros((2, width), DType::F32, &Device::Cpu).unwrap();
        let width = Width { kind: FeatureKind::Video, numbers: 128 };
        assert!(width.held(rows(128)).is_ok());
        let error = width.held(rows(64)).unwrap_err().to_string();
        assert!(error.contains("video") && error.contains("64") && error.contains("128"), "{error}");
    }
}
