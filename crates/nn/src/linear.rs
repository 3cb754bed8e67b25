//! Linear layers that keep their weight as matrix products on their device read it fastest.

pub(crate) mod card;

use std::sync::Arc;

use candle_core::{D, Module, Result, Tensor, bail};
use candle_nn::VarBuilder;

use crate::cpu::{Numbers, takes};
use crate::gelu::{gelu, gelu_erf};
use crate::kernels;
use crate::norm::LayerNorm;
use crate::panels::Panels;
use crate::product::{Matrix, Rows, product};

/// x W' + b: (.., inputs) -> (.., outputs). Without a backward pass.
///
/// On the CPU in f32, bias and what follows are added to each part of the product while it is in the cache. On a card one
/// kernel behind the product does them, in place.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Weight,
    /// (outputs)
    bias: Option<Tensor>,
}

#[derive(Clone, Debug)]
enum Weight {
    /// On the CPU in f32.
    Panels(Arc<Panels>),
    /// On a card, (outputs, inputs): cuBLAS reads it turned, and there is no second copy.
    Published(Tensor),
    /// (inputs, outputs): products read rows of it, which lie together in memory.
    Turned(Tensor),
}

impl Linear {
    /// Takes a weight as PyTorch lays it out, (outputs, inputs), and a bias (outputs).
    pub fn new(weight: &Tensor, bias: Option<Tensor>) -> Result<Self> {
        let bias = bias.map(|bias| bias.contiguous()).transpose()?;
        let weight = match takes(weight) {
            true => Weight::Panels(Arc::new(Panels::new(weight)?)),
            false if kernels::take(weight) => Weight::Published(weight.contiguous()?),
            false => Weight::Turned(weight.t()?.contiguous()?),
        };
        Ok(Self { weight, bias })
    }

    /// Takes a weight that lies as products read it, (inputs, outputs), and shares its memory: of tied embeddings one
    /// copy is enough.
    pub fn turned(weight: Tensor) -> Self {
        Self { weight: Weight::Turned(weight), bias: None }
    }

    /// Reads `weight` (outputs, inputs) and, with `bias`, `bias` (outputs).
    pub fn load(vb: &VarBuilder, inputs: usize, outputs: usize, bias: bool) -> Result<Self> {
        let weight = vb.get((outputs, inputs), "weight")?;
        let bias = bias.then(|| vb.get(outputs, "bias")).transpose()?;
        Self::new(&weight, bias)
    }

    /// `gelu(x W' + b)`, exact GELU: (.., inputs) -> (.., outputs)
    pub fn forward_gelu(&self, x: &Tensor) -> Result<Tensor> {
        if self.runs_on_card(x) {
            let y = self.product_on_card(x)?;
            card::finish(&y, self.bias.as_ref(), None, true)?;
            return Ok(y);
        }
        if !takes(x) {
            return gelu_erf(&self.composed(x)?);
        }
        let bias = self.bias_numbers()?;
        self.kernel(x, |_, column, piece| match &bias {
            Some(bias) => {
                piece.iter_mut().zip(&bias[column..]).for_each(|(y, bias)| *y = gelu(*y + bias));
            }
            None => piece.iter_mut().for_each(|y| *y = gelu(*y)),
        })
    }

    /// `x W' + b + residual`: (.., inputs), (.., outputs) -> (.., outputs)
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        if self.runs_on_card(x) {
            let y = self.product_on_card(x)?;
            card::finish(&y, self.bias.as_ref(), Some(residual), false)?;
            return Ok(y);
        }
        if !takes(x) || !takes(residual) {
            return self.composed(x)? + residual;
        }
        let (_, outputs) = self.dims()?;
        let mut shape = x.dims().to_vec();
        shape.pop();
        shape.push(outputs);
        if residual.dims() != shape {
            bail!("a residual of shape {:?} for an output of shape {shape:?}", residual.dims());
        }
        let residual = residual.contiguous()?;
        let residual = Numbers::of(&residual)?;
        let bias = self.bias_numbers()?;
        self.kernel(x, |row, column, piece| {
            let residual = &residual[row * outputs + column..];
            match &bias {
                Some(bias) => {
                    let bias = &bias[column..];
                    piece.iter_mut().zip(bias).zip(residual).for_each(|((y, bias), x)| *y = *y + bias + x);
                }
                None => piece.iter_mut().zip(residual).for_each(|(y, x)| *y += x),
            }
        })
    }

    /// `x W' + b + residual`, and its norm: (.., inputs), (.., outputs) -> twice (.., outputs)
    pub fn forward_add_norm(
        &self,
        x: &Tensor,
        residual: &Tensor,
        norm: &LayerNorm,
    ) -> Result<(Tensor, Tensor)> {
        if self.runs_on_card(x) {
            let sum = self.product_on_card(x)?;
            if let Some(normed) = norm.add_on_card(&sum, self.bias.as_ref(), residual)? {
                return Ok((sum, normed));
            }
        }
        let sum = self.forward_add(x, residual)?;
        let normed = norm.forward(&sum)?;
        Ok((sum, normed))
    }

    /// x W' + b in two parts whose sum it is, the second of them (outputs): on a card the kernel that reads the product
    /// next adds the bias on its way. Elsewhere the first part is all of it.
    pub fn forward_apart(&self, x: &Tensor) -> Result<(Tensor, Option<&Tensor>)> {
        match self.runs_on_card(x) {
            true => Ok((self.product_on_card(x)?, self.bias.as_ref())),
            false => Ok((self.forward(x)?, None)),
        }
    }

    fn bias_numbers(&self) -> Result<Option<Numbers<'_>>> {
        self.bias.as_ref().map(Numbers::of).transpose()
    }

    /// Inputs and outputs.
    fn dims(&self) -> Result<(usize, usize)> {
        match &self.weight {
            Weight::Panels(panels) => Ok((panels.inputs, panels.outputs)),
            Weight::Published(weight) => weight.dims2().map(|(outputs, inputs)| (inputs, outputs)),
            Weight::Turned(weight) => weight.dims2(),
        }
    }

    /// The product by parts; `finish` gets each piece of a row, with its row and its first column.
    fn kernel(&self, x: &Tensor, finish: impl Fn(usize, usize, &mut [f32]) + Sync) -> Result<Tensor> {
        let (inputs, outputs) = self.dims()?;
        if x.dim(D::Minus1)? != inputs {
            bail!("a linear layer of {inputs} inputs got {:?}", x.dims());
        }
        let x = x.contiguous()?;
        let numbers = Numbers::of(&x)?;
        let rows = Rows::new(&numbers, numbers.len() / inputs.max(1), inputs, inputs);
        let y = match &self.weight {
            Weight::Panels(panels) => panels.product(rows, finish),
            Weight::Published(_) => bail!("a linear layer on a card got {:?} on the CPU", x.dtype()),
            Weight::Turned(weight) => {
                // It may be a view.
                let turned = weight.t()?;
                let (row_stride, column_stride) = (weight.stride()[0], weight.stride()[1]);
                let held = Numbers::of(if weight.is_contiguous() { weight } else { &turned })?;
                let weight = Matrix::strided(&held, (inputs, outputs), (row_stride, column_stride));
                product(rows, weight, finish)
            }
        };
        let mut shape = x.dims().to_vec();
        shape.pop();
        shape.push(outputs);
        Tensor::from_vec(y, shape, x.device())
    }

    fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let weight = match &self.weight {
            Weight::Turned(weight) => weight,
            Weight::Published(weight) => &weight.t()?,
            Weight::Panels(_) => {
                bail!("a linear layer in f32 on the CPU got {:?} on {:?}", x.dtype(), x.device().location())
            }
        };
        let (_, outputs) = weight.dims2()?;
        let mut shape = x.dims().to_vec();
        let width = x.dim(D::Minus1)?;
        let rows = x.elem_count() / width.max(1);
        // One product for all rows of a batch.
        let y = x.reshape((rows, width))?.matmul(weight)?; // (rows, outputs)
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        shape.pop();
        shape.push(outputs);
        y.reshape(shape)
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.runs_on_card(x) {
            let y = self.product_on_card(x)?;
            card::finish(&y, self.bias.as_ref(), None, false)?;
            return Ok(y);
        }
        if !takes(x) {
            return self.composed(x);
        }
        let bias = self.bias_numbers()?;
        self.kernel(x, |_, column, piece| {
            if let Some(bias) = &bias {
                piece.iter_mut().zip(&bias[column..]).for_each(|(y, bias)| *y += bias);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::DType;

    fn noise(shape: &[usize]) -> Tensor {
        affekt_testkit::noise(0.0, 1.0, shape)
    }

    #[test]
    fn linear_is_candles() {
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
            assert_close("turned", &Linear::turned(weight.t().unwrap()).forward(&x).unwrap(), &want, 1e-5);
        }
        assert!(Linear::new(&weight, None).unwrap().forward(&noise(&[2, 6])).is_err());
    }

    #[test]
    fn what_follows_is_what_candle_computes_in_every_type() {
        let (weight, bias, x, residual) =
            (noise(&[300, 17]), noise(&[300]), noise(&[2, 9, 17]), noise(&[2, 9, 300]));
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 1e-2), (DType::BF16, 8e-2)] {
            let cast = |x: &Tensor| x.to_dtype(dtype).unwrap();
            let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
            for bias in [Some(&bias), None] {
                let product = x.broadcast_matmul(&weight.t().unwrap()).unwrap();
                let want = bias.map_or(product.clone(), |bias| product.broadcast_add(bias).unwrap());
                let linear = Linear::new(&cast(&weight), bias.map(cast)).unwrap();
                let got = linear.forward_gelu(&cast(&x)).unwrap();
                assert_close("gelu", &wide(&got), &want.gelu_erf().unwrap(), tolerance);
                let got = linear.forward_add(&cast(&x), &cast(&residual)).unwrap();
                assert_close("residual", &wide(&got), &(want + &residual).unwrap(), tolerance);
            }
        }
        let linear = Linear::new(&weight, None).unwrap();
        assert!(linear.forward_add(&x, &noise(&[2, 300])).is_err());
        assert!(linear.forward_add(&x, &residual.to_dtype(DType::F64).unwrap()).is_err());
    }

    /// Widths around those that are read at once, one row, no row, views, NaN.
    #[test]
    fn odd_sizes_are_what_they_are_in_f64() {
        for (rows, inputs, outputs) in
            [(1, 1, 1), (1, 16, 8), (5, 9, 24), (3, 33, 31), (6, 64, 1000), (0, 4, 8)]
        {
            let (weight, bias) = (noise(&[outputs, inputs]), noise(&[outputs]));
            let (x, residual) = (noise(&[rows + 1, inputs]), noise(&[rows + 1, outputs]));
            let (x, residual) = (x.narrow(0, 1, rows).unwrap(), residual.narrow(0, 1, rows).unwrap());
            for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 3e-2), (DType::BF16, 2e-1)] {
                let cast = |x: &Tensor| x.to_dtype(dtype).unwrap();
                let run = |dtype| {
                    let cast = |x: &Tensor| cast(x).to_dtype(dtype).unwrap();
                    let linear = Linear::new(&cast(&weight), Some(cast(&bias))).unwrap();
                    let turned = Linear::turned(cast(&weight).t().unwrap());
                    let (x, residual) = (cast(&x), cast(&residual));
                    let (apart, shift) = linear.forward_apart(&x).unwrap();
                    let apart = shift.map_or(apart.clone(), |bias| apart.broadcast_add(bias).unwrap());
                    let (gelu, sum) = (linear.forward_gelu(&x), linear.forward_add(&x, &residual));
                    let named = HashMap::from(["weight", "bias"].map(|name| (name.to_owned(), cast(&bias))));
                    let vb = VarBuilder::from_tensors(named, dtype, &candle_core::Device::Cpu);
                    let norm = LayerNorm::load(&vb, outputs, 1e-5).unwrap();
                    let (again, normed) = linear.forward_add_norm(&x, &residual, &norm).unwrap();
                    let plain = norm.forward(&again).unwrap();
                    if rows > 0 {
                        let wide = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
                        assert_close("the same norm", &wide(&normed), &wide(&plain), 1e-6);
                        assert_close("the same sum", &wide(&again), &wide(sum.as_ref().unwrap()), 1e-6);
                    }
                    [
                        apart,
                        linear.forward(&x).unwrap(),
                        turned.forward(&x).unwrap(),
                        gelu.unwrap(),
                        sum.unwrap(),
                    ]
                    .map(|y| y.to_dtype(DType::F32).unwrap())
                };
                for (at, (got, want)) in run(dtype).iter().zip(run(DType::F64)).enumerate() {
                    assert_eq!(got.dims(), [rows, outputs]);
                    if rows > 0 {
                        assert_close(
                            &format!("{dtype:?}, {rows} {inputs} {outputs}, {at}"),
                            got,
                            &want,
                            tolerance,
                        );
                    }
                }
            }
        }
        let nan = Tensor::full(f32::NAN, (1, 4), &candle_core::Device::Cpu).unwrap();
        let got = Linear::new(&noise(&[9, 4]), None).unwrap().forward_gelu(&nan).unwrap();
        assert!(got.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|x| x.is_nan()));
    }
}
