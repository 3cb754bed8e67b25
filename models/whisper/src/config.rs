//! The network's sizes, from the `config.json` that comes with its weights.

use affekt_core::{ErrorKind, Explain};
use candle_transformers::models::whisper;
use serde::Deserialize;

use crate::suppressed;

/// Frames after the convolutions of a window: 30 s, one every 20 ms. All published Whispers hear just so much.
pub const SOURCE_POSITIONS: usize = 1500;

/// A Whisper's sizes, checked, every default filled in.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Config {
    /// Tokens that it knows, the special ones included.
    pub vocab_size: usize,
    /// Mel bands that it hears: 80, or 128 from large-v3 on.
    pub num_mel_bins: usize,
    /// Width of the hidden states.
    pub d_model: usize,
    /// Blocks of the encoder.
    pub encoder_layers: usize,
    /// Heads of the encoder; a divisor of `d_model`.
    pub encoder_attention_heads: usize,
    /// Blocks of the decoder.
    pub decoder_layers: usize,
    /// Heads of the decoder; a divisor of `d_model`.
    pub decoder_attention_heads: usize,
    /// Positions of the decoder, the prompt included.
    pub max_target_positions: usize,
    /// Tokens that are never written: symbols for music, speakers and other things that are no words.
    pub suppress_tokens: Vec<u32>,
}

/// The members of a published `config.json` that matter here, under their published names. Others are left alone.
///
/// `begin_suppress_tokens` is one of those: it forbids an empty text, and with timestamps every text begins with one.
#[derive(Clone, Debug, Deserialize)]
pub struct RawConfig {
    vocab_size: usize,
    #[serde(default = "eighty")]
    num_mel_bins: usize,
    d_model: usize,
    encoder_layers: usize,
    encoder_attention_heads: usize,
    encoder_ffn_dim: Option<usize>,
    decoder_layers: usize,
    decoder_attention_heads: usize,
    decoder_ffn_dim: Option<usize>,
    max_source_positions: Option<usize>,
    max_target_positions: Option<usize>,
    activation_function: Option<String>,
    scale_embedding: Option<bool>,
    tie_word_embeddings: Option<bool>,
    suppress_tokens: Option<Vec<u32>>,
}

fn eighty() -> usize {
    80
}

/// A `config.json` that describes no Whisper that this crate can build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("config.json: {name} is {value}, but {wanted}")]
pub struct BadConfig {
    /// The member.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it has to be.
    pub wanted: &'static str,
}

impl Explain for BadConfig {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadModel
    }

    fn hint(&self) -> Option<String> {
        Some("use the config.json that was published with the Whisper weights".into())
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = BadConfig;

    fn try_from(raw: RawConfig) -> Result<Self, BadConfig> {
        raw.check_form()?;
        raw.check_sizes()?;
        let suppress_tokens =
            raw.suppress_tokens.unwrap_or_else(|| suppressed::published(raw.vocab_size).to_vec());
        if let Some(&token) = suppress_tokens.iter().find(|&&token| token as usize >= raw.vocab_size) {
            check("suppress_tokens", token, false, "its tokens must be below vocab_size")?;
        }
        Ok(Self {
            vocab_size: raw.vocab_size,
            num_mel_bins: raw.num_mel_bins,
            d_model: raw.d_model,
            encoder_layers: raw.encoder_layers,
            encoder_attention_heads: raw.encoder_attention_heads,
            decoder_layers: raw.decoder_layers,
            decoder_attention_heads: raw.decoder_attention_heads,
            max_target_positions: raw.max_target_positions.unwrap_or(448),
            suppress_tokens,
        })
    }
}

impl RawConfig {
    /// What the library takes for granted.
    fn check_form(&self) -> Result<(), BadConfig> {
        let activation = self.activation_function.as_deref().unwrap_or("gelu");
        check("activation_function", activation, activation == "gelu", "only gelu is known")?;
        let scaled = self.scale_embedding.unwrap_or(false);
        check("scale_embedding", scaled, !scaled, "scaled embeddings are not supported")?;
        let tied = self.tie_word_embeddings.unwrap_or(true);
        check("tie_word_embeddings", tied, tied, "the output head is the embedding table")?;
        for (name, width) in
            [("encoder_ffn_dim", self.encoder_ffn_dim), ("decoder_ffn_dim", self.decoder_ffn_dim)]
        {
            let width = width.unwrap_or(self.d_model.saturating_mul(4));
            check(name, width, Some(width) == self.d_model.checked_mul(4), "it must be 4 times d_model")?;
        }
        let positions = self.max_source_positions.unwrap_or(SOURCE_POSITIONS);
        check("max_source_positions", positions, positions == SOURCE_POSITIONS, "a window has 1500 frames")
    }

    fn check_sizes(&self) -> Result<(), BadConfig> {
        let width = self.d_model;
        // The library builds tables of these sizes before it has seen a weight.
        let usable = (4..=16_384).contains(&width) && width.is_multiple_of(2);
        check("d_model", width, usable, "it must be even and from 4 to 16384")?;
        let positions = self.max_target_positions.unwrap_or(448);
        check(
            "max_target_positions",
            positions,
            (16..=4096).contains(&positions),
            "16 to 4096 are possible",
        )?;
        let bins = self.num_mel_bins;
        check("num_mel_bins", bins, bins == 80 || bins == 128, "only 80 and 128 are published")?;
        for (name, layers) in
            [("encoder_layers", self.encoder_layers), ("decoder_layers", self.decoder_layers)]
        {
            check(name, layers, (1..=1000).contains(&layers), "1 to 1000 are possible")?;
        }
        for (name, heads) in [
            ("encoder_attention_heads", self.encoder_attention_heads),
            ("decoder_attention_heads", self.decoder_attention_heads),
        ] {
            check(name, heads, heads > 0 && width.is_multiple_of(heads), "it must divide d_model")?;
        }
        let tokens = self.vocab_size;
        let usable = (SOURCE_POSITIONS + 2..=1 << 24).contains(&tokens);
        check("vocab_size", tokens, usable, "it must hold the 1501 timestamps, and at most 2^24 tokens")
    }
}

impl Config {
    /// The library's form.
    pub(crate) fn library(&self) -> whisper::Config {
        whisper::Config {
            num_mel_bins: self.num_mel_bins,
            max_source_positions: SOURCE_POSITIONS,
            d_model: self.d_model,
            encoder_attention_heads: self.encoder_attention_heads,
            encoder_layers: self.encoder_layers,
            vocab_size: self.vocab_size,
            max_target_positions: self.max_target_positions,
            decoder_attention_heads: self.decoder_attention_heads,
            decoder_layers: self.decoder_layers,
            suppress_tokens: self.suppress_tokens.clone(),
        }
    }

    /// Tokens that a window may have at most: half of the positions, as in the reference. The other half is for the
    /// words before it, which are not given here.
    pub fn window_tokens(&self) -> usize {
        self.max_target_positions / 2
    }
}

fn check<T: std::fmt::Display>(
    name: &'static str,
    value: T,
    holds: bool,
    wanted: &'static str,
) -> Result<(), BadConfig> {
    if holds { Ok(()) } else { Err(BadConfig { name, value: value.to_string(), wanted }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `changes` (members of a JSON object, replacing earlier ones) on the sizes of whisper-tiny.
    fn resolve(changes: &str) -> Result<Config, String> {
        let tiny = r#"{"vocab_size": 51865, "d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6,
            "encoder_ffn_dim": 1536, "decoder_layers": 4, "decoder_attention_heads": 6, "decoder_ffn_dim": 1536,
            "max_source_positions": 1500, "activation_function": "gelu", "forced_decoder_ids": [[1, 50259]]}"#;
        let mut json: serde_json::Map<String, serde_json::Value> = serde_json::from_str(tiny).unwrap();
        json.extend(serde_json::from_str::<serde_json::Map<_, _>>(changes).unwrap());
        serde_json::from_value(json.into()).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn published_members_are_read_and_defaults_filled_in() {
        let config = resolve("{}").unwrap();
        assert_eq!(
            (config.num_mel_bins, config.max_target_positions, config.window_tokens()),
            (80, 448, 224)
        );
        assert_eq!(config.suppress_tokens, suppressed::published(51865));
        let large = resolve(r#"{"vocab_size": 51866, "num_mel_bins": 128, "suppress_tokens": [7]}"#).unwrap();
        assert_eq!((large.num_mel_bins, large.suppress_tokens), (128, vec![7]));
    }

    #[test]
    fn members_that_do_not_fit_are_named() {
        for (changes, name) in [
            (r#"{"activation_function": "relu"}"#, "activation_function is relu"),
            (r#"{"num_mel_bins": 64}"#, "num_mel_bins is 64"),
            (r#"{"d_model": 0}"#, "encoder_ffn_dim is 1536"),
            (
                r#"{"d_model": 100000, "encoder_ffn_dim": 400000, "decoder_ffn_dim": 400000}"#,
                "d_model is 100000",
            ),
            (r#"{"encoder_attention_heads": 7}"#, "encoder_attention_heads is 7"),
            (r#"{"decoder_attention_heads": 0}"#, "decoder_attention_heads is 0"),
            (r#"{"decoder_layers": 18446744073709551615}"#, "decoder_layers is 18446744073709551615"),
            (r#"{"max_target_positions": 1000000000}"#, "max_target_positions is 1000000000"),
            (r#"{"max_source_positions": 750}"#, "max_source_positions is 750"),
            (r#"{"decoder_ffn_dim": 7}"#, "decoder_ffn_dim is 7"),
            (r#"{"vocab_size": 1000}"#, "vocab_size is 1000"),
            (r#"{"suppress_tokens": [1, 51865]}"#, "suppress_tokens is 51865"),
            (r#"{"tie_word_embeddings": false}"#, "tie_word_embeddings is false"),
            (r#"{"scale_embedding": true}"#, "scale_embedding is true"),
        ] {
            let error = resolve(changes).unwrap_err();
            assert!(error.contains(name), "{changes}: {error}");
        }
    }
}
