//! Causal self-attention with grouped queries.

use affekt_nn::kv_cache::KvCache;
use candle_core::{DType, Module, Result, Tensor};
use candle_nn::{Linear, VarBuilder, linear_b};

use crate::Config;
use crate::rope::Rotation;

/// Self-attention of one layer. Several query heads share a key and value head (one each in Llama-2).
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
}

impl Attention {
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let (width, bias) = (cfg.hidden_size, cfg.attention_bias);
        let inner = cfg.num_attention_heads * cfg.head_dim;
        let kv_inner = cfg.num_key_value_heads * cfg.head_dim;
        Ok(Self {
            q_proj: linear_b(width, inner, bias, vb.pp("q_proj"))?,
            k_proj: linear_b(width, kv_inner, bias, vb.pp("k_proj"))?,
            v_proj: linear_b(width, kv_inner, bias, vb.pp("v_proj"))?,
            o_proj: linear_b(inner, width, bias, vb.pp("o_proj"))?,
            heads: cfg.num_attention_heads,
            kv_heads: cfg.num_key_value_heads,
            head_dim: cfg.head_dim,
        })
    }

    /// `xs` (b, t, width) are new positions; those in `cache`, here with this layer's number, precede them.
    pub fn forward(
        &self,
        xs: &Tensor,
        rotation: &Rotation,
        mask: Option<&Tensor>,
        cache: Option<(&mut KvCache, usize)>,
    ) -> Result<Tensor> {
        let (b, t, _) = xs.dims3()?;
        let q = rotation.apply(&self.split(&self.q_proj.forward(xs)?, self.heads)?)?; // (b, heads, t, head_dim)
        let k = rotation.apply(&self.split(&self.k_proj.forward(xs)?, self.kv_heads)?)?; // (b, kv_heads, t, head_dim)
        let v = self.split(&self.v_proj.forward(xs)?, self.kv_heads)?; // (b, kv_heads, t, head_dim)
        let (k, v) = match cache {
            Some((cache, layer)) => cache.append(layer, &k, &v)?, // (b, kv_heads, past + t, head_dim)
            None => (k, v),
        };

        // The queries of one group stand below each other: keys and values need no copy a query head.
        let stacked = self.heads / self.kv_heads * t;
        let q = (q * (self.head_dim as f64).powf(-0.5))?;
        let q = q.reshape((b, self.kv_heads, stacked, self.head_dim))?; // (b, kv_heads, group * t, head_dim)
        let scores = q.matmul(&k.t()?)?.to_dtype(DType::F32)?; // (b, kv_heads, group * t, past + t)
        let scores = match mask {
            Some(mask) => scores.reshape((b, self.heads, t, ()))?.broadcast_add(mask)?, // (b, heads, t, past + t)
            None => scores,
        };
        let weights = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(v.dtype())?;
        let mixed = weights.reshape((b, self.kv_heads, stacked, ()))?.matmul(&v)?; // (b, kv_heads, group * t, head_dim)
        let mixed = mixed.reshape((b, self.heads, t, self.head_dim))?.transpose(1, 2)?; // (b, t, heads, head_dim)
        self.o_proj.forward(&mixed.reshape((b, t, self.heads * self.head_dim))?) // (b, t, width)
    }

    /// (b, t, heads * head_dim) -> (b, heads, t, head_dim)
    fn split(&self, xs: &Tensor, heads: usize) -> Result<Tensor> {
        let (b, t, _) = xs.dims3()?;
        xs.reshape((b, t, heads, self.head_dim))?.transpose(1, 2)?.contiguous()
    }
}
