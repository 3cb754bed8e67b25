//! The gradient of every parameter of a checkpoint, under the checkpoint's names.

use std::collections::BTreeMap;

use affekt_nn::dropout::Dropout;
use affekt_nn::finite::{Gate, all_finite};
use affekt_train::{Gradients, Key, Parameters};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor, Var};

use crate::{Clips, Config, Error, LossWeights, Losses, Pair, Sdumc, keys};

/// What PyTorch keeps beside the parameters of a normalisation.
const BUFFERS: [&str; 3] = ["running_mean", "running_var", "num_batches_tracked"];

/// A network whose parameters are variables.
pub struct Differentiable {
    network: Sdumc,
    parameters: BTreeMap<String, Var>,
    /// Parameters of the checkpoint that the network does not use, as zeros.
    unused: BTreeMap<String, Tensor>,
}

impl Differentiable {
    /// Takes the values of `checkpoint`, in f32. Errors: those of [`Checkpoint::load`].
    pub fn load(
        checkpoint: &Checkpoint,
        cfg: &Config,
        device: &Device,
    ) -> Result<Self, affekt_weights::Error> {
        let keys = keys(cfg);
        // First as it is: one of another network is refused before anything of that size is drawn.
        checkpoint.load(keys, DType::F32, device, |vb| Sdumc::load(vb, cfg))?;
        let parameters = Parameters::drawn(Key::new(0));
        let network = Sdumc::load(parameters.builder(device), cfg)?;
        let parameters = parameters.all();
        checkpoint.load(keys, DType::F32, device, |vb| {
            parameters.iter().try_for_each(|(name, var)| var.set(&vb.get(var.shape().clone(), name)?))
        })?;
        let mut unused = BTreeMap::new();
        for (published, shape) in checkpoint.shapes() {
            let name = keys.rename(published);
            let buffer = BUFFERS.iter().any(|buffer| name.ends_with(buffer));
            if !buffer && !parameters.contains_key(&name) {
                unused.insert(name, Tensor::zeros(shape, DType::F32, device)?);
            }
        }
        Ok(Self { network, parameters, unused })
    }

    /// Both flows, as [`Sdumc::forward_both`].
    pub fn forward(&self, clips: &Clips, dropout: Dropout) -> Result<Pair, Error> {
        self.network.forward_both(clips, dropout)
    }

    /// The parameters that the network uses, by name.
    pub fn parameters(&self) -> &BTreeMap<String, Var> {
        &self.parameters
    }

    /// The losses of a batch with `labels` (b), without dropout, and their gradient by each parameter, in the
    /// parameter's shape; zeros where the loss does not depend on it.
    ///
    /// Errors: those of [`Sdumc::forward_both`] and [`Losses::of`], and a gradient that is not finite, by name.
    pub fn losses(
        &self,
        clips: &Clips,
        labels: &Tensor,
        weights: &LossWeights,
    ) -> Result<(Losses, BTreeMap<String, Tensor>), Error> {
        let losses = Losses::of(&self.forward(clips, Dropout::OFF)?, labels, weights)?;
        let found = Gradients::of(&self.parameters, losses.total.backward()?);
        let mut gradients = self.unused.clone();
        for (name, var) in &self.parameters {
            let gradient = match found.get(name) {
                Some(gradient) => gradient.clone(),
                None => Tensor::zeros(var.shape(), var.dtype(), var.device())?,
            };
            gradients.insert(name.clone(), gradient);
        }
        if !all_finite(&gradients.values().collect::<Vec<_>>())? {
            for (name, gradient) in &gradients {
                Gate::watching("sdumc").check(|| format!("the gradient of {name}"), gradient)?;
            }
        }
        Ok((losses, gradients))
    }
}
