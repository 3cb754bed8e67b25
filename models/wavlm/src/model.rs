//! The network.

use affekt_nn::finite::{Gate, gated};
use affekt_nn::lengths::Lengths;
use affekt_nn::norm::LayerNorm;
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::attention::Context;
use crate::block::{Block, Next, Stream};
use crate::config::Config;
use crate::features::{FeatureExtractor, FeatureProjection};
use crate::lengths;
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
            norm: LayerNorm::load(&encoder.pp("layer_norm"), cfg.hidden_size, cfg.layer_norm_eps)?,
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
    /// A clip without a single frame, lengths that do not fit the batch, [`NotFinite`](affekt_nn::finite::NotFinite) and
    /// what candle reports.
    pub fn forward(&self, waveform: &Tensor, lengths: Option<&[usize]>) -> Result<Vec<Tensor>> {
        let lengths = lengths::resolve(waveform, lengths)?;
        if lengths.is_empty() {
            bail!("a batch without a clip");
        }
        let frames: Vec<usize> = lengths.iter().map(|&samples| self.frames(samples)).collect();
        if let Some(at) = frames.iter().position(|&frames| frames == 0) {
            bail!("clip {at} of the batch has {} samples, too few for a single frame", lengths[at]);
        }
        let waveform = Lengths::new(&lengths, waveform.device()).silence(waveform)?;
        let frames = Lengths::new(&frames, waveform.device());
        gated(
            "wavlm",
            |gate| self.states(&waveform, &lengths, &frames, gate),
            |states| states.iter().collect(),
        )
    }

    /// All hidden states. The waveform (b, n) is silent behind the `lengths`, which give as many valid `frames`.
    fn states(
        &self,
        waveform: &Tensor,
        lengths: &[usize],
        frames: &Lengths,
        gate: Gate,
    ) -> Result<Vec<Tensor>> {
        gate.check(|| "the input waveform".into(), waveform)?;
        let x = self.features.forward(waveform, lengths, gate)?; // (b, t, c)
        let x = gate.pass(|| "feature_projection".into(), self.projection.forward(&x)?)?; // (b, t, hidden)
        let x = frames.silence(&x)?;
        let x = gate.pass(|| "encoder.pos_conv_embed".into(), self.positional.forward(&x)?)?;
        let length = x.dim(1)?;
        let padded = !frames.all_are(length);
        let context =
            Context { bias: self.relative.forward(length)?, frames: padded.then(|| frames.clone()) };
        self.encode(x, &context, gate)
    }

    /// (b, t, hidden) -> all hidden states.
    fn encode(&self, x: Tensor, context: &Context, gate: Gate) -> Result<Vec<Tensor>> {
        let last = Next { norm: &self.norm, of: "encoder" };
        let before = |at: usize| self.blocks.get(at).map_or(last, Block::before);
        let first = if self.config.pre_norm { before(0) } else { last };
        let input = gate.pass(|| first.name(), first.norm.forward(&x)?)?; // (b, t, hidden)
        let state = if self.config.pre_norm { x } else { input.clone() };
        let mut stream = Stream { state, input };
        let mut states = Vec::with_capacity(self.blocks.len() + 1);
        for (at, block) in self.blocks.iter().enumerate() {
            let next = block.forward(&stream, before(at + 1), context, gate)?;
            states.push(std::mem::replace(&mut stream, next).state);
        }
        // In a pre-norm network that has passed the last norm.
        states.push(stream.input);
        Ok(states)
    }
}
