//! The network.

use candle_core::{Result, Tensor, bail};
use candle_nn::{LayerNorm, Module, VarBuilder, layer_norm};

use crate::attention::AttentionBias;
use crate::block::Block;
use crate::config::Config;
use crate::features::{FeatureExtractor, FeatureProjection};
use crate::lengths::{self, Padding};
use crate::positional::PositionalConv;
use crate::relative::RelativeBias;

/// WavLM as an encoder: a waveform at 16 kHz -> hidden states, one row for 20 ms.
pub struct WavLm {
    features: FeatureExtractor,
    projection: FeatureProjection,
    positional: PositionalConv,
    relative: RelativeBias,
    blocks: Vec<Block>,
    norm: LayerNorm,
    config: Config,
}

impl WavLm {
    /// Reads the network by our names (see [`KEYS`](crate::KEYS)).
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every network takes its VarBuilder by value, as candle's do"
    )]
    pub fn load(vb: VarBuilder, cfg: &Config) -> Result<Self> {
        let encoder = vb.pp("encoder");
        let layers = encoder.pp("layers");
        Ok(Self {
            features: FeatureExtractor::load(&vb.pp("feature_extractor"), cfg)?,
            projection: FeatureProjection::load(&vb.pp("feature_projection"), cfg)?,
            positional: PositionalConv::load(&encoder.pp("pos_conv_embed"), cfg)?,
            relative: RelativeBias::load(&layers.pp(0).pp("attention"), cfg)?,
            blocks: (0..cfg.layers).map(|at| Block::load(&layers.pp(at), cfg)).collect::<Result<_>>()?,
            norm: layer_norm(cfg.hidden_size, cfg.layer_norm_eps, encoder.pp("layer_norm"))?,
            config: cfg.clone(),
        })
    }

    /// Frames that a clip of `samples` samples gives; 0 where it is too short for one.
    pub fn frames(&self, samples: usize) -> usize {
        self.config.frames(samples)
    }

    /// Hidden states of a batch of clips, [normalised](crate::normalize()) as the checkpoint wants them: waveform
    /// (b, n) -> one (b, t, hidden) for the input of the first block and each block's output.
    ///
    /// Entry 0 is the projection plus the positional convolution. In a pre-norm network (WavLM-Large) the entries up to
    /// the last but one are the raw residual stream and the last one has passed the final layer norm, as in unilm and
    /// transformers 4 (transformers 5 gives that one raw).
    ///
    /// `lengths` are the clips' true lengths in samples; `None` means all of n. Of row i, the first
    /// `frames(lengths[i])` frames are those that the clip gives alone, whatever the padding holds; the others mean
    /// nothing.
    ///
    /// # Errors
    /// A clip without a single frame, lengths that do not fit the batch, and what candle reports.
    pub fn forward(&self, waveform: &Tensor, lengths: Option<&[usize]>) -> Result<Vec<Tensor>> {
        let lengths = lengths::resolve(waveform, lengths)?;
        let frames: Vec<usize> = lengths.iter().map(|&samples| self.frames(samples)).collect();
        if let Some(at) = frames.iter().position(|&frames| frames == 0) {
            bail!("clip {at} of the batch has {} samples, too few for a single frame", lengths[at]);
        }
        let waveform = lengths::silence_padding(waveform, &lengths)?;
        let x = self.projection.forward(&self.features.forward(&waveform, &lengths)?)?; // (b, t, hidden)
        let padding = Padding::new(&frames, x.dim(1)?, x.dtype(), x.device())?;
        let x = match &padding {
            Some(padding) => x.broadcast_mul(&padding.valid)?,
            None => x,
        };
        let x = (&x + self.positional.forward(&x)?)?;
        self.encode(x, padding.map(|padding| padding.keys))
    }

    /// (b, t, hidden) -> all hidden states. `keys` is the mask of padded keys, (b, 1, 1, t).
    fn encode(&self, x: Tensor, keys: Option<Tensor>) -> Result<Vec<Tensor>> {
        let bias = AttentionBias { positions: self.relative.forward(x.dim(1)?)?, keys };
        let pre_norm = self.config.pre_norm;
        let mut x = if pre_norm { x } else { self.norm.forward(&x)? };
        let mut states = Vec::with_capacity(self.blocks.len() + 1);
        for block in &self.blocks {
            let next = block.forward(&x, &bias)?; // (b, t, hidden)
            states.push(std::mem::replace(&mut x, next));
        }
        states.push(if pre_norm { self.norm.forward(&x)? } else { x });
        Ok(states)
    }
}
