//! Linear layers with a backward pass.

mod gradient;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::card::{self, Then};
use crate::cpu::{Numbers, takes};
use crate::dropout::{Dropout, Mask};
use crate::kernels;
use crate::panels::Panels;
use crate::product::Rows;
use crate::relu::relu;
use gradient::weight_and_bias;

/// x W' + b: `x` (.., inputs), `weight` (outputs, inputs) as PyTorch lays it out, `bias` (outputs) -> (.., outputs).
///
/// The gradient of an `x` that is no variable, and that none leads to, is not computed.
///
/// # Errors
/// Shapes that do not fit each other.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    followed(x, weight, bias, Then::Nothing)
}

/// [`linear`], a ReLU that keeps NaN, and a `dropout` at the rate `p`: on cards all that follows on the product is one
/// launch, forward and backward.
///
/// # Errors
/// As of [`linear`] and [`Dropout::apply`].
pub fn rectified(x: &Tensor, weight: &Tensor, bias: &Tensor, dropout: Dropout, p: f64) -> Result<Tensor> {
    match on_card([x, weight, bias]) {
        true => followed(x, weight, bias, Then::Relu(dropout.mask(p)?.unwrap_or(Mask::NONE))),
        false => dropout.apply(&relu(&linear(x, weight, bias)?)?, p),
    }
}

/// Whether kernels for cards take a layer.
fn on_card(all: [&Tensor; 3]) -> bool {
    let [x, ..] = all;
    x.elem_count() > 0 && all.into_iter().all(|other| kernels::take(other) && other.dtype() == x.dtype())
}

/// A linear layer and, on a card, what follows on it.
fn followed(x: &Tensor, weight: &Tensor, bias: &Tensor, then: Then) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    if x.dims().last() != Some(&inputs) || bias.dims() != [outputs] {
        let (x, bias) = (x.dims(), bias.dims());
        bail!("a linear layer of weight {:?} and bias {bias:?} got {x:?}", weight.dims());
    }
    if inputs * outputs == 0 {
        bail!("a linear layer of {inputs} inputs and {outputs} outputs");
    }
    let mut shape = x.dims().to_vec();
    shape.pop();
    let rows = shape.iter().product::<usize>();
    shape.push(outputs);
    let x = x.reshape((rows, inputs))?;
    if on_card([&x, weight, bias]) {
        return card::linear(&x.contiguous()?, weight, &bias.contiguous()?, then)?.reshape(shape);
    }
    match [&x, weight, bias].into_iter().all(takes) {
        true => {
            let op = Affine { weight: weight.detach() };
            x.contiguous()?.apply_op3(weight, &bias.contiguous()?, op)?
        }
        // One product for all rows of a batch.
        false => x.matmul(&weight.t()?)?.broadcast_add(bias)?,
    }
    .reshape(shape)
}

/// Of (rows, inputs), a weight (outputs, inputs) and a bias (outputs): (rows, outputs).
struct Affine {
    /// That argument, as a tensor.
    weight: Tensor,
}

impl CustomOp3 for Affine {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, inputs) = x_layout.shape().dims2()?;
        let (x, bias) = (numbers(x, x_layout)?, numbers(bias, bias_layout)?);
        let weight = Panels::new(&self.weight)?;
        let product = weight.product(Rows::new(x, rows, inputs, inputs), |_, column, piece| {
            piece.iter_mut().zip(&bias[column..]).for_each(|(y, bias)| *y += bias);
        });
        Ok((CpuStorage::F32(product), Shape::from((rows, bias.len()))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let rows = Numbers::of(&gradient)?;
        let (outputs, inputs) = weight.dims2()?;
        let x_gradient = match x.track_op() {
            true => {
                let turned = Panels::new(&weight.t()?)?;
                let product = turned.product(Rows::new(&rows, x.dim(0)?, outputs, outputs), |_, _, _| {});
                Some(Tensor::from_vec(product, x.shape(), x.device())?)
            }
            false => None,
        };
        let (weight_gradient, bias_gradient) = match weight.track_op() || bias.track_op() {
            true => {
                let (weights, biases) = weight_and_bias(&rows, outputs, &Numbers::of(x)?, inputs);
                let weights = Tensor::from_vec(weights, weight.shape(), weight.device())?;
                (Some(weights), Some(Tensor::from_vec(biases, bias.shape(), bias.device())?))
            }
            false => (None, None),
        };
        Ok((x_gradient, weight_gradient, bias_gradient))
    }
}

/// The numbers of a contiguous argument.
fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else { bail!("a linear layer got a view") };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

#[cfg(test)]
mod tests;
