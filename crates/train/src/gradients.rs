//! Gradients by name.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, Var};

/// The gradient of each parameter that has one.
#[derive(Debug, Default)]
pub struct Gradients(BTreeMap<String, Tensor>);

impl Gradients {
    /// Takes those of `vars` out of what a backward pass has left.
    pub fn of(vars: &BTreeMap<String, Var>, mut store: GradStore) -> Self {
        let found = vars.iter().filter_map(|(name, var)| Some((name.clone(), store.remove(var)?)));
        Self(found.collect())
    }

    /// The gradient of a parameter; `None` where the loss does not depend on it.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// Euclidean norm of all of them together.
    pub fn norm(&self) -> Result<f64> {
        let mut sum = 0.0;
        for gradient in self.0.values() {
            sum += gradient.to_dtype(DType::F32)?.sqr()?.sum_all()?.to_scalar::<f32>()? as f64;
        }
        Ok(sum.sqrt())
    }

    /// Shrinks all of them together, where their norm is above `most`, to that norm, as PyTorch's `clip_grad_norm_` does.
    /// Returns the norm before.
    pub fn clip(&mut self, most: f64) -> Result<f64> {
        let norm = self.norm()?;
        let factor = most / (norm + 1e-6);
        if factor < 1.0 {
            for gradient in self.0.values_mut() {
                *gradient = (&*gradient * factor)?;
            }
        }
        Ok(norm)
    }
}
