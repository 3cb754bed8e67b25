//! The network: each step of the forward pass is a method, [`Sdumc::forward`] is all of them in order.

use affekt_nn::dropout::Dropout;
use affekt_nn::finite::{Gate, gated};
use affekt_nn::trainable::Frames;
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::attention::{CrossAttention, QueryAttention};
use crate::gather::{Gather, TEXT_VIEW, ViewQueries};
use crate::imagination::Imagination;
use crate::layers::{Linear, Mlp, TwoLinear};
use crate::{Clips, Compat, Config, Error, Flow, Output, Pair, Pass, Sequence, Sequences};

/// The modalities' names in parameter names.
const MODALITIES: [&str; 3] = ["audio", "text", "video"];
const AUDIO: usize = 0;
const TEXT: usize = 1;
const VIDEO: usize = 2;
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
        let rates = cfg.dropout;
        let mlp = |name: String, last| Mlp::load(&vb.pp(name), &[dim, dim, last], rates.mlp);
        Ok(Self {
            cfg: cfg.clone(),
            reshape: each(|m| Linear::load(widths[m], dim, &vb.pp(format!("frame_dim_reshape_{m}"))))?,
            pool: each(|m| QueryAttention::load(&vb.pp(format!("fra2utt_{m}")), dim, rates.attention))?,
            hidden: each(|m| mlp(format!("{}_mlp", MODALITIES[m]), dim))?,
            imagine_hidden: Imagination::load(&vb.pp(MIA[0]), cfg.mia, dim, half)?,
            gather_modalities: Gather::modalities(&vb, cfg)?,
            queries: ViewQueries::load(&vb, cfg)?,
            cross: each(|m| {
                CrossAttention::load(&vb.pp(format!("cross_att_fra2utt_{m}")), dim, rates.attention)
            })?,
            cross_hidden: each(|m| mlp(format!("cross_{}_mlp", MODALITIES[m]), half))?,
            imagine_cross: Imagination::load(&vb.pp(MIA[1]), cfg.mia, half, quarter)?,
            gather_views: Gather::views(&vb, cfg)?,
            valence: Linear::load(half, 1, &vb.pp("fc_out_v"))?,
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
        let judged = |gate| {
            let pass = Pass { flow, dropout: Dropout::OFF, gate };
            self.judge(&self.frames(inputs, gate)?, pass)
        };
        Ok(gated("sdumc", judged, Output::tensors)?)
    }

    /// Both flows at once, which share the projections of audio and video: what training works on. Without dropout each
    /// flow says what [`Self::forward`] says of it. With dropout, each flow and each layer has masks of its own. Errors
    /// as there.
    pub fn forward_both(&self, clips: &Clips, dropout: Dropout) -> std::result::Result<Pair, Error> {
        clips.check(&self.cfg.widths)?;
        let judged = |gate| {
            let step = |m, name, sequence| self.step_1(m, name, sequence, gate);
            let audio = step(AUDIO, "audio", &clips.audio)?;
            let video = step(VIDEO, "video", &clips.video)?;
            let flow = |flow: Flow, text| {
                let pass = Pass { flow, dropout: dropout.at(flow.name()), gate };
                self.judge(&[audio.clone(), text, video.clone()], pass)
            };
            Ok(Pair {
                complete: flow(Flow::Complete, step(TEXT, "text", &clips.text)?)?,
                missing: flow(Flow::TextMissing, step(TEXT, "simulated", &clips.simulated)?)?,
            })
        };
        Ok(gated("sdumc", judged, Pair::tensors)?)
    }

    /// Steps 2 to 11.
    fn judge(&self, frames: &[Frames; 3], pass: Pass) -> Result<Output> {
        let hidden = self.pooled(frames, pass)?; // (b, 3, D)
        let weights = self.modality_weights(&hidden, pass)?; // (b, 3)
        let queries = self.view_queries(&hidden, &weights, pass)?; // (b, 7, D)
        let cross = self.attended(frames, &queries, pass)?; // 3 x (b, 7, D / 2)
        let views = self.summed(&cross, &weights, pass)?; // (b, 7, D / 2)
        let view_weights = self.view_weights(&views, pass)?; // (b, 7)
        let r = self.fused(&views, &view_weights, pass)?; // (b, D / 2)
        let valence = pass.layer("fc_out_v", |_| self.valence.forward(&r)?.squeeze(1))?; // (b)
        let rnc = pass.layer("orgin_linear_change", |_| self.rnc.forward(&r))?; // (b, D / 4)
        let text1 = match self.cfg.compat {
            Compat::Paper => hidden.narrow(1, TEXT, 1)?.squeeze(1)?, // (b, D)
            Compat::Release => queries.narrow(1, TEXT_VIEW, 1)?.squeeze(1)?, // (b, D)
        };
        let [_, text2, _] = cross;
        Ok(Output { valence, r, rnc, text1, text2, hidden, weights, views, view_weights })
    }

    /// Step 1: every modality at one width, 3 x (b, t, D). The release lets padding take part, as zero rows.
    pub fn frames(&self, inputs: &Sequences, gate: Gate) -> Result<[Frames; 3]> {
        let sequences = inputs.all();
        each(|m| self.step_1(m, MODALITIES[m], sequences[m], gate))
    }

    /// Step 1 of modality `m`, of which the input is called `name`.
    fn step_1(&self, m: usize, name: &str, sequence: &Sequence, gate: Gate) -> Result<Frames> {
        gate.check(|| format!("the input {name}"), sequence.rows())?;
        let rows = self.reshape[m].forward(sequence.rows())?; // (b, t, D)
        let rows = gate.pass(|| format!("frame_dim_reshape_{m}"), rows)?;
        match self.cfg.compat {
            Compat::Paper => Frames::new(&rows, sequence.counting()),
            Compat::Release => Frames::new(&rows, None),
        }
    }

    /// Steps 2 to 4: one representation a modality, (b, 3, D), the text imagined where it is missing.
    pub fn pooled(&self, frames: &[Frames; 3], pass: Pass) -> Result<Tensor> {
        let hidden = each(|m| {
            let (name, attention) = (format!("fra2utt_{m}"), &self.pool[m]);
            let pooled = pass.layer(&name, |dropout| attention.forward(&frames[m], dropout))?; // (b, D)
            let name = format!("{}_mlp", MODALITIES[m]);
            pass.layer(&name, |dropout| self.hidden[m].forward(&pooled, dropout)) // (b, D)
        })?;
        let [audio, text, video] = hidden;
        let text = match (&self.imagine_hidden, pass.flow) {
            (Some(mia), Flow::TextMissing) => pass.layer(MIA[0], |_| mia.forward(&audio, &text, &video))?,
            _ => text,
        };
        Tensor::stack(&[audio, text, video], 1) // (b, 3, D)
    }

    /// Step 5: weights (b, 3) of the modalities `hidden` (b, 3, D).
    pub fn modality_weights(&self, hidden: &Tensor, pass: Pass) -> Result<Tensor> {
        self.gather_modalities.weights(hidden, pass)
    }

    /// Step 6: the seven views as queries, (b, 7, D).
    pub fn view_queries(&self, hidden: &Tensor, weights: &Tensor, pass: Pass) -> Result<Tensor> {
        self.queries.forward(hidden, weights, pass)
    }

    /// Steps 7 to 9: what every view finds in each modality's frames, 3 x (b, 7, D / 2), the text imagined where it is
    /// missing.
    pub fn attended(&self, frames: &[Frames; 3], queries: &Tensor, pass: Pass) -> Result<[Tensor; 3]> {
        let [audio, text, video] = each(|m| {
            let (name, attention) = (format!("cross_att_fra2utt_{m}"), &self.cross[m]);
            let found = pass.layer(&name, |dropout| attention.forward(queries, &frames[m], dropout))?; // (b, 7, D)
            let name = format!("cross_{}_mlp", MODALITIES[m]);
            pass.layer(&name, |dropout| self.cross_hidden[m].forward(&found, dropout)) // (b, 7, D / 2)
        })?;
        let text = match (&self.imagine_cross, pass.flow) {
            (Some(mia), Flow::TextMissing) => pass.layer(MIA[1], |_| mia.forward(&audio, &text, &video))?,
            _ => text,
        };
        Ok([audio, text, video])
    }

    /// Step 10, first half: the modalities `cross` summed by stage 1's weights, (b, 7, D / 2).
    pub fn summed(&self, cross: &[Tensor; 3], weights: &Tensor, pass: Pass) -> Result<Tensor> {
        let part = |m: usize| cross[m].broadcast_mul(&weights.narrow(1, m, 1)?.unsqueeze(2)?); // (b, 7, D / 2)
        pass.layer("the sum of the modalities", |_| (part(0)? + part(1)?)? + part(2)?)
    }

    /// Step 10, second half: weights (b, 7) of the views.
    pub fn view_weights(&self, views: &Tensor, pass: Pass) -> Result<Tensor> {
        self.gather_views.weights(views, pass)
    }

    /// Step 10, result: r, the views summed by their weights, (b, D / 2).
    pub fn fused(&self, views: &Tensor, view_weights: &Tensor, pass: Pass) -> Result<Tensor> {
        let sum = || views.broadcast_mul(&view_weights.unsqueeze(2)?)?.sum(1); // (b, D / 2)
        pass.layer("the sum of the views", |_| sum())
    }
}

/// Something for each modality.
fn each<T>(make: impl Fn(usize) -> Result<T>) -> Result<[T; 3]> {
    Ok([make(0)?, make(1)?, make(2)?])
}
