//! A step of training of SDUMC: both flows, all losses, backward, update.

use std::collections::BTreeMap;

use affekt_core::{ClipId, FeatureKind};
use affekt_nn::threads::in_pool;
use affekt_train::{Adam, AdamConfig, Batch, Key, Padded, Parameters, Pass};
use candle_core::{DType, Device, Tensor};
use serde_json::json;

use super::super::train::{Size, step};
use super::clock::timed;
use super::limits::{Limit, Work};
use super::peer::Sample;
use super::room::fits;
use super::{Error, Limits, Ours, Plan};
use crate::seeded::{noise, weight};

pub(super) fn measure(plan: &Plan, limits: &Limits) -> Result<Vec<(Ours, f64, Limit)>, Error> {
    let [clips, audio, text, video] = plan.scale.step();
    let size = Size { clips, audio, text, video };
    let recipe = (affekt_sdumc::train::REGISTRATION.prepare)(&json!({}), &size.widths())?;
    let parameters = Parameters::drawn(Key::new(0));
    let mut method = recipe.build(parameters.builder(plan.device))?;
    let seeded = |(name, var): (&String, &candle_core::Var)| {
        Ok((name.clone(), weight(name, var.shape().clone(), DType::F32, plan.device)?))
    };
    parameters.set(&parameters.all().iter().map(seeded).collect::<Result<_, Error>>()?)?;
    let measured = fits(plan.device, || {
        let batch = batch(size, plan.device)?;
        // Without dropout, which every program draws by itself.
        let losses = in_pool(|| method.losses(&batch, Pass { phase: 0, update: 0, key: None }))?;
        let terms = losses.terms.iter().map(|(_, term)| term).chain([&losses.total]);
        let terms: Vec<Tensor> =
            terms.map(|term| term.detach().reshape(1)).collect::<candle_core::Result<_>>()?;
        let sample = Some(Sample::of(&Tensor::cat(&terms, 0)?)?);
        drop(losses);
        let (mut adam, mut at) = (Adam::new(AdamConfig::default()), 0);
        let seconds = timed(plan.device, plan.runs.max(5), || {
            at += 1;
            in_pool(|| step(method.as_mut(), &parameters, &mut adam, &batch, Key::new(1).at(at)))?;
            Ok(())
        })?;
        Ok((seconds, sample))
    })?;
    let case = format!("{clips} clips, {audio}/{text}/{video} frames");
    // Parameters, gradients and both moments are read and written; features are read.
    let features: usize = size.features().iter().map(|(_, frames, width)| clips * frames * width).sum();
    let work = Work {
        flop_f32: size.gflop() * 1e9,
        bytes: 4.0 * (features + 7 * parameters.count()) as f64,
        ..Work::default()
    };
    let ours = Ours::new(case, 1, DType::F32, work, measured);
    let (floor, limit) = limits.floor(&ours.work);
    Ok(vec![(ours, floor, limit)])
}

fn batch(size: Size, device: &Device) -> Result<Batch, Error> {
    let clips = size.clips;
    let feature = |(kind, frames, width): (FeatureKind, usize, usize)| {
        let rows = noise(kind.name(), (clips, frames, width), 1.0, DType::F32, device)?;
        Ok((kind, Padded { rows, lengths: vec![frames; clips] }))
    };
    let label = |at: usize| 6.0 * (at as f32 + 0.5) / clips as f32 - 3.0;
    let name = |at: usize| ClipId::new(format!("drawn_{at}")).expect("it is short and plain");
    Ok(Batch {
        clips: (0..clips).map(name).collect(),
        labels: Tensor::from_vec((0..clips).map(label).collect(), clips, device)?,
        features: size.features().into_iter().map(feature).collect::<Result<BTreeMap<_, _>, Error>>()?,
    })
}
