//! Networks of published widths and few layers, on seeded weights and random inputs: a device against the CPU. Narrow
//! reference networks do not reach the shapes that kernels and products have in earnest.

use affekt_llama::{Config as LlamaConfig, Llama};
use affekt_manet::Manet;
use affekt_nn::device::allow_tf32;
use affekt_sdumc::{Flow, Sdumc, Sequence, Sequences};
use affekt_wavlm::{RawConfig, WavLm};
use candle_core::{DType, Device, Tensor};
use serde_json::json;

use super::Error;
use super::bounds::Kind;
use super::ledger::{Ledger, Worst};
use crate::device::allows_tf32;
use crate::seeded::{integers, noise, weights};

/// Named outputs of a network in one type on one device.
type Run = fn(DType, &Device) -> Result<Vec<(String, Tensor)>, Error>;

const NETWORKS: [(&str, Run); 4] = [
    ("WavLM, 1024 wide, 2 layers, clips of 2 and 1.3 s", speech),
    ("MANet, 64 wide, 2 faces of 224", face),
    ("Llama, 4096 wide, 1 layer, 2 x 37 tokens", words),
    ("SDUMC, published size, 3 clips", fusion),
];

pub fn check(ledger: &mut Ledger) {
    let (dtype, device) = (ledger.dtype, ledger.device());
    for (name, run) in NETWORKS {
        ledger.case(format!("{name}: against the CPU"), Kind::Cpu, |worst| {
            compare(worst, &run(dtype, device)?, &run(DType::F32, &Device::Cpu)?)
        });
    }
    if dtype == DType::F32 && !device.is_cpu() {
        for (name, run) in NETWORKS {
            ledger.case(format!("{name}: with TF32"), Kind::Told, |worst| {
                allow_tf32(true);
                let rounded = run(dtype, device);
                // As the user has it.
                allow_tf32(allows_tf32());
                compare(worst, &rounded?, &run(DType::F32, &Device::Cpu)?)
            });
        }
    }
}

fn compare(worst: &mut Worst, got: &[(String, Tensor)], want: &[(String, Tensor)]) -> Result<(), Error> {
    got.iter().zip(want).try_for_each(|((name, got), (_, want))| worst.near(name, got, want))
}

fn speech(dtype: DType, device: &Device) -> Result<Vec<(String, Tensor)>, Error> {
    let config = RawConfig {
        hidden_size: 1024,
        num_hidden_layers: 2,
        num_attention_heads: 16,
        intermediate_size: 4096,
        feat_extract_norm: "layer".into(),
        do_stable_layer_norm: true,
        ..RawConfig::default()
    };
    let config = config.into_config()?;
    let network = WavLm::load(weights(dtype, device), &config)?;
    let lengths = [32_000, 20_800];
    let states = network.forward(&noise("voice", (2, 32_000), 1.0, dtype, device)?, Some(&lengths))?;
    let mut named = Vec::new();
    for (layer, state) in states.iter().enumerate() {
        for (clip, &length) in lengths.iter().enumerate() {
            let valid = state.narrow(0, clip, 1)?.narrow(1, 0, network.frames(length))?;
            named.push((format!("layer {layer}, clip {clip}"), valid));
        }
    }
    Ok(named)
}

fn face(dtype: DType, device: &Device) -> Result<Vec<(String, Tensor)>, Error> {
    let network = Manet::load(weights(dtype, device), &affekt_manet::Config::default())?;
    let images = noise("faces", (2, 3, 224, 224), 0.25, dtype, device)?.affine(1.0, 0.5)?;
    Ok(vec![("embedding".into(), network.forward(&images)?)])
}

fn words(dtype: DType, device: &Device) -> Result<Vec<(String, Tensor)>, Error> {
    let config: LlamaConfig = serde_json::from_value(json!({
        "vocab_size": 2048, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 1,
        "num_attention_heads": 32, "rms_norm_eps": 1e-5,
    }))
    .expect("these are the published sizes");
    let network = Llama::load(weights(dtype, device), &config)?;
    let ids = Tensor::from_vec(integers("words", 2 * 37, 2048), (2, 37), device)?;
    let output = network.forward(&network.embed(&ids)?, None)?;
    let states = output.hidden_states.into_iter().enumerate();
    let states = states.map(|(at, state)| (format!("hidden_states.{at}"), state));
    Ok(states.chain([("logits".to_owned(), output.logits)]).collect())
}

fn fusion(dtype: DType, device: &Device) -> Result<Vec<(String, Tensor)>, Error> {
    let network = Sdumc::load(weights(dtype, device), &affekt_sdumc::Config::default())?;
    let sequence = |name: &str, rows, width| -> Result<Sequence, Error> {
        Ok(Sequence::new(noise(name, (3, rows, width), 1.0, dtype, device)?)?)
    };
    let inputs = Sequences {
        audio: sequence("audio", 365, 1024)?,
        text: sequence("text", 40, 4096)?,
        video: sequence("video", 220, 1024)?,
    };
    let mut named = Vec::new();
    for flow in [Flow::Complete, Flow::TextMissing] {
        let output = network.forward(&inputs, flow)?;
        let outputs =
            [("r", output.r), ("rnc", output.rnc), ("text2", output.text2), ("valence", output.valence)];
        named.extend(outputs.map(|(name, x)| (format!("{}.{name}", flow.name()), x)));
    }
    Ok(named)
}
