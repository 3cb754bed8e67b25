//! SDUMC under training: losses and gradients against autograd, and steps of training against the CPU.

use std::collections::BTreeMap;

use affekt_core::{ClipId, FeatureKind};
use affekt_nn::threads::in_pool;
use affekt_sdumc::{Clips, Differentiable, LossWeights, Losses, Sequence};
use affekt_train::{Adam, AdamConfig, Batch, Gradients, Key, Padded, Parameters, Pass};
use candle_core::{DType, Device, Tensor};
use serde_json::json;

use super::bounds::Kind;
use super::fusion::{Case, SETTINGS};
use super::golden::{Golden, file};
use super::ledger::{Ledger, Worst};
use super::{Error, Plan};
use crate::seeded;

/// Its gradient is zero but for what is lost to rounding: representations that all move alike keep their order.
const SHIFT: &str = "orgin_linear_change.2.bias";
const STEPS: usize = 8;

pub fn check(ledger: &mut Ledger) {
    let (plan, dtype) = (ledger.plan, ledger.dtype);
    // Training is in f32, whatever the networks before it are in.
    if dtype != DType::F32 {
        return;
    }
    for setting in SETTINGS {
        ledger.case(format!("{setting}: losses and gradients"), Kind::Reference, |worst| {
            gradients(plan, setting, worst)
        });
    }
    for (case, rate) in [("without dropout", 0.0), ("with dropout", 0.5)] {
        ledger.case(format!("{STEPS} steps of Adam {case}, against the CPU"), Kind::Cpu, |worst| {
            let (here, there) = (steps(plan.device, rate)?, steps(&Device::Cpu, rate)?);
            for (step, (got, want)) in here.losses.iter().zip(&there.losses).enumerate() {
                worst.near_number(format!("loss of step {step}"), *got, *want);
            }
            for (name, want) in &there.parameters {
                worst.near(name, &here.parameters[name], want)?;
            }
            Ok(())
        });
    }
}

fn gradients(plan: &Plan, setting: &str, worst: &mut Worst) -> Result<(), Error> {
    let Case { golden, checkpoint, config } = Case::open(plan, "loss/", setting)?;
    let network = Differentiable::load(&checkpoint, &config, plan.device)?;
    let inputs = Golden::open(&file(plan.goldens, "sdumc", "loss/inputs.safetensors"), plan.device)?;
    let sequence = |name: &str| -> Result<Sequence, Error> {
        Ok(Sequence::padded(inputs.tensor(name)?, &inputs.lengths(&format!("lengths.{name}"))?)?)
    };
    let clips = Clips {
        audio: sequence("audio")?,
        text: sequence("text")?,
        simulated: sequence("simulated")?,
        video: sequence("video")?,
    };
    let weights = LossWeights::of(config.compat);
    let (losses, found) =
        in_pool(|| network.losses(&clips, &inputs.tensor("labels")?, &weights).map_err(Error::from))?;
    for (name, term) in Losses::TERMS.into_iter().zip(losses.terms()).chain([("loss", &losses.total)]) {
        worst.near(name, &term.detach(), &golden.tensor(name)?)?;
    }
    // The reference keeps them flat, in the order of the names in the checkpoint.
    let (flat, mut at) = (golden.tensor("gradients")?, 0);
    let keys = affekt_sdumc::keys(&config);
    for (name, shape) in checkpoint.shapes() {
        let count = shape.iter().product();
        let want = flat.narrow(0, at, count)?.reshape(shape)?;
        at += count;
        if let Some(got) = found.get(&keys.rename(name)).filter(|_| !name.ends_with(SHIFT)) {
            worst.near(format!("gradient of {name}"), got, &want)?;
        }
    }
    Ok(())
}

/// How a short training went.
struct Trained {
    losses: Vec<f64>,
    parameters: BTreeMap<String, Tensor>,
}

/// Some steps on one drawn batch, from parameters that depend on their names alone.
fn steps(device: &Device, dropout: f64) -> Result<Trained, Error> {
    let widths = [
        (FeatureKind::Audio, 48, 33),
        (FeatureKind::Text, 96, 7),
        (FeatureKind::Simulated, 96, 9),
        (FeatureKind::Video, 40, 21),
    ];
    let settings = json!({ "dim": 32, "dropout_attention": dropout, "dropout_mlp": dropout });
    let of_kind = widths.iter().map(|&(kind, width, _)| (kind, width)).collect();
    let recipe = (affekt_sdumc::train::REGISTRATION.prepare)(&settings, &of_kind)?;
    let parameters = Parameters::drawn(Key::new(5));
    let method = recipe.build(parameters.builder(device))?;
    const CLIPS: usize = 6;
    let feature = |(kind, width, rows): (FeatureKind, usize, usize)| -> Result<_, Error> {
        let rows = seeded::noise(kind.name(), (CLIPS, rows, width), 1.0, DType::F32, device)?;
        let lengths = vec![rows.dim(1)?; CLIPS];
        Ok((kind, Padded { rows, lengths }))
    };
    let batch = Batch {
        clips: (0..CLIPS)
            .map(|at| ClipId::new(format!("drawn_{at}")).expect("it is short and plain"))
            .collect(),
        labels: Tensor::from_vec((0..CLIPS).map(|at| at as f32 - 2.5).collect(), CLIPS, device)?,
        features: widths.into_iter().map(feature).collect::<Result<_, _>>()?,
    };
    let mut adam = Adam::new(AdamConfig::default());
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let pass = Pass { phase: 0, update: 0, key: Some(Key::new(9).at(step)) };
        let total = in_pool(|| method.losses(&batch, pass))?.total;
        losses.push(f64::from(total.to_scalar::<f32>()?));
        let vars = parameters.all();
        let gradients = Gradients::of(&vars, in_pool(|| total.backward())?);
        adam.step(&vars, &gradients, 1.0)?;
    }
    Ok(Trained { losses, parameters: parameters.values()? })
}
