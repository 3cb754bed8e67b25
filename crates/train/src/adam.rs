//! The optimiser.

use std::collections::BTreeMap;

use affekt_nn::many;
use candle_core::{CpuStorage, DType, Device, InplaceOp3, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Gradients};

/// Numbers that a thread takes at once.
const BLOCK: usize = 1 << 14;

/// Settings of [`Adam`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Learning rate before the schedule.
    pub lr: f64,
    /// What remains of the two moments at each step.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// L2 penalty: this much of the parameter is added to its gradient.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    /// The paper's rate and penalty, PyTorch's moments.
    fn default() -> Self {
        Self { lr: 1e-4, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 1e-5 }
    }
}

impl AdamConfig {
    /// Checks that the settings have a meaning.
    pub fn check(&self) -> std::result::Result<(), Error> {
        let not_negative = "it must be a number and at least 0";
        let beta = "it must be at least 0 and below 1";
        let wrong = |value: f64| !value.is_finite() || value < 0.0;
        let found = [
            ("optimiser.lr", self.lr, wrong(self.lr), not_negative),
            ("optimiser.betas[0]", self.betas[0], wrong(self.betas[0]) || self.betas[0] >= 1.0, beta),
            ("optimiser.betas[1]", self.betas[1], wrong(self.betas[1]) || self.betas[1] >= 1.0, beta),
            ("optimiser.eps", self.eps, wrong(self.eps), not_negative),
            ("optimiser.weight_decay", self.weight_decay, wrong(self.weight_decay), not_negative),
        ];
        match found.into_iter().find(|(_, _, wrong, _)| *wrong) {
            Some((name, value, _, wanted)) => Err(Error::Setting { name, value: value.to_string(), wanted }),
            None => Ok(()),
        }
    }
}

/// Adam (Kingma and Ba 2015) as PyTorch's `torch.optim.Adam` computes it, the penalty inside of the gradient (not
/// AdamW). A parameter without a gradient keeps its value and its moments: a gradient of zero would still decay it.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    state: BTreeMap<String, Moments>,
}

/// What is remembered of one parameter.
#[derive(Debug)]
struct Moments {
    steps: u32,
    first: Tensor,
    second: Tensor,
}

impl Adam {
    /// Without any memory.
    pub fn new(config: AdamConfig) -> Self {
        Self { config, state: BTreeMap::new() }
    }

    /// One step of `vars` against their gradients, the learning rate multiplied by `factor`. On a card all of them move
    /// in one launch, and nobody waits.
    pub fn step(&mut self, vars: &BTreeMap<String, Var>, gradients: &Gradients, factor: f64) -> Result<()> {
        let mut on_card = Vec::new();
        for (name, var) in vars {
            let Some(gradient) = gradients.get(name) else { continue };
            let moments = match self.state.get_mut(name) {
                Some(moments) => moments,
                None => {
                    let moments = Moments { steps: 0, first: var.zeros_like()?, second: var.zeros_like()? };
                    self.state.entry(name.clone()).or_insert(moments)
                }
            };
            moments.steps += 1;
            let gradient = gradient.contiguous()?;
            let all = [var.as_tensor(), &moments.first, &moments.second, &gradient];
            if all.into_iter().all(many::take) {
                on_card.push((name, var, gradient));
            } else {
                moments.update(var, &gradient, &self.config, factor)?;
            }
        }
        self.step_on_card(&on_card, factor)
    }

    /// Parameters whose moments are there, by kernels for cards.
    fn step_on_card(&self, on_card: &[(&String, &Var, Tensor)], factor: f64) -> Result<()> {
        let AdamConfig { betas, eps, weight_decay, .. } = self.config;
        let settings =
            many::Adam { betas: betas.map(|beta| beta as f32), decay: weight_decay as f32, eps: eps as f32 };
        let moved = on_card.iter().map(|(name, var, gradient)| {
            let moments = &self.state[*name];
            let (rate, root) = moments.rate(&self.config, factor);
            let (first, second) = (&moments.first, &moments.second);
            let (rate, root) = (rate as f32, root as f32);
            many::Moved { parameter: var.as_tensor(), first, second, gradient, rate, root }
        });
        many::adam(settings, &moved.collect::<Vec<_>>())
    }

    /// The moments as tensors: `first.NAME`, `second.NAME`, and the number of steps as `steps.NAME` ().
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = BTreeMap::new();
        for (name, Moments { steps, first, second }) in &self.state {
            tensors.insert(format!("first.{name}"), first.clone());
            tensors.insert(format!("second.{name}"), second.clone());
            tensors.insert(format!("steps.{name}"), Tensor::new(*steps, &Device::Cpu)?);
        }
        Ok(tensors)
    }

    /// Remembers what [`Self::tensors`] has told.
    pub fn restore(
        &mut self,
        vars: &BTreeMap<String, Var>,
        tensors: &BTreeMap<String, Tensor>,
    ) -> std::result::Result<(), Error> {
        self.state.clear();
        for (name, steps) in
            tensors.iter().filter_map(|(key, value)| Some((key.strip_prefix("steps.")?, value)))
        {
            let bad = |reason: &str| Error::Parameter { name: name.into(), reason: reason.into() };
            let var =
                vars.get(name).ok_or_else(|| bad("is none of the network's, but the optimiser knows it"))?;
            let moment = |of: &str| -> std::result::Result<Tensor, Error> {
                let found = tensors.get(&format!("{of}.{name}")).filter(|found| found.shape() == var.shape());
                let found = found.ok_or_else(|| bad("has no moments of its shape"))?;
                // A copy: steps change it where it lies.
                Ok(found.to_device(var.device())?.copy()?)
            };
            let steps = steps.to_scalar::<u32>()?;
            let moments = Moments { steps, first: moment("first")?, second: moment("second")? };
            self.state.insert(name.to_owned(), moments);
        }
        Ok(())
    }
}

impl Moments {
    /// The learning rate, and the root of the second moment's share, after so many steps.
    fn rate(&self, config: &AdamConfig, factor: f64) -> (f64, f64) {
        let [beta1, beta2] = config.betas;
        let steps = f64::from(self.steps);
        (config.lr * factor / (1.0 - beta1.powf(steps)), (1.0 - beta2.powf(steps)).sqrt())
    }

    fn update(&mut self, var: &Var, gradient: &Tensor, config: &AdamConfig, factor: f64) -> Result<()> {
        let [beta1, beta2] = config.betas;
        let (rate, root) = self.rate(config, factor);
        if var.device().is_cpu() && var.dtype() == DType::F32 {
            let decay = config.weight_decay as f32;
            self.first.inplace_op3(gradient, var, &First { beta: beta1 as f32, decay })?;
            self.second.inplace_op3(gradient, var, &Second { beta: beta2 as f32, decay })?;
            let step = Step { rate: rate as f32, root: root as f32, eps: config.eps as f32 };
            return var.inplace_op3(&self.first, &self.second, &step);
        }
        let gradient = (gradient + (var.as_detached_tensor() * config.weight_decay)?)?;
        self.first = ((&self.first * beta1)? + (&gradient * (1.0 - beta1))?)?;
        self.second = ((&self.second * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
        let scale = ((self.second.sqrt()? / root)? + config.eps)?;
        var.set(&(var.as_detached_tensor() - ((&self.first / scale)? * rate)?)?)
    }
}

/// m <- beta m + (1 - beta) (g + decay w)
struct First {
    beta: f32,
    decay: f32,
}

/// v <- beta v + (1 - beta) (g + decay w)^2
struct Second {
    beta: f32,
    decay: f32,
}

/// w <- w - rate m / (sqrt(v) / root + eps)
struct Step {
    rate: f32,
    root: f32,
    eps: f32,
}

/// One pass over three equally long, contiguous runs of numbers, on all threads.
macro_rules! pass {
    ($name:ident, $label:literal, |$op:ident, $x:ident, $y:ident, $z:ident| $value:expr) => {
        impl InplaceOp3 for $name {
            fn name(&self) -> &'static str {
                $label
            }

            fn cpu_fwd(
                &self,
                x: &mut CpuStorage,
                x_layout: &Layout,
                y: &CpuStorage,
                y_layout: &Layout,
                z: &CpuStorage,
                z_layout: &Layout,
            ) -> Result<()> {
                let (y, z) = (numbers(y, y_layout)?, numbers(z, z_layout)?);
                let CpuStorage::F32(x) = x else { bail!("a step of Adam got another type than f32") };
                let Some((from, to)) = x_layout.contiguous_offsets() else {
                    bail!("a step of Adam got a parameter that is not contiguous")
                };
                let $op = self;
                let blocks =
                    x[from..to].par_chunks_mut(BLOCK).zip(y.par_chunks(BLOCK)).zip(z.par_chunks(BLOCK));
                blocks.for_each(|((x, y), z)| {
                    for (($x, $y), $z) in x.iter_mut().zip(y).zip(z) {
                        *$x = $value;
                    }
                });
                Ok(())
            }
        }
    };
}

pass!(First, "adam-first", |op, m, g, w| op.beta * *m + (1.0 - op.beta) * (g + op.decay * w));
pass!(Second, "adam-second", |op, v, g, w| {
    let g = g + op.decay * w;
    op.beta * *v + (1.0 - op.beta) * g * g
});
pass!(Step, "adam-step", |op, w, m, v| *w - op.rate * m / (v.sqrt() / op.root + op.eps));

fn numbers<'s>(storage: &'s CpuStorage, layout: &Layout) -> Result<&'s [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(numbers), Some((from, to))) => Ok(&numbers[from..to]),
        _ => bail!("a step of Adam got numbers that are not contiguous f32"),
    }
}
