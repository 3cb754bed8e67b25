//! Linear layers that keep their weight as matrix products on the CPU read it fastest.

use candle_core::{D, Module, Result, Tensor};
use candle_nn::VarBuilder;

/// x W' + b: (.., inputs) -> (.., outputs).
#[derive(Clone, Debug)]
pub struct Linear {
    /// (inputs, outputs): turned once, when it is loaded. A product then reads rows of it, which lie together in
    /// memory; PyTorch's (outputs, inputs) costs the AVX-512 kernels up to half of their speed.
    weight: Tensor,
    /// (outputs)
    bias: Option<Tensor>,
}

impl Linear {
    /// Takes a weight as PyTorch lays it out, (outputs, inputs), and a bias (outputs).
    pub fn new(weight: &Tensor, bias: Option<Tensor>) -> Result<Self> {
        Ok(Self { weight: weight.t()?.contiguous()?, bias })
    }

    /// Shares a table (outputs, inputs) that is needed as it is elsewhere, such as tied embeddings.
    pub fn sharing(table: &Tensor) -> Result<Self> {
        Ok(Self { weight: table.t()?, bias: None })
    }

    /// Reads `weight` (outputs, inputs) and, with `bias`, `bias` (outputs).
    pub fn load(vb: &VarBuilder, inputs: usize, outputs: usize, bias: bool) -> Result<Self> {
        let weight = vb.get((outputs, inputs), "weight")?;
        let bias = bias.then(|| vb.get(outputs, "bias")).transpose()?;
        Self::new(&weight, bias)
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (inputs, outputs) = self.weight.dims2()?;
        let mut shape = x.dims().to_vec();
        let rows = x.elem_count() / x.dim(D::Minus1)?.max(1);
        // One product for all rows of a batch.
        let y = x.reshape((rows, inputs))?.matmul(&self.weight)?; // (rows, outputs)
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        shape.pop();
        shape.push(outputs);
        y.reshape(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::Device;

    #[test]
    fn linear_is_candles() {
        let noise = |shape: &[usize]| Tensor::randn(0f32, 1., shape, &Device::Cpu).unwrap();
        let (weight, bias) = (noise(&[7, 5]), noise(&[7]));
        for shape in [&[5][..], &[3, 5], &[2, 3, 5], &[2, 1, 3, 5]] {
            let x = noise(shape);
            let rows = x.reshape(((), 5)).unwrap();
            let product = rows.matmul(&weight.t().unwrap()).unwrap();
            let mut dims = shape.to_vec();
            *dims.last_mut().unwrap() = 7;
            let want = product.broadcast_add(&bias).unwrap().reshape(dims.as_slice()).unwrap();
            let linear = Linear::new(&weight, Some(bias.clone())).unwrap();
            assert_close("linear", &linear.forward(&x).unwrap(), &want, 1e-5);
            let want = product.reshape(dims.as_slice()).unwrap();
            assert_close("shared", &Linear::sharing(&weight).unwrap().forward(&x).unwrap(), &want, 1e-5);
        }
        assert!(Linear::new(&weight, None).unwrap().forward(&noise(&[2, 6])).is_err());
    }
}
