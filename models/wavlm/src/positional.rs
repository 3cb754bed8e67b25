//! Positions, told apart by a wide grouped convolution over frames.

use affekt_nn::conv::GroupedConv1d;
use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;

use crate::config::Config;

/// `x + gelu(conv(x))`, as many frames as went in.
pub(crate) struct PositionalConv {
    conv: GroupedConv1d,
}

impl PositionalConv {
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let (width, kernel, groups) = (cfg.hidden_size, cfg.positional_kernel, cfg.positional_groups);
        let vb = vb.pp("conv");
        let magnitude = vb.get((1, 1, kernel), "weight_g")?;
        let direction = vb.get((width, width / groups, kernel), "weight_v")?;
        let weight = fold_weight_norm(&magnitude, &direction)?; // (hidden, hidden / groups, kernel)
        // An even kernel padded by half of it on both sides gives a frame too many; the published networks drop the
        // last one, which is one zero less at the end.
        let padding = (kernel / 2, (kernel - 1) / 2);
        Ok(Self { conv: GroupedConv1d::new(&weight, &vb.get(width, "bias")?, groups, padding)? })
    }

    /// (b, t, hidden) -> (b, t, hidden)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.conv.forward_gelu_add(x)
    }
}

/// The weight that `weight_g` (1, 1, k) and `weight_v` (c_out, c_in, k) stand for: g v / |v|, the norm taken for each
/// tap over all channels (Salimans and Kingma 2016, over dimension 2).
fn fold_weight_norm(magnitude: &Tensor, direction: &Tensor) -> Result<Tensor> {
    let v = direction.to_dtype(DType::F32)?;
    let norm = v.sqr()?.sum_keepdim((0, 1))?.sqrt()?; // (1, 1, k)
    let scale = magnitude.to_dtype(DType::F32)?.div(&norm)?;
    v.broadcast_mul(&scale)?.to_dtype(direction.dtype())
}
