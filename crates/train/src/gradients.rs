//! Gradients by name.

use std::collections::BTreeMap;

use affekt_nn::many;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};

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

    /// The square of [`Self::norm`], () in f64, where the gradients are: on a card nobody waits for it.
    pub fn square(&self) -> Result<Tensor> {
        let all: Vec<&Tensor> = self.0.values().collect();
        if let Some(first) = all.first()
            && all.iter().all(|x| many::take(x) && x.device().same_device(first.device()))
        {
            return many::squares(&all);
        }
        let mut sum = 0.0;
        for gradient in all {
            sum += gradient.to_dtype(DType::F32)?.sqr()?.sum_all()?.to_scalar::<f32>()? as f64;
        }
        Tensor::new(sum, &Device::Cpu)
    }

    /// Euclidean norm of all of them together. On a card this waits, once.
    pub fn norm(&self) -> Result<f64> {
        Ok(self.square()?.to_scalar::<f64>()?.sqrt())
    }

    /// Shrinks all of them together, where their `norm` is above `most`, to that norm, as PyTorch's `clip_grad_norm_` does.
    pub fn shrink(&mut self, most: f64, norm: f64) -> Result<()> {
        let factor = most / (norm + 1e-6);
        if factor >= 1.0 {
            return Ok(());
        }
        // A backward pass has summed each of them in memory of its own, which nobody else reads any more.
        let (on_card, others): (Vec<_>, Vec<_>) =
            self.0.values_mut().partition(|gradient| many::take(gradient));
        for gradient in others {
            *gradient = (&*gradient * factor)?;
        }
        let on_card: Vec<&Tensor> = on_card.into_iter().map(|gradient| &*gradient).collect();
        if on_card.is_empty() { Ok(()) } else { many::scale(&on_card, factor) }
    }

    /// [`Self::shrink`] to `most`. Returns the norm before.
    pub fn clip(&mut self, most: f64) -> Result<f64> {
        let norm = self.norm()?;
        self.shrink(most, norm)?;
        Ok(norm)
    }
}
