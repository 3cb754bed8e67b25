//! The network: each step of the forward pass is a method, [`Sdumc::forward`] is all of them in order.

use affekt_nn::finite::{Gate, gated};
use candle_core::{Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder};

use crate::attention::{CrossAttention, Frames, QueryAttention};
use crate::gather::{Gather, TEXT_VIEW, ViewQueries};
use crate::imagination::Imagination;
use crate::layers::{Mlp, TwoLinear, linear};
use crate::{Compat, Config, Error, Flow, Output, Sequences};

/// The modalities' names in parameter names.
const MODALITIES: [&str; 3] = ["audio", "text", "video"];
/// The imagination of stage 1 and that of stage 2.
const MIA: [&str; 2] = ["missing_text_imagination_mlp", "missing_cross_text_query_imagination_mlp"];

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
        Ok(Self {
            cfg: cfg.clone(),
            reshape: each(|m| linear(widths[m], dim, &vb.pp(format!("frame_dim_reshape_{m}"))))?,
            pool: each(|m| QueryAttention::load(&vb.pp(format!("fra2utt_{m}")), dim))?,
            hidden: each(|m| mlp(format!("{}_mlp", MODALITIES[m]), dim))?,
            imagine_hidden: Imagination::load(&vb.pp(MIA[0]), cfg.mia, dim, half)?,
            gather_modalities: Gather::modalities(&vb, cfg)?,
            queries: ViewQueries::load(&vb, cfg)?,
            cross: each(|m| CrossAttention::load(&vb.pp(format!("cross_att_fra2utt_{m}")), dim))?,
            cross_hidden: each(|m| mlp(format!("cross_{}_mlp", MODALITIES[m]), half))?,
            imagine_cross: Imagination::load(&vb.pp(MIA[1]), cfg.mia, half, quarter)?,
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
    /// Every operation has a gradient. Errors: features of another width than [`Config::widths`], modalities of different
    /// batch sizes, and [`NotFinite`](affekt_nn::finite::NotFinite) inside of [`Error::Tensor`].
    pub fn forward(&self, inputs: &Sequences, flow: Flow) -> std::result::Result<Output, Error> {
        inputs.check(&self.cfg.widths)?;
        Ok(gated("sdumc", |gate| self.judge(inputs, flow, gate), Output::tensors)?)
    }

    /// All steps in order.
    fn judge(&self, inputs: &Sequences, flow: Flow, gate: Gate) -> Result<Output> {
        let frames = self.frames(inputs, gate)?;
        let hidden = self.pooled(&frames, flow, gate)?; // (b, 3, D)
        let weights = self.modality_weights(&hidden, gate)?; // (b, 3)
        let queries = self.view_queries(&hidden, &weights, gate)?; // (b, 7, D)
        let cross = self.attended(&frames, &queries, flow, gate)?; // 3 x (b, 7, D / 2)
        let views = self.summed(&cross, &weights, gate)?; // (b, 7, D / 2)
        let view_weights = self.view_weights(&views, gate)?; // (b, 7)
        let r = self.fused(&views, &view_weights, gate)?; // (b, D / 2)
        let valence = gate.pass(|| "fc_out_v".into(), self.valence.forward(&r)?.squeeze(1)?)?; // (b)
        let rnc = gate.pass(|| "orgin_linear_change".into(), self.rnc.forward(&r)?)?; // (b, D / 4)
        let text1 = match self.cfg.compat {
            Compat::Paper => hidden.narrow(1, 1, 1)?.squeeze(1)?, // (b, D)
            Compat::Release => queries.narrow(1, TEXT_VIEW, 1)?.squeeze(1)?, // (b, D)
        };
        let [_, text2, _] = cross;
        Ok(Output { valence, r, rnc, text1, text2, hidden, weights, views, view_weights })
    }

    /// Step 1: every modality at one width, 3 x (b, t, D). The release lets padding take part, as zero rows.
    pub fn frames(&self, inputs: &Sequences, gate: Gate) -> Result<[Frames; 3]> {
        let sequences = inputs.all();
        for (sequence, name) in sequences.iter().zip(MODALITIES) {
            gate.check(|| format!("the input {name}"), sequence.rows())?;
        }
        each(|m| {
            let rows = self.reshape[m].forward(sequences[m].rows())?; // (b, t, D)
            let score_bias = match self.cfg.compat {
                Compat::Paper => sequences[m].score_bias()?,
                Compat::Release => None,
            };
            Ok(Frames { rows: gate.pass(|| format!("frame_dim_reshape_{m}"), rows)?, score_bias })
        })
    }

    /// Steps 2 to 4: one representation a modality, (b, 3, D), the text imagined where it is missing.
    pub fn pooled(&self, frames: &[Frames; 3], flow: Flow, gate: Gate) -> Result<Tensor> {
        let hidden = each(|m| {
            let pooled = gate.pass(|| format!("fra2utt_{m}"), self.pool[m].forward(&frames[m])?)?; // (b, D)
            gate.pass(|| format!("{}_mlp", MODALITIES[m]), self.hidden[m].forward(&pooled)?) // (b, D)
        })?;
        let [audio, text, video] = hidden;
        let text = match (&self.imagine_hidden, flow) {
            (Some(mia), Flow::TextMissing) => {
                gate.pass(|| MIA[0].into(), mia.forward(&audio, &text, &video)?)?
            }
            _ => text,
        };
        Tensor::stack(&[audio, text, video], 1) // (b, 3, D)
    }

    /// Step 5: weights (b, 3) of the modalities `hidden` (b, 3, D).
    pub fn modality_weights(&self, hidden: &Tensor, gate: Gate) -> Result<Tensor> {
        self.gather_modalities.weights(hidden, gate)
    }

    /// Step 6: the seven views as queries, (b, 7, D).
    pub fn view_queries(&self, hidden: &Tensor, weights: &Tensor, gate: Gate) -> Result<Tensor> {
        self.queries.forward(hidden, weights, gate)
    }

    /// Steps 7 to 9: what every view finds in each modality's frames, 3 x (b, 7, D / 2), the text imagined where it is
    /// missing.
    pub fn attended(
        &self,
        frames: &[Frames; 3],
        queries: &Tensor,
        flow: Flow,
        gate: Gate,
    ) -> Result<[Tensor; 3]> {
        let [audio, text, video] = each(|m| {
            let found = self.cross[m].forward(queries, &frames[m])?; // (b, 7, D)
            let found = gate.pass(|| format!("cross_att_fra2utt_{m}"), found)?;
            gate.pass(|| format!("cross_{}_mlp", MODALITIES[m]), self.cross_hidden[m].forward(&found)?)
        })?;
        let text = match (&self.imagine_cross, flow) {
            (Some(mia), Flow::TextMissing) => {
                gate.pass(|| MIA[1].into(), mia.forward(&audio, &text, &video)?)?
            }
            _ => text,
        };
        Ok([audio, text, video])
    }

    /// Step 10, first half: the modalities `cross` summed by stage 1's weights, (b, 7, D / 2).
    pub fn summed(&self, cross: &[Tensor; 3], weights: &Tensor, gate: Gate) -> Result<Tensor> {
        let part = |m: usize| cross[m].broadcast_mul(&weights.narrow(1, m, 1)?.unsqueeze(2)?); // (b, 7, D / 2)
        gate.pass(|| "the sum of the modalities".into(), ((part(0)? + part(1)?)? + part(2)?)?)
    }

    /// Step 10, second half: weights (b, 7) of the views.
    pub fn view_weights(&self, views: &Tensor, gate: Gate) -> Result<Tensor> {
        self.gather_views.weights(views, gate)
    }

    /// Step 10, result: r, the views summed by their weights, (b, D / 2).
    pub fn fused(&self, views: &Tensor, view_weights: &Tensor, gate: Gate) -> Result<Tensor> {
        let sum = views.broadcast_mul(&view_weights.unsqueeze(2)?)?.sum(1)?; // (b, D / 2)
        gate.pass(|| "the sum of the views".into(), sum)
    }
}

/// Something for each modality.
fn each<T>(make: impl Fn(usize) -> Result<T>) -> Result<[T; 3]> {
    Ok([make(0)?, make(1)?, make(2)?])
}
