//! A published `config.json`, and the checked form that the network is built from.

use std::fmt::Display;

use affekt_core::{ErrorKind, Explain};
use serde::Deserialize;

/// `config.json` as published, with the names and defaults of transformers' `WavLMConfig`. Members that do not concern
/// the forward pass are left out: unknown members are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of the published file; `Config` says what they mean")]
pub struct RawConfig {
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub hidden_act: String,
    pub layer_norm_eps: f64,
    pub feat_extract_norm: String,
    pub feat_extract_activation: String,
    pub conv_dim: Vec<usize>,
    pub conv_stride: Vec<usize>,
    pub conv_kernel: Vec<usize>,
    pub conv_bias: bool,
    pub num_conv_pos_embeddings: usize,
    pub num_conv_pos_embedding_groups: usize,
    pub num_buckets: usize,
    pub max_bucket_distance: usize,
    pub do_stable_layer_norm: bool,
    pub add_adapter: bool,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-5,
            feat_extract_norm: "group".into(),
            feat_extract_activation: "gelu".into(),
            conv_dim: vec![512; 7],
            conv_stride: vec![5, 2, 2, 2, 2, 2, 2],
            conv_kernel: vec![10, 3, 3, 3, 3, 2, 2],
            conv_bias: false,
            num_conv_pos_embeddings: 128,
            num_conv_pos_embedding_groups: 16,
            num_buckets: 320,
            max_bucket_distance: 800,
            do_stable_layer_norm: false,
            add_adapter: false,
        }
    }
}

/// Normalisation in the convolutional layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvNorm {
    /// `layer`: over the channels of a frame, after every convolution (WavLM-Large).
    Layer,
    /// `group`: over the frames of a channel, after the first convolution only (WavLM-Base).
    Group,
}

/// One convolution over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Channels in; 1 for the waveform.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Taps.
    pub kernel: usize,
    /// Step between two outputs.
    pub stride: usize,
}

/// The network's shape, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Convolutions from the waveform to frames, in order. Never empty.
    pub convs: Vec<ConvShape>,
    /// Whether those convolutions have a bias.
    pub conv_bias: bool,
    /// Their normalisation.
    pub conv_norm: ConvNorm,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Transformer blocks.
    pub layers: usize,
    /// Attention heads; a divisor of `hidden_size`.
    pub heads: usize,
    /// Width inside the feed-forward network.
    pub intermediate_size: usize,
    /// Added to the variance in the layer norms outside the convolutions.
    pub layer_norm_eps: f64,
    /// Taps of the positional convolution, in frames.
    pub positional_kernel: usize,
    /// Groups of the positional convolution; a divisor of `hidden_size`.
    pub positional_groups: usize,
    /// Rows of the table of relative positions, both directions together.
    pub buckets: usize,
    /// Distance in frames from which on all share the last bucket.
    pub max_bucket_distance: usize,
    /// Layer norm before attention and feed-forward network (`do_stable_layer_norm`), or else after them.
    pub pre_norm: bool,
}

/// A `config.json` that describes no WavLM that this crate can build.
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
        Some("use the config.json that was published with the WavLM weights".into())
    }
}

impl RawConfig {
    /// The checked form.
    ///
    /// # Errors
    /// [`BadConfig`] names the first member that does not fit.
    pub fn into_config(self) -> Result<Config, BadConfig> {
        check("hidden_act", &self.hidden_act, self.hidden_act == "gelu", "only gelu is known")?;
        let gelu = self.feat_extract_activation == "gelu";
        check("feat_extract_activation", &self.feat_extract_activation, gelu, "only gelu is known")?;
        let norm = self.feat_extract_norm.as_str();
        let known = ["layer", "group"].contains(&norm);
        check("feat_extract_norm", norm, known, "only layer and group are known")?;
        check("add_adapter", self.add_adapter, !self.add_adapter, "adapters are not supported")?;
        self.check_blocks()?;
        Ok(Config {
            convs: self.convs()?,
            conv_bias: self.conv_bias,
            conv_norm: if norm == "layer" { ConvNorm::Layer } else { ConvNorm::Group },
            hidden_size: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            layer_norm_eps: self.layer_norm_eps,
            positional_kernel: self.num_conv_pos_embeddings,
            positional_groups: self.num_conv_pos_embedding_groups,
            buckets: self.num_buckets,
            max_bucket_distance: self.max_bucket_distance,
            pre_norm: self.do_stable_layer_norm,
        })
    }

    fn check_blocks(&self) -> Result<(), BadConfig> {
        let (width, layers, inner) = (self.hidden_size, self.num_hidden_layers, self.intermediate_size);
        check("num_hidden_layers", layers, layers > 0, "at least one is needed")?;
        check("hidden_size", width, width > 0, "it must be positive")?;
        check("intermediate_size", inner, inner > 0, "it must be positive")?;
        let divides = |part: usize| part > 0 && width.is_multiple_of(part);
        let heads = self.num_attention_heads;
        check("num_attention_heads", heads, divides(heads), "it must divide hidden_size")?;
        let groups = self.num_conv_pos_embedding_groups;
        check("num_conv_pos_embedding_groups", groups, divides(groups), "it must divide hidden_size")?;
        let kernel = self.num_conv_pos_embeddings;
        check("num_conv_pos_embeddings", kernel, kernel > 0, "it must be positive")?;
        let eps = self.layer_norm_eps;
        check("layer_norm_eps", eps, eps > 0.0, "it must be positive")?;
        let (buckets, distance) = (self.num_buckets, self.max_bucket_distance);
        let usable = buckets >= 4 && buckets.is_multiple_of(4);
        check("num_buckets", buckets, usable, "it must be a positive multiple of 4")?;
        check("max_bucket_distance", distance, distance > buckets / 4, "it must exceed num_buckets / 4")
    }

    fn convs(&self) -> Result<Vec<ConvShape>, BadConfig> {
        let (outputs, kernels, strides) = (&self.conv_dim, &self.conv_kernel, &self.conv_stride);
        for (name, list) in [("conv_dim", outputs), ("conv_kernel", kernels), ("conv_stride", strides)] {
            let usable = !list.is_empty() && list.iter().all(|&number| number > 0);
            check(name, format!("{list:?}"), usable, "it must hold positive numbers")?;
            let equal = list.len() == outputs.len();
            check(name, format!("{list:?}"), equal, "it must be as long as conv_dim")?;
        }
        let inputs = std::iter::once(1).chain(outputs.iter().copied());
        let shapes = inputs.zip(outputs).zip(kernels.iter().zip(strides));
        let shape = |((inputs, &outputs), (&kernel, &stride))| ConvShape { inputs, outputs, kernel, stride };
        Ok(shapes.map(shape).collect())
    }
}

impl Config {
    /// How many frames a clip of `samples` samples (16 kHz) has: for the published networks
    /// `floor((samples - 80) / 320)`, and none below 400 samples.
    pub fn frames(&self, samples: usize) -> usize {
        self.convs.iter().fold(samples, |length, conv| conv.length(length))
    }
}

impl ConvShape {
    /// Outputs for `length` inputs.
    pub fn length(&self, length: usize) -> usize {
        if length < self.kernel { 0 } else { (length - self.kernel) / self.stride + 1 }
    }
}

fn check<T: Display>(
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

    fn resolve(json: &str) -> Result<Config, BadConfig> {
        serde_json::from_str::<RawConfig>(json).unwrap().into_config()
    }

    #[test]
    fn an_empty_file_is_wavlm_base() {
        let config = resolve("{}").unwrap();
        assert_eq!((config.hidden_size, config.layers, config.heads), (768, 12, 12));
        assert_eq!((config.conv_norm, config.pre_norm), (ConvNorm::Group, false));
        assert_eq!(config.convs[0], ConvShape { inputs: 1, outputs: 512, kernel: 10, stride: 5 });
    }

    #[test]
    fn frames_are_20_ms_apart() {
        let config = resolve("{}").unwrap();
        for samples in [0, 1, 399] {
            assert_eq!(config.frames(samples), 0, "{samples}");
        }
        for samples in [400, 719, 720, 16_000, 33_333, 128_000, 163_840] {
            assert_eq!(config.frames(samples), (samples - 80) / 320, "{samples}");
        }
    }

    #[test]
    fn members_that_do_not_fit_are_named() {
        for (json, name) in [
            (r#"{"hidden_act": "relu"}"#, "hidden_act"),
            (r#"{"feat_extract_norm": "batch"}"#, "feat_extract_norm"),
            (r#"{"num_attention_heads": 7}"#, "num_attention_heads"),
            (r#"{"num_attention_heads": 0}"#, "num_attention_heads"),
            (r#"{"conv_stride": [5, 2]}"#, "conv_stride"),
            (r#"{"conv_dim": []}"#, "conv_dim"),
            (r#"{"conv_kernel": [10, 3, 3, 3, 3, 2, 0]}"#, "conv_kernel"),
            (r#"{"num_buckets": 0}"#, "num_buckets"),
            (r#"{"max_bucket_distance": 80}"#, "max_bucket_distance"),
            (r#"{"add_adapter": true}"#, "add_adapter"),
        ] {
            assert_eq!(resolve(json).unwrap_err().name, name, "{json}");
        }
    }
}
