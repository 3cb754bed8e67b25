//! Multi-head self-attention with a gated relative position bias (Chen et al. 2022, section 3.1).

use candle_core::{D, Result, Tensor};
use candle_nn::ops::{sigmoid, softmax_last_dim};
use candle_nn::{Linear, Module, VarBuilder, linear};

use crate::config::Config;

/// Bounds the memory of long clips: scores grow with the square of the length. 128 MiB in f32.
const SCORES_AT_ONCE: usize = 1 << 25;

/// What is added to the scores of every layer.
pub(crate) struct AttentionBias {
    /// By relative position, before the gate: (1 or b, h, t, t).
    pub positions: Tensor,
    /// Zero or minus infinity by key, where some are padding: (b, 1, 1, t).
    pub keys: Option<Tensor>,
}

pub(crate) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    gate: Gate,
    heads: usize,
}

impl Attention {
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let width = cfg.hidden_size;
        let query = linear(width, width, vb.pp("q_proj"))?;
        // The scores' factor is folded into the queries.
        let factor = (width as f64 / cfg.heads as f64).powf(-0.5);
        let bias = query.bias().map(|bias| bias * factor).transpose()?;
        Ok(Self {
            query: Linear::new((query.weight() * factor)?, bias),
            key: linear(width, width, vb.pp("k_proj"))?,
            value: linear(width, width, vb.pp("v_proj"))?,
            output: linear(width, width, vb.pp("out_proj"))?,
            gate: Gate::load(vb, cfg)?,
            heads: cfg.heads,
        })
    }

    /// (b, t, hidden) -> (b, t, hidden)
    pub fn forward(&self, x: &Tensor, bias: &AttentionBias) -> Result<Tensor> {
        let (batch, frames, _) = x.dims3()?;
        let rows = SCORES_AT_ONCE / (batch * self.heads * frames).max(1);
        self.forward_by_rows(x, bias, rows.max(1))
    }

    /// As `forward`, `rows` queries at a time.
    fn forward_by_rows(&self, x: &Tensor, bias: &AttentionBias, rows: usize) -> Result<Tensor> {
        let query = self.split(&self.query.forward(x)?)?; // (b, h, t, d)
        let key = self.split(&self.key.forward(x)?)?.t()?; // (b, h, d, t)
        let value = self.split(&self.value.forward(x)?)?; // (b, h, t, d)
        let gate = self.gate.forward(x)?; // (b, h, t, 1)
        let frames = x.dim(1)?;
        let part = |first: usize| {
            let take = |x: &Tensor| x.narrow(2, first, rows.min(frames - first)); // t -> r
            let gated = take(&bias.positions)?.broadcast_mul(&take(&gate)?)?; // (b, h, r, t)
            let scores = (take(&query)?.matmul(&key)? + gated)?; // (b, h, r, t)
            let scores = match &bias.keys {
                Some(keys) => scores.broadcast_add(keys)?,
                None => scores,
            };
            softmax_last_dim(&scores)?.matmul(&value) // (b, h, r, d)
        };
        let parts = (0..frames).step_by(rows).map(part).collect::<Result<Vec<_>>>()?;
        let mixed = Tensor::cat(&parts, 2)?; // (b, h, t, d)
        let joined = mixed.transpose(1, 2)?.flatten_from(2)?; // (b, t, hidden)
        self.output.forward(&joined)
    }

    /// (b, t, hidden) -> (b, h, t, d)
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, frames, _) = x.dims3()?;
        x.reshape((batch, frames, self.heads, ()))?.transpose(1, 2)?.contiguous()
    }
}

/// How much of the position bias each query of each head takes.
struct Gate {
    projection: Linear,
    /// (1, h, 1, 1)
    constant: Tensor,
    heads: usize,
}

impl Gate {
    fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let width = cfg.hidden_size / cfg.heads;
        let published = linear(width, 8, vb.pp("gru_rel_pos_linear"))?;
        // The eight outputs are two sums of four: the sum of the rows gives the same with two outputs.
        let weight = published.weight().reshape((2, 4, width))?.sum(1)?; // (2, d)
        let bias = published.bias().map(|bias| bias.reshape((2, 4))?.sum(1)).transpose()?; // (2)
        let constant = vb.get((1, cfg.heads, 1, 1), "gru_rel_pos_const")?;
        Ok(Self { projection: Linear::new(weight, bias), constant, heads: cfg.heads })
    }

    /// (b, t, hidden) -> (b, h, t, 1)
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, frames, _) = x.dims3()?;
        let x = x.reshape((batch, frames, self.heads, ()))?; // (b, t, h, d)
        let gates = sigmoid(&self.projection.forward(&x)?)?.transpose(1, 2)?; // (b, h, t, 2)
        let (update, reset) = (gates.narrow(D::Minus1, 0, 1)?, gates.narrow(D::Minus1, 1, 1)?);
        let reset = (reset.broadcast_mul(&self.constant)? - 1.)?;
        (update * reset)? + 2. // (b, h, t, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::{DType, Device};
    use candle_nn::VarMap;

    use crate::config::RawConfig;

    #[test]
    fn long_clips_in_parts_are_the_same() {
        let raw = RawConfig { hidden_size: 32, num_attention_heads: 4, ..RawConfig::default() };
        let weights = VarMap::new();
        let vb = VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu);
        let attention = Attention::load(&vb, &raw.into_config().unwrap()).unwrap();
        let noise = |shape: &[usize]| Tensor::randn(0f32, 1., shape, &Device::Cpu).unwrap();
        let bias = AttentionBias { positions: noise(&[1, 4, 20, 20]), keys: Some(noise(&[2, 1, 1, 20])) };
        let x = noise(&[2, 20, 32]);
        let whole = attention.forward(&x, &bias).unwrap();
        for rows in [1, 7, 10, 20, 21] {
            let parts = attention.forward_by_rows(&x, &bias, rows).unwrap();
            assert_close(&format!("{rows} queries at a time"), &parts, &whole, 1e-6);
        }
    }
}
