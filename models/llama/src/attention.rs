//! Causal self-attention with grouped queries.

use affekt_nn::masked_softmax::masked_softmax;
use candle_core::{Result, Tensor};

use crate::Config;
use crate::block::{Memory, Pass};
use crate::source::{Projection, Source};

/// Self-attention of one layer. Several query heads share a key and value head (one each in Llama-2).
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    q_proj: Projection,
    k_proj: Projection,
    v_proj: Projection,
    o_proj: Projection,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

impl Attention {
    pub fn load(source: &Source, cfg: &Config) -> Result<Self> {
        let (width, bias) = (cfg.hidden_size, cfg.attention_bias);
        let inner = cfg.num_attention_heads * cfg.head_dim;
        let kv_inner = cfg.num_key_value_heads * cfg.head_dim;
        Ok(Self {
            q_proj: source.pp("q_proj").projection(width, inner, bias)?,
            k_proj: source.pp("k_proj").projection(width, kv_inner, bias)?,
            v_proj: source.pp("v_proj").projection(width, kv_inner, bias)?,
            o_proj: source.pp("o_proj").projection(inner, width, bias)?,
            heads: cfg.num_attention_heads,
            kv_heads: cfg.num_key_value_heads,
            head_dim: cfg.head_dim,
        })
    }

    /// `xs` (b, t, width) are whole sequences; with a cache, b is 1 and they are the new positions of its batch.
    pub fn forward(&self, xs: &Tensor, pass: &Pass, memory: Option<Memory>) -> Result<Tensor> {
        let (b, t, _) = xs.dims3()?;
        let split = |xs: &Tensor, heads: usize| xs.reshape((b, t, heads, self.head_dim));
        let q = pass.rotation.apply(&split(&self.q_proj.forward(xs)?, self.heads)?)?; // (b, t, heads, head_dim)
        let k = pass.rotation.apply(&split(&self.k_proj.forward(xs)?, self.kv_heads)?)?; // (b, t, kv_heads, head_dim)
        let v = split(&self.v_proj.forward(xs)?, self.kv_heads)?; // (b, t, kv_heads, head_dim)
        let q = (q * (self.head_dim as f64).powf(-0.5))?;
        let mixed = match memory {
            None => self.mix(&q, &k, &v, pass.mask.as_ref())?, // (b, t, heads, head_dim)
            Some(Memory { cache, batch, layer }) => {
                cache.write(layer, &batch.slots, &k.squeeze(0)?, &v.squeeze(0)?)?;
                cache.attend(layer, &q.squeeze(0)?, &batch.groups)? // (t, heads, head_dim)
            }
        };
        self.o_proj.forward(&mixed.reshape((b, t, self.heads * self.head_dim))?) // (b, t, width)
    }

    /// Values (b, keys, kv_heads, head_dim) mixed as scaled queries (b, t, heads, head_dim) and keys want it:
    /// (b, t, heads, head_dim).
    fn mix(&self, q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let (b, t, heads, head_dim) = q.dims4()?;
        // The queries of one group stand below each other: keys and values need no copy a query head.
        let grouped = (b, self.kv_heads, heads / self.kv_heads * t, head_dim);
        let by_head = |xs: &Tensor| xs.transpose(1, 2)?.contiguous();
        let (q, k, v) = (by_head(q)?.reshape(grouped)?, by_head(k)?, by_head(v)?); // (b, kv_heads, .., head_dim)
        let scores = q.matmul(&k.t()?)?; // (b, kv_heads, group * t, keys)
        let weights = masked_softmax(scores.reshape((b, heads, t, ()))?, mask)?; // (b, heads, t, keys)
        let mixed = weights.reshape((b, self.kv_heads, heads / self.kv_heads * t, ()))?.matmul(&v)?; // (b, kv_heads, group * t, head_dim)
        mixed.reshape((b, heads, t, head_dim))?.transpose(1, 2) // (b, t, heads, head_dim)
    }
}
