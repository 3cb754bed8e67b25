//! Attention-guided feature gathering: weights for a stack of representations, drawn from all of them together; and
//! the seven views that stage 1's weights make of three modalities.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::layers::{Linear, Mlp};
use crate::{Compat, Config, Pass};

/// Names of the views in their order in the query stack.
pub const VIEWS: [&str; 7] = ["fused", "at", "tv", "av", "audio", "text", "video"];

/// Position of the text-only view.
pub(crate) const TEXT_VIEW: usize = 5;

/// One gathering: (b, n, d) representations to (b, n) weights, without a softmax.
#[derive(Clone, Debug)]
pub struct Gather {
    /// Names of its parameters begin with these.
    names: [&'static str; 2],
    mlp: Mlp,
    head: Linear,
}

impl Gather {
    /// Stage 1, over the three modalities: `attention_mlp` and `fc_att`.
    pub fn modalities(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        Self::load(vb, cfg, ["attention_mlp", "fc_att"], [3 * cfg.dim, cfg.dim, cfg.dim], 3)
    }

    /// Stage 2, over the seven views: `cross_attention_mlp` and `cross_fc_att`.
    pub fn views(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let half = cfg.half();
        let names = ["cross_attention_mlp", "cross_fc_att"];
        Self::load(vb, cfg, names, [VIEWS.len() * half, cfg.dim, half], VIEWS.len())
    }

    fn load(
        vb: &VarBuilder,
        cfg: &Config,
        names: [&'static str; 2],
        widths: [usize; 3],
        outputs: usize,
    ) -> Result<Self> {
        let mlp = Mlp::load(&vb.pp(names[0]), &widths, cfg.dropout.mlp)?;
        Ok(Self { names, mlp, head: Linear::load(widths[2], outputs, &vb.pp(names[1]))? })
    }

    /// Weights (b, n) of `stack` (b, n, d).
    pub fn weights(&self, stack: &Tensor, pass: Pass) -> Result<Tensor> {
        let stack = stack.flatten_from(1)?; // (b, n d)
        let x = pass.layer(self.names[0], |dropout| self.mlp.forward(&stack, dropout))?; // (b, last width)
        pass.layer(self.names[1], |_| self.head.forward(&x)) // (b, n)
    }
}

/// The MLPs that turn views into queries.
#[derive(Clone, Debug)]
pub struct ViewQueries {
    mlps: Vec<Mlp>,
    compat: Compat,
}

impl ViewQueries {
    /// Reads `cross_VIEW_query_mlp` for each of [`VIEWS`].
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let load = |view: &str| {
            Mlp::load(&vb.pp(format!("cross_{view}_query_mlp")), &[cfg.dim, cfg.dim], cfg.dropout.mlp)
        };
        Ok(Self { mlps: VIEWS.into_iter().map(load).collect::<Result<_>>()?, compat: cfg.compat })
    }

    /// Queries (b, 7, D) from the pooled modalities `hidden` (b, 3, D) and their `weights` (b, 3).
    pub fn forward(&self, hidden: &Tensor, weights: &Tensor, pass: Pass) -> Result<Tensor> {
        let weighted = hidden.broadcast_mul(&weights.unsqueeze(2)?)?; // (b, 3, D)
        let [a, t, v] = modalities(&weighted)?;
        let alone = match self.compat {
            Compat::Paper => [a.clone(), t.clone(), v.clone()],
            Compat::Release => modalities(hidden)?,
        };
        let (at, tv, av) = ((&a + &t)?, (&t + &v)?, (&a + &v)?);
        let views = [(&at + &v)?, at, tv, av].into_iter().chain(alone); // 7 x (b, D)
        let queries = self.mlps.iter().zip(VIEWS).zip(views);
        let queries = queries.map(|((mlp, name), view)| {
            let name = format!("cross_{name}_query_mlp");
            pass.layer(&name, |dropout| mlp.forward(&view, dropout)) // (b, D)
        });
        Tensor::stack(&queries.collect::<Result<Vec<_>>>()?, 1) // (b, 7, D)
    }
}

/// The three modalities of a stack (b, 3, D), each (b, D).
fn modalities(stack: &Tensor) -> Result<[Tensor; 3]> {
    let one = |index| stack.narrow(1, index, 1)?.squeeze(1)?.contiguous();
    Ok([one(0)?, one(1)?, one(2)?])
}
