//! The SLAM-ASR projector (Ma et al. 2024): WavLM frames become embeddings that a language model reads.

use affekt_nn::finite::{Gate, gated};
use affekt_nn::linear::Linear;
use affekt_nn::relu::relu;
use affekt_weights::{Checkpoint, KeyTable};
use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;
use serde::Deserialize;

use crate::BadConfig;

/// Names in SLAM-LLM's `model.pt`: `encoder_projector.linear1.weight`.
pub const KEYS: KeyTable = KeyTable { prefixes: &["encoder_projector."], renames: &[], ignored: &[] };

/// Sizes of a projector. Members of a configuration file that are absent are those of WavLM-Large with Vicuna-7B.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Frames that make one embedding (SLAM-LLM's name).
    pub encoder_projector_ds_rate: usize,
    /// Width of a frame.
    pub encoder_dim: usize,
    /// Width between the two linear layers.
    pub hidden_dim: usize,
    /// Width of an embedding.
    pub llm_dim: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { encoder_projector_ds_rate: 5, encoder_dim: 1024, hidden_dim: 2048, llm_dim: 4096 }
    }
}

impl Config {
    /// The sizes that a projector's weights have, given the width of the frames it reads: the published checkpoint
    /// comes without a configuration. `None` where it has not the two weights, which loading then reports by name.
    pub fn infer(weights: &Checkpoint, encoder_dim: usize) -> Option<std::result::Result<Self, BadConfig>> {
        let dims = |name: &str| {
            let found = weights.shapes().find(|(published, _)| KEYS.rename(published) == name);
            found.and_then(|(_, shape)| <[usize; 2]>::try_from(shape).ok())
        };
        let ([hidden_dim, stacked], [llm_dim, _]) = (dims("linear1.weight")?, dims("linear2.weight")?);
        if encoder_dim == 0 || stacked == 0 || !stacked.is_multiple_of(encoder_dim) {
            let wanted = format!("it must divide the projector's input width {stacked}");
            return Some(Err(BadConfig::Size { what: "width of the frames", value: encoder_dim, wanted }));
        }
        let encoder_projector_ds_rate = stacked / encoder_dim;
        Some(Ok(Self { encoder_projector_ds_rate, encoder_dim, hidden_dim, llm_dim }))
    }
}

/// Stacks neighbouring frames and maps them to the language model's width.
#[derive(Clone, Debug)]
pub struct Projector {
    linear1: Linear,
    linear2: Linear,
    cfg: Config,
}

impl Projector {
    /// Loads the weights that [`KEYS`] names.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every network takes its VarBuilder by value, as candle's do"
    )]
    pub fn load(vb: VarBuilder, cfg: &Config) -> Result<Self> {
        if cfg.encoder_projector_ds_rate == 0 {
            candle_core::bail!("encoder_projector_ds_rate is 0, wanted 1 or more");
        }
        let stacked = cfg.encoder_projector_ds_rate * cfg.encoder_dim;
        Ok(Self {
            linear1: Linear::load(&vb.pp("linear1"), stacked, cfg.hidden_dim, true)?,
            linear2: Linear::load(&vb.pp("linear2"), cfg.hidden_dim, cfg.llm_dim, true)?,
            cfg: cfg.clone(),
        })
    }

    /// Frames (b, t, encoder_dim) -> embeddings (b, t / k, llm_dim). The last t mod k frames are dropped; fewer than k
    /// give no embedding.
    pub fn forward(&self, frames: &Tensor) -> Result<Tensor> {
        let (b, t, width) = frames.dims3()?;
        if width != self.cfg.encoder_dim {
            candle_core::bail!("frames are {width} wide, the projector takes {}", self.cfg.encoder_dim);
        }
        let k = self.cfg.encoder_projector_ds_rate;
        if t < k {
            return Tensor::zeros((b, 0, self.cfg.llm_dim), frames.dtype(), frames.device());
        }
        let stacked = frames.narrow(1, 0, t / k * k)?.contiguous()?.reshape((b, t / k, k * width))?; // (b, t / k, k * width)
        let forward = |gate: Gate| {
            gate.check(|| "the input features".into(), &stacked)?;
            let hidden = self.linear1.forward(&stacked)?; // (b, t / k, hidden_dim)
            let hidden = gate.pass(|| "linear1".into(), hidden)?;
            let projected = gate.pass(|| "linear2".into(), self.linear2.forward(&relu(&hidden)?)?)?; // (b, t / k, llm_dim)
            Ok((projected, hidden))
        };
        // ReLU would hide a NaN.
        let (projected, _) = gated("slam", forward, |(projected, hidden)| vec![projected, hidden])?;
        Ok(projected)
    }
}
