//! Sizes of a Llama, from the `config.json` that comes with its weights.

use affekt_core::{ErrorKind, Explain};
use serde::Deserialize;

use crate::RopeScaling;
use crate::scaling::RopeParameters;

/// A Llama's sizes, every default filled in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Config {
    /// Tokens that it knows.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; a divisor of the query heads.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary wavelengths.
    pub rope_theta: f64,
    /// How the rotary wavelengths were stretched for longer texts.
    pub rope_scaling: RopeScaling,
    /// Positions on which it was trained; nothing here stops at them.
    pub max_position_embeddings: usize,
    /// How many positions a position sees, itself among them, where these are not all before it. Longer texts are refused.
    pub sliding_window: Option<usize>,
    /// Whether the output head is the embedding table.
    pub tie_word_embeddings: bool,
    /// Whether the attention's linear layers have a bias.
    pub attention_bias: bool,
    /// Whether the MLP's linear layers have a bias.
    pub mlp_bias: bool,
    /// The token before every text.
    pub bos_token_id: u32,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
}

/// The members of a published `config.json` that matter here, under their published names. Others are left alone.
#[derive(Clone, Debug, Deserialize)]
pub struct RawConfig {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    rms_norm_eps: Option<f64>,
    hidden_act: Option<String>,
    rope_theta: Option<f64>,
    max_position_embeddings: Option<usize>,
    rope_parameters: Option<RopeParameters>,
    rope_scaling: Option<RopeParameters>,
    partial_rotary_factor: Option<f64>,
    #[serde(default, deserialize_with = "stated")]
    sliding_window: Option<Option<usize>>,
    tie_word_embeddings: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMore>,
}

/// A member that is there, be it null.
fn stated<'de, D: serde::Deserializer<'de>>(json: D) -> Result<Option<Option<usize>>, D::Error> {
    Option::deserialize(json).map(Some)
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

/// A configuration that this Llama does not cover.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum BadConfig {
    /// Another network than Llama.
    #[error("the architecture {0:?} is not supported, only \"llama\" and \"mistral\"")]
    Architecture(String),
    /// A rotary embedding whose wavelengths are scaled by a rule that is not built.
    #[error("rotary embeddings of type {0:?} are not supported, only \"default\", \"linear\" and \"llama3\"")]
    RopeScaling(String),
    /// A rotary embedding of a supported type with impossible numbers, or without them.
    #[error("rotary embeddings of type {rope_type:?} need {wanted}")]
    RopeNumbers {
        /// The type.
        rope_type: &'static str,
        /// What is not there, or not so.
        wanted: &'static str,
    },
    /// Another activation than SiLU.
    #[error("activation {0:?} is not supported, only \"silu\"")]
    Activation(String),
    /// Sizes that do not go together.
    #[error("{what} = {value} does not fit: {wanted}")]
    Size {
        /// The member.
        what: &'static str,
        /// Its value.
        value: usize,
        /// What it should be.
        wanted: String,
    },
}

impl Explain for BadConfig {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadModel
    }

    fn hint(&self) -> Option<String> {
        Some("use a checkpoint of Llama's shape, such as Vicuna-7B v1.5".into())
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = BadConfig;

    fn try_from(raw: RawConfig) -> Result<Self, BadConfig> {
        let mistral = is_mistral(raw.model_type, raw.architectures)?;
        let heads = raw.num_attention_heads;
        let nested_theta = raw.rope_parameters.as_ref().and_then(|rope| rope.rope_theta);
        let longest = raw.max_position_embeddings.unwrap_or(if mistral { MISTRALS_LONGEST } else { 2048 });
        let stated = raw.rope_scaling.iter().chain(&raw.rope_parameters).map(RopeParameters::scaling);
        let stated = stated.collect::<Result<Vec<_>, _>>()?;
        let rope_scaling =
            stated.into_iter().find(|scaling| *scaling != RopeScaling::None).unwrap_or_default();
        if raw.partial_rotary_factor.is_some_and(|part| part != 1.0) {
            return Err(BadConfig::RopeScaling("partial_rotary_factor".into()));
        }
        let activation = raw.hidden_act.unwrap_or_else(|| "silu".into());
        if !["silu", "swish"].contains(&activation.as_str()) {
            return Err(BadConfig::Activation(activation));
        }
        let window = if mistral { Some(MISTRALS_WINDOW) } else { None };
        let config = Self {
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: raw.num_key_value_heads.unwrap_or(if mistral { 8 } else { heads }),
            head_dim: raw.head_dim.unwrap_or(raw.hidden_size / heads.max(1)),
            rms_norm_eps: raw.rms_norm_eps.unwrap_or(1e-6),
            rope_theta: raw.rope_theta.or(nested_theta).unwrap_or(10_000.0),
            rope_scaling,
            max_position_embeddings: longest,
            sliding_window: raw.sliding_window.unwrap_or(window),
            tie_word_embeddings: raw.tie_word_embeddings.unwrap_or(false),
            attention_bias: raw.attention_bias.unwrap_or(false),
            mlp_bias: raw.mlp_bias.unwrap_or(false),
            bos_token_id: raw.bos_token_id.unwrap_or(1),
            eos_token_ids: match raw.eos_token_id {
                None => vec![2],
                Some(OneOrMore::One(id)) => vec![id],
                Some(OneOrMore::More(ids)) => ids,
            },
        };
        config.check()?;
        Ok(config)
    }
}

/// What transformers' `MistralConfig` has where a file says nothing.
const MISTRALS_WINDOW: usize = 4096;
const MISTRALS_LONGEST: usize = 4096 * 32;

/// Whether a file is Mistral's, whose defaults differ from Llama's; an error where it is neither's.
fn is_mistral(model_type: Option<String>, architectures: Option<Vec<String>>) -> Result<bool, BadConfig> {
    let named = model_type.or_else(|| architectures.and_then(|all| all.into_iter().next()));
    // Early conversions say "LLaMAForCausalLM".
    match named.as_deref().map(str::to_ascii_lowercase) {
        None => Ok(false),
        Some(name) if name == "llama" || name.starts_with("llamafor") || name == "llamamodel" => Ok(false),
        Some(name) if name == "mistral" || name.starts_with("mistralfor") || name == "mistralmodel" => {
            Ok(true)
        }
        Some(_) => Err(BadConfig::Architecture(named.unwrap_or_default())),
    }
}

/// Above it a size is a mistake; products of two of them stay far from overflow.
const MOST: usize = 1 << 24;

impl Config {
    /// Positions that a text may have: those on which it was trained, and no more than a position sees.
    pub fn context(&self) -> usize {
        self.sliding_window.unwrap_or(usize::MAX).min(self.max_position_embeddings)
    }

    fn check(&self) -> Result<(), BadConfig> {
        let bad = |what, value, wanted: String| Err(BadConfig::Size { what, value, wanted });
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", heads),
            ("num_key_value_heads", kv_heads),
            ("head_dim", self.head_dim),
            ("max_position_embeddings", self.max_position_embeddings),
            ("sliding_window", self.sliding_window.unwrap_or(1)),
        ];
        if let Some((what, value)) = sizes.into_iter().find(|(_, value)| *value == 0) {
            return bad(what, value, "it must be at least 1".into());
        }
        if let Some((what, value)) = sizes.into_iter().find(|(_, value)| *value > MOST) {
            return bad(what, value, format!("it must be at most {MOST}"));
        }
        if !heads.is_multiple_of(kv_heads) {
            return bad("num_key_value_heads", kv_heads, format!("it must divide the {heads} query heads"));
        }
        if !self.head_dim.is_multiple_of(2) {
            return bad(
                "head_dim",
                self.head_dim,
                "rotary embedding pairs its halves: it must be even".into(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(extra: &str) -> Result<Config, serde_json::Error> {
        serde_json::from_str(&format!(
            r#"{{"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
                "num_attention_heads": 32, "rms_norm_eps": 1e-05, "transformers_version": "4.31.0" {extra}}}"#
        ))
    }

    #[test]
    fn an_old_configuration_gets_its_defaults() {
        let config = parse("").unwrap();
        assert_eq!((config.num_key_value_heads, config.head_dim), (32, 128));
        assert_eq!((config.rope_theta, config.rms_norm_eps), (10_000.0, 1e-5));
        assert_eq!((config.bos_token_id, config.eos_token_ids), (1, vec![2]));
        assert!(!config.tie_word_embeddings);
    }

    #[test]
    fn theta_is_found_where_each_release_writes_it() {
        assert_eq!(parse(r#", "rope_theta": 5e5, "rope_scaling": null"#).unwrap().rope_theta, 5e5);
        let nested = r#", "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}"#;
        assert_eq!(parse(nested).unwrap().rope_theta, 5e5);
    }

    #[test]
    fn what_is_not_covered_is_named() {
        for (extra, message) in [
            (r#", "rope_scaling": {"type": "yarn", "factor": 2.0}"#, "\"yarn\""),
            (r#", "rope_scaling": {"type": "linear"}"#, "factor"),
            (r#", "rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5}"#, "\"llama3\""),
            (r#", "model_type": "qwen2""#, "\"qwen2\""),
            (r#", "architectures": ["MixtralForCausalLM"]"#, "\"MixtralForCausalLM\""),
            (r#", "model_type": "mistral", "sliding_window": 0"#, "sliding_window"),
            (r#", "partial_rotary_factor": 0.5"#, "partial_rotary_factor"),
            (r#", "hidden_act": "gelu""#, "\"gelu\""),
            (r#", "num_key_value_heads": 5"#, "divide the 32"),
            (r#", "head_dim": 7"#, "even"),
        ] {
            let error = parse(extra).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn several_end_tokens_are_kept() {
        let config = parse(r#", "eos_token_id": [128001, 128009], "num_key_value_heads": 8"#).unwrap();
        assert_eq!(config.eos_token_ids, [128_001, 128_009]);
    }

    #[test]
    fn wavelengths_are_scaled_as_each_release_writes_it() {
        let written = r#"{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192}"#;
        let llama3 = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, trained: 8192.0 };
        for member in ["rope_scaling", "rope_parameters"] {
            assert_eq!(parse(&format!(", \"{member}\": {written}")).unwrap().rope_scaling, llama3);
        }
        let linear = parse(r#", "rope_scaling": {"type": "linear", "factor": 2.0}"#).unwrap();
        assert_eq!(linear.rope_scaling, RopeScaling::Linear { factor: 2.0 });
    }

    #[test]
    fn a_mistral_sees_as_far_as_its_file_says() {
        let longest = r#", "model_type": "mistral", "max_position_embeddings": 32768"#;
        let first = parse(longest).unwrap();
        assert_eq!((first.context(), first.num_key_value_heads), (4096, 8));
        let later = parse(&format!(r#"{longest}, "sliding_window": null"#)).unwrap();
        assert_eq!((later.sliding_window, later.context()), (None, 32_768));
        assert_eq!(parse(r#", "architectures": ["LlamaForCausalLM"]"#).unwrap().sliding_window, None);
    }
}
