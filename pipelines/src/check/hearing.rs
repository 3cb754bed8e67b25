//! Whisper.

use affekt_weights::{Checkpoint, KeyTable};
use affekt_whisper::{Config, KEYS, Mel, Whisper};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::bounds::Kind;
use super::golden::{Golden, file};
use super::ledger::{Ledger, Worst};
use super::{Error, Plan};

/// Half a minute, of which the reference files speak.
const SAMPLES: usize = 480_000;
/// The reference keeps every so many rows of the encoder's states and of the logits.
const STATES: usize = 50;
const LOGITS: usize = 3;

pub fn check(ledger: &mut Ledger) {
    let plan = ledger.plan;
    // The library has it in f32 only.
    if ledger.dtype == DType::F32 {
        ledger.case("narrow: encoder blocks and logits", Kind::Reference, |worst| states(plan, worst));
    }
}

fn states(plan: &Plan, worst: &mut Worst) -> Result<(), Error> {
    let path = |name: &str| file(plan.goldens, "whisper", &format!("{name}.safetensors"));
    let golden = Golden::open(&path("tiny"), plan.device)?;
    let config: Config = golden.note("config")?;
    let checkpoint = Checkpoint::open(&path("tiny.weights"))?;
    let network = |keys: &KeyTable, config: &Config| {
        checkpoint.load(keys, DType::F32, plan.device, |vb: VarBuilder| Whisper::load(vb, config))
    };
    let mel = Mel::new(config.num_mel_bins).spectrogram(&voice()).window(0, plan.device)?;
    // There are no states between its blocks: networks that end after each of them have some.
    let shorter = KeyTable { ignored: &["proj_out.weight", "model.encoder.**"], ..KEYS };
    for layers in 1..=config.encoder_layers {
        let network = network(&shorter, &Config { encoder_layers: layers, ..config.clone() })?;
        let name = format!("tanh.encoder.{layers}");
        let got = every(&network.encode(&mel)?.get(0)?, STATES)?;
        worst.near(&name, &got, &golden.tensor(&name)?)?;
    }
    let network = network(&KEYS, &config)?;
    let tokens: Vec<u32> = [97, 98, 101, 104].into_iter().chain(4..20).collect();
    let logits = network.decoder(network.encode(&mel)?)?.logits(&tokens, 0)?;
    worst.near("logits", &every(&logits, LOGITS)?, &golden.tensor("tanh.logits")?)
}

/// Every `stride`th row of a matrix.
fn every(rows: &Tensor, stride: usize) -> Result<Tensor, Error> {
    let kept: Vec<u32> = (0..rows.dim(0)? as u32).step_by(stride).collect();
    let kept = Tensor::new(kept, &Device::Cpu)?.to_device(rows.device())?;
    Ok(rows.contiguous()?.index_select(&kept, 0)?)
}

/// Noise and a square wave, of another loudness and pitch each quarter of a second: the waveform of the reference files.
fn voice() -> Vec<f32> {
    let step = |state: u32| state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    let (mut state, mut level) = (1u32, 1u32);
    let sample = |index: usize| {
        state = step(state);
        if index.is_multiple_of(4000) {
            level = step(level.wrapping_add(index as u32));
        }
        let period = 16 + (level >> 24) as usize % 64;
        let wave = if index % period < period / 2 { 0.5 } else { -0.5 };
        let noise = f64::from(state >> 8) / f64::from(1 << 24) - 0.5;
        ((noise * 0.25 + wave) * 0.5_f64.powi((level >> 16) as i32 % 9)) as f32
    };
    (0..SAMPLES).map(sample).collect()
}
