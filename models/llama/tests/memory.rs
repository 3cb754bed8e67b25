//! Peak memory while sharded folders of 100 M parameters load, each in a process of its own: at most 1.1 times the weights.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

use affekt_llama::{Config, KEYS, Llama};
use affekt_testkit::noise;
use affekt_testkit::torchfile::{Layout, published};
use affekt_weights::{Checkpoint, read_config};
use candle_core::{DType, Device};
use serde_json::json;

const SHARDS: usize = 3;
const LAYERS: usize = 8;
const WIDTH: usize = 1024;
const INNER: usize = 2816;
/// Few tokens, so that the largest tensor has the part in the whole that it has in Llama's 7B.
const VOCABULARY: usize = 4000;
/// Tells the process that loads which folder, and as what.
const FOLDER: &str = "AFFEKT_TEST_FOLDER";
const DTYPE: &str = "AFFEKT_TEST_DTYPE";

/// Published names and shapes, in the order of the layers.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let layer = [
        ("self_attn.q_proj", vec![WIDTH, WIDTH]),
        ("self_attn.k_proj", vec![WIDTH / 4, WIDTH]),
        ("self_attn.v_proj", vec![WIDTH / 4, WIDTH]),
        ("self_attn.o_proj", vec![WIDTH, WIDTH]),
        ("mlp.gate_proj", vec![INNER, WIDTH]),
        ("mlp.up_proj", vec![INNER, WIDTH]),
        ("mlp.down_proj", vec![WIDTH, INNER]),
        ("input_layernorm", vec![WIDTH]),
        ("post_attention_layernorm", vec![WIDTH]),
    ];
    let mut shapes = vec![("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, WIDTH])];
    for at in 0..LAYERS {
        let named =
            layer.iter().map(|(name, shape)| (format!("model.layers.{at}.{name}.weight"), shape.clone()));
        shapes.extend(named);
    }
    shapes.extend([
        ("model.norm.weight".to_owned(), vec![WIDTH]),
        ("lm_head.weight".to_owned(), vec![VOCABULARY, WIDTH]),
    ]);
    shapes
}

/// A folder as transformers saves one, in pickles or in safetensors.
fn write(folder: &Path, dtype: DType, pickled: bool) {
    let config = json!({
        "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": 16, "num_key_value_heads": 4,
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let (stem, end) = if pickled { ("pytorch_model", "bin") } else { ("model", "safetensors") };
    let drawn = noise(0.0, 0.02, VOCABULARY * WIDTH).to_dtype(dtype).unwrap();
    let shapes = shapes();
    let mut map = BTreeMap::new();
    for (at, part) in shapes.chunks(shapes.len().div_ceil(SHARDS)).enumerate() {
        let file = format!("{stem}-{:05}-of-{SHARDS:05}.{end}", at + 1);
        let path = folder.join(&file);
        map.extend(part.iter().map(|(name, _)| (name.clone(), file.clone())));
        let tensors = part.iter().map(|(name, shape)| {
            let numbers = drawn.narrow(0, 0, shape.iter().product()).unwrap();
            (name.clone(), numbers.reshape(shape.as_slice()).unwrap())
        });
        candle_core::safetensors::save(&tensors.collect::<HashMap<_, _>>(), &path).unwrap();
        if pickled {
            let bytes = published(&path, Layout::flat(), |name| Some(name.to_owned()));
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let index = json!({"metadata": {}, "weight_map": map});
    std::fs::write(folder.join(format!("{stem}.{end}.index.json")), index.to_string()).unwrap();
}

fn bytes(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// What the other process does: it loads, and holds its own peak against the weights.
#[test]
fn the_process_that_loads() {
    let (Some(folder), Ok(dtype)) = (std::env::var_os(FOLDER), std::env::var(DTYPE)) else { return };
    let (folder, dtype): (&Path, DType) = (folder.as_ref(), dtype.parse().unwrap());
    let before = bytes("VmRSS");
    let config: Config = read_config(&folder.join("config.json")).unwrap();
    let checkpoint = Checkpoint::open(folder).unwrap();
    let _model = checkpoint.load(&KEYS, dtype, &Device::Cpu, |vb| Llama::load(vb, &config)).unwrap();
    let used = bytes("VmHWM") - before;
    let numbers: usize = shapes().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    let weights = numbers * dtype.size_in_bytes();
    let told =
        format!("{numbers} of {}: {:.3} of {weights} bytes", dtype.as_str(), used as f64 / weights as f64);
    println!("{told}");
    assert!(used * 10 <= weights * 11, "{told}");
}

#[test]
fn sharded_folders_load_in_the_memory_of_their_weights() {
    for (dtype, pickled) in
        [DType::F32, DType::BF16, DType::F16].into_iter().flat_map(|it| [(it, false), (it, true)])
    {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), dtype, pickled);
        let mut loader = Command::new(std::env::current_exe().unwrap());
        loader.args(["--exact", "the_process_that_loads", "--nocapture"]);
        let output = loader.env(FOLDER, folder.path()).env(DTYPE, dtype.as_str()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let what =
            format!("{dtype:?}, pickled: {pickled}\n{told}{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.contains("bytes"), "{what}");
        println!("{what}");
    }
}
