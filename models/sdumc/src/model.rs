//! The network: each step of the forward pass is a method, [`Sdumc::forward`] is all of them in order.

use candle_core::{Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder};

use crate::attention::{CrossAttention, Frames, QueryAttention};
use crate::gather::{Gather, TEXT_VIEW, ViewQueries};
use crate::imagination::Imagination;
use crate::layers::{Mlp, TwoLinear, linear};
use crate::{Compat, Config, Error, Flow, Output, Sequences};

/// The modalities' names in parameter names.
const MODALITIES: [&str; 3] = ["audio", "text", "video"];

/// The fusion network. Arrays of three are in the order audio, text, video.
#[derive(Clone, Debug)]
pub struct Sdumc {
    cfg: Config,
    reshape: [Linear; 3],
    pool: [QueryAttention; 3],
    hidden: [Mlp; 3],
    imagine_hidden: Option<Imagination>,
    gather_modalities: Gather,
    queries: ViewQueries,
    cross: [CrossAttention; 3],
    cross_hidden: [Mlp; 3],
    imagine_cross: Option<Imagination>,
    gather_views: Gather,
    valence: Linear,
    rnc: TwoLinear,
}

impl Sdumc {
    /// Reads the parameters under their released names, or, from the builder of a variable map, draws them as PyTorch
    /// does by default.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every network takes its VarBuilder by value, as candle's do"
    )]
    pub fn load(vb: VarBuilder, cfg: &Config) -> Result<Self> {
        let (dim, half, quarter) = (cfg.dim, cfg.half(), cfg.quarter());
        let widths = [cfg.widths.audio, cfg.widths.text, cfg.widths.video];
        let mlp = |name: String, last| Mlp::load(&vb.pp(name), &[dim, dim, last]);
        let (mia1, mia2) = ("missing_text_imagination_mlp", "missing_cross_text_query_imagination_mlp");
        Ok(Self {
            cfg: cfg.clone(),
            reshape: each(|m| linear(widths[m], dim, &vb.pp(format!("frame_dim_reshape_{m}"))))?,
            pool: each(|m| QueryAttention::load(&vb.pp(format!("fra2utt_{m}")), dim))?,
            hidden: each(|m| mlp(format!("{}_mlp", MODALITIES[m]), dim))?,
            imagine_hidden: Imagination::load(&vb.pp(mia1), cfg.mia, dim, half)?,
            gather_modalities: Gather::modalities(&vb, cfg)?,
            queries: ViewQueries::load(&vb, cfg)?,
            cross: each(|m| CrossAttention::load(&vb.pp(format!("cross_att_fra2utt_{m}")), dim))?,
            cross_hidden: each(|m| mlp(format!("cross_{}_mlp", MODALITIES[m]), half))?,
            imagine_cross: Imagination::load(&vb.pp(mia2), cfg.mia, half, quarter)?,
            gather_views: Gather::views(&vb, cfg)?,
            valence: linear(half, 1, &vb.pp("fc_out_v"))?,
            rnc: TwoLinear::load(&vb.pp("orgin_linear_change"), [half, quarter, quarter])?,
        })
    }

    /// The settings that it was built by.
    pub fn config(&self) -> &Config {
        &self.cfg
    }

    /// Judges a batch of clips. Under [`Compat::Paper`] a clip's result does not depend on the others of its batch.
    ///
    /// Errors: features of another width than [`Config::widths`], or modalities of different batch sizes.
    pub fn forward(&self, inputs: &Sequences, flow: Flow) -> std::result::Result<Output, Error> {
        inputs.check(&self.cfg.widths)?;
        let frames = self.frames(inputs)?;
        let hidden = self.pooled(&frames, flow)?; // (b, 3, D)
        let weights = self.modality_weights(&hidden)?; // (b, 3)
        let queries = self.view_queries(&hidden, &weights)?; // (b, 7, D)
        let cross = self.attended(&frames, &queries, flow)?; // 3 x (b, 7, D / 2)
        let views = self.summed(&cross, &weights)?; // (b, 7, D / 2)
        let view_weights = self.view_weights(&views)?; // (b, 7)
        let r = self.fused(&views, &view_weights)?; // (b, D / 2)
        let valence = self.valence.forward(&r)?.squeeze(1)?; // (b)
        let rnc = self.rnc.forward(&r)?; // (b, D / 4)
        let text1 = match self.cfg.compat {
            Compat::Paper => hidden.narrow(1, 1, 1)?.squeeze(1)?, // (b, D)
            Compat::Release => queries.narrow(1, TEXT_VIEW, 1)?.squeeze(1)?, // (b, D)
        };
        let [_, text2, _] = cross;
        Ok(Output { valence, r, rnc, text1, text2, hidden, weights, view_weights })
    }

    /// Step 1: every modality at one width, 3 x (b, t, D). The release lets padding take part, as zero rows.
    pub fn frames(&self, inputs: &Sequences) -> Result<[Frames; 3]> {
        let sequences = inputs.all();
        each(|m| {
            let rows = self.reshape[m].forward(sequences[m].rows())?; // (b, t, D)
            let score_bias = match self.cfg.compat {
                Compat::Paper => sequences[m].score_bias()?,
                Compat::Release => None,
            };
            Ok(Frames { rows, score_bias })
        })
    }

    /// Steps 2 to 4: one representation a modality, (b, 3, D), the text imagined where it is missing.
    pub fn pooled(&self, frames: &[Frames; 3], flow: Flow) -> Result<Tensor> {
        let hidden = each(|m| self.hidden[m].forward(&self.pool[m].forward(&frames[m])?))?; // 3 x (b, D)
        Tensor::stack(&imagined(&self.imagine_hidden, hidden, flow)?, 1) // (b, 3, D)
    }

    /// Step 5: weights (b, 3) of the modalities `hidden` (b, 3, D).
    pub fn modality_weights(&self, hidden: &Tensor) -> Result<Tensor> {
        self.gather_modalities.weights(hidden)
    }

    /// Step 6: the seven views as queries, (b, 7, D).
    pub fn view_queries(&self, hidden: &Tensor, weights: &Tensor) -> Result<Tensor> {
        self.queries.forward(hidden, weights)
    }

    /// Steps 7 to 9: what every view finds in each modality's frames, 3 x (b, 7, D / 2), the text imagined where it is
    /// missing.
    pub fn attended(&self, frames: &[Frames; 3], queries: &Tensor, flow: Flow) -> Result<[Tensor; 3]> {
        let found = each(|m| self.cross_hidden[m].forward(&self.cross[m].forward(queries, &frames[m])?))?;
        imagined(&self.imagine_cross, found, flow)
    }

    /// Step 10, first half: the modalities `cross` summed by stage 1's weights, (b, 7, D / 2).
    pub fn summed(&self, cross: &[Tensor; 3], weights: &Tensor) -> Result<Tensor> {
        let part = |m: usize| cross[m].broadcast_mul(&weights.narrow(1, m, 1)?.unsqueeze(2)?); // (b, 7, D / 2)
        (part(0)? + part(1)?)? + part(2)?
    }

    /// Step 10, second half: weights (b, 7) of the views.
    pub fn view_weights(&self, views: &Tensor) -> Result<Tensor> {
        self.gather_views.weights(views)
    }

    /// Step 10, result: r, the views summed by their weights, (b, D / 2).
    pub fn fused(&self, views: &Tensor, view_weights: &Tensor) -> Result<Tensor> {
        views.broadcast_mul(&view_weights.unsqueeze(2)?)?.sum(1) // (b, D / 2)
    }
}

/// Replaces the text of `modalities` where it is missing and there is an imagination.
fn imagined(imagination: &Option<Imagination>, modalities: [Tensor; 3], flow: Flow) -> Result<[Tensor; 3]> {
    match (imagination, flow) {
        (Some(imagination), Flow::TextMissing) => {
            let [audio, text, video] = modalities;
            let text = imagination.forward(&audio, &text, &video)?;
            Ok([audio, text, video])
        }
        _ => Ok(modalities),
    }
}

/// Something for each modality.
fn each<T>(make: impl Fn(usize) -> Result<T>) -> Result<[T; 3]> {
    Ok([make(0)?, make(1)?, make(2)?])
}
