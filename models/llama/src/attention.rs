//! Causal self-attention with grouped queries.

use affekt_nn::rotary::Joined;
use candle_core::{Result, Tensor, bail};

use crate::Config;
use crate::block::{Memory, Pass};
use crate::source::{Projection, Projections, Source};

/// Self-attention of one layer. Several query heads share a key and value head (one each in Llama-2).
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    /// q_proj, k_proj and v_proj
    qkv_proj: Projections<3>,
    o_proj: Projection,
    heads: Joined,
}

impl Attention {
    pub fn load(source: &Source, cfg: &Config) -> Result<Self> {
        let (width, bias) = (cfg.hidden_size, cfg.attention_bias);
        let inner = cfg.num_attention_heads * cfg.head_dim;
        let kv_inner = cfg.num_key_value_heads * cfg.head_dim;
        let named = [("q_proj", inner), ("k_proj", kv_inner), ("v_proj", kv_inner)];
        Ok(Self {
            qkv_proj: source.projections(width, named, bias)?,
            o_proj: source.pp("o_proj").projection(inner, width, bias)?,
            heads: Joined {
                heads: cfg.num_attention_heads,
                kv_heads: cfg.num_key_value_heads,
                head_dim: cfg.head_dim,
            },
        })
    }

    /// `xs` (b, t, width) are whole sequences; with a cache, b is 1 and they are the new positions of its batch.
    pub fn forward(&self, xs: &Tensor, pass: &Pass, memory: Option<Memory>) -> Result<Tensor> {
        let (b, t, _) = xs.dims3()?;
        let mixed = match &self.qkv_proj {
            Projections::Joined(qkv_proj) => self.joined(&qkv_proj.forward(xs)?, pass, memory)?,
            Projections::Apart(qkv_proj) => self.apart(xs, qkv_proj, pass, memory)?,
        }; // (b, t, heads, head_dim)
        self.o_proj.forward(&mixed.reshape((b, t, self.heads.heads * self.heads.head_dim))?) // (b, t, width)
    }

    /// What queries are multiplied by.
    fn scale(&self) -> f64 {
        (self.heads.head_dim as f64).powf(-0.5)
    }

    /// From rows (b, t, queries, keys and values): (b, t, heads, head_dim)
    fn joined(&self, qkv: &Tensor, pass: &Pass, memory: Option<Memory>) -> Result<Tensor> {
        let Some(Memory { cache, plan, layer }) = memory else {
            let [q, k, v] = pass.rotation.split(qkv, self.heads, self.scale())?; // (b, heads or kv_heads, t, head_dim)
            return self.mix(&q, &k, &v, pass);
        };
        let q = cache.append(layer, qkv, self.heads, &pass.rotation, self.scale(), plan)?; // (t, heads, head_dim)
        cache.attend(layer, &q, plan)
    }

    fn apart(
        &self,
        xs: &Tensor,
        [q_proj, k_proj, v_proj]: &[Projection; 3],
        pass: &Pass,
        memory: Option<Memory>,
    ) -> Result<Tensor> {
        let (b, t, _) = xs.dims3()?;
        let Joined { heads, kv_heads, head_dim } = self.heads;
        let split = |xs: &Tensor, heads: usize| xs.reshape((b, t, heads, head_dim));
        let q = pass.rotation.apply(&split(&q_proj.forward(xs)?, heads)?)?; // (b, t, heads, head_dim)
        let k = pass.rotation.apply(&split(&k_proj.forward(xs)?, kv_heads)?)?; // (b, t, kv_heads, head_dim)
        let v = split(&v_proj.forward(xs)?, kv_heads)?; // (b, t, kv_heads, head_dim)
        let q = (q * self.scale())?;
        let Some(Memory { cache, plan, layer }) = memory else {
            let by_head = |xs: &Tensor| xs.transpose(1, 2)?.contiguous();
            return self.mix(&by_head(&q)?, &by_head(&k)?, &by_head(&v)?, pass);
        };
        cache.write(layer, plan.slots(), &k.squeeze(0)?, &v.squeeze(0)?)?;
        cache.attend(layer, &q.squeeze(0)?, plan) // (t, heads, head_dim)
    }

    /// Values (b, kv_heads, t, head_dim) mixed as scaled queries (b, heads, t, head_dim) and keys want it:
    /// (b, t, heads, head_dim).
    fn mix(&self, q: &Tensor, k: &Tensor, v: &Tensor, pass: &Pass) -> Result<Tensor> {
        let Some(causal) = &pass.causal else { bail!("new positions without their cache") };
        let (b, heads, t, head_dim) = q.dims4()?;
        let kv_heads = self.heads.kv_heads;
        // The queries of one group stand below each other: keys and values need no copy a query head.
        let q = q.reshape((b, kv_heads, heads / kv_heads * t, head_dim))?;
        let scores = q.matmul(&k.t()?)?; // (b, kv_heads, group * t, t)
        let weights = causal.softmax(scores.reshape((b, heads, t, ()))?)?; // (b, heads, t, t)
        let mixed = weights.reshape((b, kv_heads, heads / kv_heads * t, ()))?.matmul(v)?; // (b, kv_heads, group * t, head_dim)
        mixed.reshape((b, heads, t, head_dim))?.transpose(1, 2) // (b, t, heads, head_dim)
    }
}
