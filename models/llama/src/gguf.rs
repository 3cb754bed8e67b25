//! A Llama from a GGUF file, which holds its configuration, too.

use std::collections::BTreeMap;
use std::path::Path;

use affekt_nn::rotary::Pairs;
use affekt_weights::gguf::Value;
use affekt_weights::{Error, Gguf};
use candle_core::Device;
use serde_json::json;

use crate::names::GGUF_KEYS;
use crate::rope::Rope;
use crate::source::Source;
use crate::{Config, Llama};

/// What llama.cpp turns the scaling of Llama 3.1 into: a factor for the wavelength of each pair.
const STRETCH: &str = "rope_freqs.weight";

impl Llama {
    /// Loads network and configuration from a `.gguf` file, as llama.cpp writes it. On the CPU weights stay quantised and
    /// where they lie, in the memory-mapped file; hidden states and all arithmetic are in f32. On a card weights are
    /// restored to f16, and so are the hidden states: it needs the memory of the network in f16.
    pub fn load_gguf(path: &Path, device: &Device) -> Result<(Self, Config), Error> {
        let file = Gguf::open(path)?;
        let config = config(&file)?;
        let stretched = file.shapes().any(|(name, _)| name == STRETCH);
        let tensors = file.take(&GGUF_KEYS, &wanted(&config, stretched))?;
        let source = Source::Blocks { tensors: &tensors, device, place: String::new() };
        let mut rope = Rope::new(&config, Pairs::Neighbours, device)?;
        if stretched {
            rope = rope.stretched(&source.pp("rope_freqs").row(config.head_dim / 2)?)?;
        }
        Ok((Self::from_source(&source, rope, &config)?, config))
    }
}

impl Config {
    /// The configuration that a `.gguf` file holds. Its weights are not read.
    pub fn from_gguf(path: &Path) -> Result<Self, Error> {
        config(&Gguf::open(path)?)
    }
}

/// The configuration in the metadata, through the same checks as a `config.json`.
fn config(file: &Gguf) -> Result<Config, Error> {
    let malformed =
        |reason: String| Error::Malformed { file: file.origin().to_owned(), format: "GGUF (Llama)", reason };
    match file.metadata("general.architecture") {
        Some(Value::Text(name)) if name == "llama" => {}
        other => return Err(malformed(format!("its architecture is {other:?}, wanted \"llama\""))),
    }
    let number = |key: &str| match file.metadata(key) {
        None => Ok(None),
        Some(Value::Integer(value)) => u64::try_from(*value)
            .map(|value| Some(json!(value)))
            .map_err(|_| malformed(format!("{key} is {value}"))),
        Some(Value::Number(value)) => Ok(Some(json!(value))),
        Some(other) => Err(malformed(format!("{key} is {other:?}, wanted a number"))),
    };
    let needed = |key: &str| number(key)?.ok_or_else(|| malformed(format!("its metadata lacks {key}")));
    let layers = needed("llama.block_count")?;
    // A layer has nine tensors: no file describes more layers than tensors.
    let tensors = file.shapes().count();
    if layers.as_u64().is_none_or(|layers| layers > tensors as u64) {
        return Err(malformed(format!("it claims {layers} layers and has {tensors} tensors")));
    }
    let rows = file.shapes().find(|(name, _)| *name == "token_embd.weight").map(|(_, shape)| shape[0]);
    let scaling = match file.metadata("llama.rope.scaling.type") {
        Some(Value::Text(kind)) => json!({"rope_type": kind, "factor": number("llama.rope.scaling.factor")?}),
        _ => json!(null),
    };
    let members = json!({
        "vocab_size": rows.unwrap_or(0),
        "hidden_size": needed("llama.embedding_length")?,
        "intermediate_size": needed("llama.feed_forward_length")?,
        "num_hidden_layers": layers,
        "num_attention_heads": needed("llama.attention.head_count")?,
        "num_key_value_heads": number("llama.attention.head_count_kv")?,
        "head_dim": number("llama.attention.key_length")?,
        "rms_norm_eps": needed("llama.attention.layer_norm_rms_epsilon")?,
        "rope_theta": number("llama.rope.freq_base")?,
        "max_position_embeddings": number("llama.context_length")?,
        "rope_scaling": scaling,
        "sliding_window": number("llama.attention.sliding_window")?,
        "tie_word_embeddings": file.shapes().all(|(name, _)| name != "output.weight"),
        "bos_token_id": number("tokenizer.ggml.bos_token_id")?,
        "eos_token_id": number("tokenizer.ggml.eos_token_id")?,
    });
    let config: Config = serde_json::from_value(members).map_err(|error| malformed(error.to_string()))?;
    let rotated = number("llama.rope.dimension_count")?;
    if rotated.as_ref().is_some_and(|rotated| *rotated != json!(config.head_dim)) {
        return Err(malformed(format!("heads of {} of which {rotated:?} are rotated", config.head_dim)));
    }
    Ok(config)
}

/// Our names and shapes of all tensors.
fn wanted(config: &Config, stretched: bool) -> BTreeMap<String, Vec<usize>> {
    let (vocab, width, inner) = (config.vocab_size, config.hidden_size, config.intermediate_size);
    let queries = config.num_attention_heads * config.head_dim;
    let keys = config.num_key_value_heads * config.head_dim;
    let layer = [
        ("input_layernorm", vec![width]),
        ("self_attn.q_proj", vec![queries, width]),
        ("self_attn.k_proj", vec![keys, width]),
        ("self_attn.v_proj", vec![keys, width]),
        ("self_attn.o_proj", vec![width, queries]),
        ("post_attention_layernorm", vec![width]),
        ("mlp.gate_proj", vec![inner, width]),
        ("mlp.up_proj", vec![inner, width]),
        ("mlp.down_proj", vec![width, inner]),
    ];
    let mut wanted = BTreeMap::from([
        ("embed_tokens.weight".to_owned(), vec![vocab, width]),
        ("norm.weight".to_owned(), vec![width]),
    ]);
    if !config.tie_word_embeddings {
        wanted.insert("lm_head.weight".into(), vec![vocab, width]);
    }
    if stretched {
        wanted.insert(STRETCH.into(), vec![config.head_dim / 2]);
    }
    for at in 0..config.num_hidden_layers {
        let named = layer.iter().map(|(name, shape)| (format!("layers.{at}.{name}.weight"), shape.clone()));
        wanted.extend(named);
    }
    wanted
}
