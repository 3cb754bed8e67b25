//! How long a training step of SDUMC takes at its published size, and how near that is to what its arithmetic alone would
//! take on this machine.
//!
//! | module | holds |
//! |---|---|
//! | [`work`] | [`Size`] of a batch, and the operations of a step on it |
//! | [`error`] | [`Error`] |

pub mod error;
pub mod work;

use std::collections::BTreeMap;
use std::time::Instant;

use affekt_core::{ClipId, FeatureKind};
use affekt_nn::threads::in_pool;
use affekt_train::{Adam, AdamConfig, Batch, Gradients, Key, Method, Padded, Parameters, Pass};
use candle_core::{DType, Device, Tensor};
use rand::Rng;
use serde::Serialize;
use serde_json::json;

use super::Machine;
use super::simulate::Reach;
pub use error::Error;
pub use work::Size;

/// What every drawn number follows from.
const SEED: u64 = 7;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Of the batch.
    pub size: Size,
    /// Numbers that are learnt.
    pub parameters: usize,
    /// Of each step, in order; those of warming up are left out.
    pub steps: Vec<Step>,
    /// Of all of a step but the smallest part, in 10^9 floating-point operations.
    pub gflop: f64,
    /// What this machine reaches in plain products of f32; `None` on a device of its own.
    pub gflop_per_s: Option<f64>,
    /// Seconds that the operations of a step take at that rate.
    pub floor_s: Option<f64>,
    /// Of the median step to that.
    pub to_floor: Option<f64>,
}

/// Seconds of one step.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Step {
    /// Both flows and all losses.
    pub losses: f64,
    /// Their gradients.
    pub backward: f64,
    /// The update of the parameters.
    pub update: f64,
}

impl Step {
    /// All of it.
    pub fn seconds(self) -> f64 {
        self.losses + self.backward + self.update
    }
}

impl Report {
    /// Seconds of the median step.
    pub fn median(&self) -> f64 {
        let mut seconds: Vec<f64> = self.steps.iter().map(|step| step.seconds()).collect();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied().unwrap_or_default()
    }
}

/// Measures `steps` steps on one drawn batch, after one that warms up.
///
/// # Errors
/// Those of the method, and of the tensor library.
pub fn measure(size: Size, steps: usize, device: &Device) -> Result<Report, Error> {
    let recipe = (affekt_sdumc::train::REGISTRATION.prepare)(&json!({}), &size.widths())?;
    let parameters = Parameters::drawn(Key::new(SEED));
    let mut method = recipe.build(parameters.builder(device))?;
    let batch = drawn(size, device)?;
    let gflop_per_s = Reach::measure(device, DType::F32)?.map(|reach| reach.gflop_per_s);
    let mut adam = Adam::new(AdamConfig::default());
    let taken = (0..=steps)
        .map(|at| in_pool(|| step(method.as_mut(), &parameters, &mut adam, &batch, Key::new(SEED).at(at))));
    let steps = taken.collect::<Result<Vec<_>, Error>>()?.split_off(1);
    let gflop = size.gflop();
    let mut report = Report {
        machine: Machine::this(device, "drawn"),
        size,
        parameters: parameters.count(),
        steps,
        gflop,
        gflop_per_s,
        floor_s: gflop_per_s.map(|rate| gflop / rate),
        to_floor: None,
    };
    report.to_floor = report.floor_s.map(|floor| report.median() / floor);
    Ok(report)
}

/// One step, as training does it.
pub(super) fn step(
    method: &mut dyn Method,
    parameters: &Parameters,
    adam: &mut Adam,
    batch: &Batch,
    key: Key,
) -> Result<Step, Error> {
    let started = Instant::now();
    let losses = method.losses(batch, Pass { phase: 0, update: 0, key: Some(key) })?;
    let loss = losses.total.to_scalar::<f32>()?;
    let with_losses = Instant::now();
    let vars = parameters.all();
    let gradients = Gradients::of(&vars, losses.total.backward()?);
    drop(losses);
    if !loss.is_finite() {
        return Err(Error::NotFinite { loss });
    }
    let with_gradients = Instant::now();
    adam.step(&vars, &gradients, 1.0)?;
    let device = batch.labels.device();
    device.synchronize()?;
    Ok(Step {
        losses: (with_losses - started).as_secs_f64(),
        backward: (with_gradients - with_losses).as_secs_f64(),
        update: with_gradients.elapsed().as_secs_f64(),
    })
}

/// A batch of noise without padding.
fn drawn(size: Size, device: &Device) -> Result<Batch, Error> {
    let clips = size.clips;
    let noise = |(kind, frames, width): (FeatureKind, usize, usize)| {
        let mut generator = Key::new(SEED).with(kind.name()).generator();
        // Uniform, of variance 1.
        let bound = 3f32.sqrt();
        let numbers = (0..clips * frames * width).map(|_| generator.random_range(-bound..bound)).collect();
        let rows = Tensor::from_vec(numbers, (clips, frames, width), &Device::Cpu)?.to_device(device)?;
        Ok((kind, Padded { rows, lengths: vec![frames; clips] }))
    };
    let features = size.features().into_iter().map(noise).collect::<Result<BTreeMap<_, _>, Error>>()?;
    let label = |at: usize| 6.0 * (at as f32 + 0.5) / clips as f32 - 3.0;
    let name = |at: usize| ClipId::new(format!("drawn_{at}")).expect("it is short and plain");
    Ok(Batch {
        clips: (0..clips).map(name).collect(),
        labels: Tensor::from_vec((0..clips).map(label).collect(), clips, device)?,
        features,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_step_is_measured() {
        let size = Size { clips: 3, audio: 5, text: 2, video: 4 };
        let report = measure(size, 2, &Device::Cpu).unwrap();
        assert_eq!(report.steps.len(), 2);
        assert!(report.median() > 0.0 && report.to_floor.unwrap() > 0.0);
        assert!((4_000_000..4_500_000).contains(&report.parameters), "{}", report.parameters);
    }
}
