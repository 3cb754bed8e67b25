//! What is not finite is told by name: in an input, and in a weight.

use std::collections::HashMap;

use affekt_llama::Llama;
use affekt_manet::{KEYS as FACE_KEYS, Manet, RawConfig};
use affekt_sdumc::{Flow, Sdumc};
use affekt_wavlm::{KEYS as SPEECH_KEYS, WavLm};
use affekt_weights::{Checkpoint, KeyTable};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::bounds::Kind;
use super::golden::{file, note, renamed};
use super::ledger::{Ledger, Worst};
use super::{Error, face, fusion, speech};

pub fn check(ledger: &mut Ledger) {
    let (plan, dtype) = (ledger.plan, ledger.dtype);
    // A network of golden weights, one of which is NaN where it is named.
    let poisoned = move |checkpoint: &Checkpoint, keys: &KeyTable, bad: Option<&str>| {
        let mut tensors: HashMap<String, Tensor> =
            renamed(checkpoint, keys, plan.device)?.into_iter().collect();
        if let Some(weight) = bad.and_then(|name| tensors.get_mut(name)) {
            *weight = (weight.to_dtype(candle_core::DType::F32)? * f64::NAN)?;
        }
        Ok::<_, Error>(VarBuilder::from_tensors(tensors, dtype, plan.device))
    };
    ledger.case("wavlm: input and weight", Kind::Fact, |worst| {
        let case = speech::Case::open(plan, "large")?;
        let waveform = case.golden.floats("waveform", dtype)?;
        let run = |bad, x: &Tensor| {
            let vb = poisoned(&case.checkpoint, &SPEECH_KEYS, bad)?;
            Ok(WavLm::load(vb, &case.config)?.forward(x, None)?)
        };
        told(worst, run(None, &nan(&waveform)?), "the input waveform");
        let weight = "encoder.layers.2.feed_forward.output_dense.weight";
        told(worst, run(Some(weight), &waveform), "encoder.layers.2.feed_forward");
        Ok(())
    });
    ledger.case("manet: input and weight", Kind::Fact, |worst| {
        let (checkpoint, images) = (face::weights(plan)?, face::images(plan, dtype)?);
        let cfg = RawConfig::default().infer(&checkpoint).resolve()?;
        let run =
            |bad, x: &Tensor| Ok(Manet::load(poisoned(&checkpoint, &FACE_KEYS, bad)?, &cfg)?.forward(x)?);
        told(worst, run(None, &nan(&images)?), "the input images");
        told(worst, run(Some("layer3_1_p2.1.bn1.bias"), &images), "layer3_1_p2.1");
        Ok(())
    });
    ledger.case("llama: input and weight", Kind::Fact, |worst| {
        let path = file(plan.goldens, "llama", "mha.weights.safetensors");
        let (checkpoint, config) = (Checkpoint::open(&path)?, note::<affekt_llama::Config>(&path, "config")?);
        let run = |bad, factor| {
            let network = Llama::load(poisoned(&checkpoint, &affekt_llama::KEYS, bad)?, &config)?;
            let ids = Tensor::new(&[[3u32, 4, 5, 6]], plan.device)?;
            Ok(network.forward(&(network.embed(&ids)? * factor)?, None)?)
        };
        told(worst, run(None, f64::NAN), "the input embeddings");
        told(worst, run(Some("layers.1.mlp.down_proj.weight"), 1.0), "layers.1.mlp");
        Ok(())
    });
    ledger.case("sdumc: input and weight", Kind::Fact, |worst| {
        let case = fusion::Case::open(plan, "", "paper_text")?;
        let keys = affekt_sdumc::keys(&case.config);
        let run = |bad, factor| {
            let mut inputs = fusion::inputs(plan, dtype, Some(0))?;
            inputs.audio = affekt_sdumc::Sequence::new((inputs.audio.rows() * factor)?)?;
            let network = Sdumc::load(poisoned(&case.checkpoint, keys, bad)?, &case.config)?;
            Ok(network.forward(&inputs, Flow::Complete)?)
        };
        told(worst, run(None, f64::NAN), "the input audio");
        told(worst, run(Some("frame_dim_reshape_1.weight"), 1.0), "frame_dim_reshape_1");
        Ok(())
    });
}

fn nan(x: &Tensor) -> Result<Tensor, Error> {
    Ok((x * f64::NAN)?)
}

/// Whether an error names what was wrong.
fn told<T>(worst: &mut Worst, result: Result<T, Error>, name: &str) {
    let said = result.err().map(|error| error.to_string());
    let named = said.as_ref().is_some_and(|said| said.contains(name));
    worst.holds(named, || match said {
        Some(said) => format!("NaN in {name} was told as: {said}"),
        None => format!("NaN in {name} passed unnoticed"),
    });
}
