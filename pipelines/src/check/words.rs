//! Llama, dense and quantised, and the projector that feeds it speech.

use affekt_llama::{Config, KEYS, Llama, Output, slam};
use affekt_nn::quantized::Quantized;
use affekt_weights::Checkpoint;
use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;

use super::bounds::Kind;
use super::golden::{Golden, file, note};
use super::ledger::{Ledger, Worst};
use super::{Error, Plan};

/// The four networks of the reference files: a head a query; grouped queries and a tied head; stretched wavelengths and
/// biases; a window.
pub const NAMES: [&str; 4] = ["mha", "gqa", "llama3", "mistral"];

/// The Llama of that name.
pub fn network(plan: &Plan, name: &str, dtype: DType) -> Result<(Llama, Config), Error> {
    let path = file(plan.goldens, "llama", &format!("{name}.weights.safetensors"));
    let config: Config = note(&path, "config")?;
    let load = |vb: VarBuilder| Llama::load(vb, &config);
    let network = Checkpoint::open(&path)?.load(&KEYS, dtype, plan.device, load)?;
    Ok((network, config))
}

pub fn check(ledger: &mut Ledger) {
    let (plan, dtype) = (ledger.plan, ledger.dtype);
    for name in NAMES {
        ledger.case(format!("{name}: every layer, padded left, right and not"), Kind::Reference, |worst| {
            forward(plan, name, dtype, worst)
        });
        ledger.case(format!("{name}: batch against single"), Kind::Batch, |worst| {
            batch(plan, name, dtype, worst)
        });
    }
    ledger.case("projector", Kind::Reference, |worst| projector(plan, dtype, worst));
    // A GGUF file keeps the types of its weights, and its hidden states are of f32; on a card both are of f16.
    if dtype == if Quantized::stays(plan.device) { DType::F32 } else { DType::F16 } {
        for (network, golden) in [("tiny.gguf", "gguf"), ("stretched.gguf", "stretched")] {
            ledger.case(format!("{network}: every layer"), Kind::Reference, |worst| {
                let path = |name: &str| file(plan.goldens, "llama", name);
                let (model, _) = Llama::load_gguf(&path(network), plan.device)?;
                let golden = Golden::open(&path(&format!("{golden}.safetensors")), plan.device)?;
                let output = model.forward(&model.embed(&golden.tensor("input_ids")?)?, None)?;
                for (at, hidden) in output.hidden_states.iter().enumerate() {
                    let what = format!("hidden_states.{at}");
                    worst.near(&what, hidden, &golden.tensor(&what)?)?;
                }
                worst.near("logits", &output.logits, &golden.tensor("logits")?)
            });
        }
    }
}

fn forward(plan: &Plan, name: &str, dtype: DType, worst: &mut Worst) -> Result<(), Error> {
    let (model, _) = network(plan, name, dtype)?;
    let golden = golden(plan, name)?;
    let ids = golden.tensor("input_ids")?;
    let embeds = model.embed(&ids)?;
    for kind in ["plain", "right", "left"] {
        let padding = match kind {
            "plain" => None,
            side => Some(golden.tensor(&format!("mask.{side}"))?),
        };
        let mask = padding.clone().map_or_else(|| ids.ones_like(), Ok)?;
        let Output { hidden_states, logits } = model.forward(&embeds, padding.as_ref())?;
        for (at, hidden) in hidden_states.iter().enumerate() {
            let what = format!("{kind}.hidden_states.{at}");
            worst.near(&what, &valid(hidden, &mask)?, &valid(&golden.tensor(&what)?, &mask)?)?;
        }
        let what = format!("{kind}.logits");
        worst.near(&what, &valid(&logits, &mask)?, &valid(&golden.tensor(&what)?, &mask)?)?;
    }
    Ok(())
}

fn batch(plan: &Plan, name: &str, dtype: DType, worst: &mut Worst) -> Result<(), Error> {
    let (model, _) = network(plan, name, dtype)?;
    let golden = golden(plan, name)?;
    let ids = golden.tensor("input_ids")?;
    for side in ["left", "right"] {
        let mask = golden.tensor(&format!("mask.{side}"))?;
        let together = model.forward(&model.embed(&ids)?, Some(&mask))?;
        for row in 0..ids.dim(0)? {
            let (ids, mask) = (ids.narrow(0, row, 1)?, mask.narrow(0, row, 1)?);
            let there = valid(&model.embed(&ids.contiguous()?)?, &mask)?.unsqueeze(0)?; // (1, valid, width)
            let alone = model.forward(&there, None)?;
            let got = valid(&together.logits.narrow(0, row, 1)?, &mask)?;
            worst.near(format!("logits, padded {side}, row {row}"), &got, &alone.logits.squeeze(0)?)?;
        }
    }
    Ok(())
}

fn projector(plan: &Plan, dtype: DType, worst: &mut Worst) -> Result<(), Error> {
    let path = |name: &str| file(plan.goldens, "llama", name);
    let golden = Golden::open(&path("slam.safetensors"), plan.device)?;
    let weights = Checkpoint::open(&path("slam.weights.safetensors"))?;
    let features = golden.floats("features", dtype)?;
    let config = slam::Config::infer(&weights, features.dim(2)?);
    let config = config.ok_or_else(|| Error::Golden {
        path: path("slam.weights.safetensors"),
        reason: "it has not the two weights of a projector".into(),
    })??;
    let load = |vb: VarBuilder| slam::Projector::load(vb, &config);
    let network = weights.load(&slam::KEYS, dtype, plan.device, load)?;
    worst.near("projected", &network.forward(&features)?, &golden.tensor("projected")?)
}

fn golden(plan: &Plan, name: &str) -> Result<Golden, Error> {
    Golden::open(&file(plan.goldens, "llama", &format!("{name}.forward.safetensors")), plan.device)
}

/// The rows of `tensor` (b, t, width) where `mask` (b, t) is 1: (valid, width).
fn valid(tensor: &Tensor, mask: &Tensor) -> Result<Tensor, Error> {
    let mask: Vec<i64> = mask.flatten_all()?.to_dtype(DType::I64)?.to_vec1()?;
    let rows: Vec<u32> = (0..).zip(mask).filter(|(_, there)| *there == 1).map(|(at, _)| at).collect();
    let rows = Tensor::new(rows, tensor.device())?;
    Ok(tensor.flatten(0, 1)?.contiguous()?.index_select(&rows, 0)?)
}
