//! Beam search of 32 clips through a Llama of 100 M weights: one after the other, and several in flight.
//! `cargo bench -p affekt-llama --bench engine`, and behind `--` how many in flight, if not 1, 4, 8, 16 and 32.
//!
//! `AFFEKT_BENCH_LLAMA` names a folder with other weights, as transformers publishes them; `AFFEKT_BENCH_PROMPTS` a
//! safetensors file of prompts (t, width), named by number. Weights and prompts are drawn where they are absent. The
//! first lines compare the time that the arithmetic and the reading of weights would take alone.
#![expect(clippy::unwrap_used, reason = "in a benchmark, a panic is the message")]
#![expect(clippy::print_stdout, reason = "a benchmark is a program, and this is what it has to say")]

use std::env::var_os;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use affekt_generate::{Budget, Engine, Settings};
use affekt_llama::{Config, KEYS, Llama};
use affekt_nn::linear::Linear;
use affekt_testkit::noise;
use affekt_weights::Checkpoint;
use candle_core::Shape;
use candle_core::{DType, Device, Module, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;

const CLIPS: usize = 32;
const MAX_NEW_TOKENS: usize = 40;
const IN_FLIGHT: [usize; 5] = [1, 4, 8, 16, 32];

/// Weights as a network begins: noise, and ones for norms.
struct Drawn;

impl SimpleBackend for Drawn {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: candle_nn::Init,
        _: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let deviation = (*shape.dims().last().unwrap() as f32).powf(-0.5);
        if name.contains("norm") {
            return Tensor::ones(shape, DType::F32, device);
        }
        // A million drawn numbers, over and over.
        let drawn = noise(0.0, deviation, (1 << 20).min(shape.elem_count()));
        let times = shape.elem_count().div_ceil(1 << 20);
        Tensor::cat(&vec![drawn; times], 0)?.narrow(0, 0, shape.elem_count())?.reshape(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("the shape of {name}?")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

fn model() -> (Llama, Config) {
    if let Some(folder) = var_os("AFFEKT_BENCH_LLAMA") {
        let config = std::fs::read(Path::new(&folder).join("config.json")).unwrap();
        let config: Config = serde_json::from_slice(&config).unwrap();
        let checkpoint = Checkpoint::open(Path::new(&folder)).unwrap();
        let model = checkpoint.load(&KEYS, DType::F32, &Device::Cpu, |vb| Llama::load(vb, &config)).unwrap();
        return (model, config);
    }
    let config: Config = serde_json::from_str(
        r#"{"vocab_size": 32000, "hidden_size": 640, "intermediate_size": 1728, "num_hidden_layers": 12,
            "num_attention_heads": 10, "rms_norm_eps": 1e-05}"#,
    )
    .unwrap();
    let vb = VarBuilder::from_backend(Box::new(Drawn), DType::F32, Device::Cpu);
    (Llama::load(vb, &config).unwrap(), config)
}

fn prompts(width: usize) -> Vec<Tensor> {
    if let Some(file) = var_os("AFFEKT_BENCH_PROMPTS") {
        let named = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
        return (0..named.len()).map(|at| named[&at.to_string()].unsqueeze(0).unwrap()).collect();
    }
    // 60 to 140 positions, in no order.
    (0..CLIPS).map(|at| noise(0.0, 0.3, (1, 60 + at * 37 % CLIPS * 80 / (CLIPS - 1), width))).collect()
}

/// All prompts with so many in flight; returns the tokens found, too.
fn run(
    model: &Llama,
    config: &Config,
    prompts: &[Tensor],
    clips: usize,
) -> (Duration, Vec<Vec<u32>>, String) {
    let start = Instant::now();
    let settings = Settings { eos: config.eos_token_ids.clone(), ..Settings::default() };
    let most: usize = (clips + 1) * (140 + 4 * MAX_NEW_TOKENS);
    let budget = Budget { bytes: most * model.cached().slot_bytes(), clips, ..Budget::default() };
    let mut engine = Engine::new(model, settings, budget).unwrap();
    for (id, prompt) in prompts.iter().enumerate() {
        engine.submit(id, prompt, MAX_NEW_TOKENS).unwrap();
    }
    let mut found: Vec<_> = engine.by_ref().map(|(id, found)| (id, found.unwrap().tokens)).collect();
    let time = start.elapsed();
    found.sort_by_key(|(id, _)| *id);
    let tally = engine.tally();
    let (rows, passes) = (tally.beam_rows + tally.prompt_rows, tally.passes as f64);
    let told = format!(
        "{:4.1} clips and {:5.1} rows a pass, {:6.0} rows/s, {:4} MiB of cache",
        tally.clips as f64 / passes,
        rows as f64 / passes,
        rows as f64 / time.as_secs_f64(),
        tally.peak_bytes >> 20
    );
    (time, found.into_iter().map(|(_, tokens)| tokens).collect(), told)
}

/// GFLOP/s of products of `rows` rows with weights that no cache holds, as a forward pass has them.
fn arithmetic(rows: usize) -> f64 {
    let layers: Vec<Linear> = (0..24)
        .map(|_| Linear::new(&Tensor::ones((2048, 1024), DType::F32, &Device::Cpu).unwrap(), None).unwrap())
        .collect();
    let x = noise(0.0, 1.0, (rows, 1024));
    let pass = || layers.iter().for_each(|layer| drop(black_box(layer.forward(&x).unwrap())));
    pass();
    let start = Instant::now();
    let passes = 8;
    (0..passes).for_each(|_| pass());
    (passes * layers.len() * 2 * rows * 1024 * 2048) as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn main() {
    for rows in [4, 16, 64, 256] {
        let rate = arithmetic(rows);
        println!("{rows:3} rows: {rate:4.0} GFLOP/s, weights at {:4.1} GB/s", rate * 4.0 / (2 * rows) as f64);
    }
    let (model, config) = model();
    let prompts = prompts(config.hidden_size);
    let asked: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let in_flight = if asked.is_empty() { IN_FLIGHT.to_vec() } else { asked };
    let mut alone: Option<Vec<Vec<u32>>> = None;
    for clips in in_flight {
        let (time, tokens, told) = run(&model, &config, &prompts, clips);
        let rate = prompts.len() as f64 / time.as_secs_f64();
        println!("{clips:2} in flight: {:6.3} s, {rate:6.2} clips/s; {told}", time.as_secs_f64());
        assert!(
            *alone.get_or_insert_with(|| tokens.clone()) == tokens,
            "tokens depend on the clips in flight"
        );
    }
}
