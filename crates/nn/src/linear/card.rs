//! Linear layers on cards: a product by cuBLAS, and one kernel behind it where anything follows.

use candle_core::{D, Result, Tensor, bail};

use super::{Linear, Weight};
use crate::kernels::product::{Matrices, Product};
use crate::kernels::{self, Arg, Grid, Kernel};

/// Rows that a thread of the kernel finishes.
const ROWS: usize = 4;

impl Linear {
    /// Whether its product is made here: both of one type that our kernels take, on a card.
    pub(super) fn runs_on_card(&self, x: &Tensor) -> bool {
        let weight = match &self.weight {
            Weight::Panels(_) => return false,
            Weight::Published(weight) | Weight::Turned(weight) => weight,
        };
        kernels::take(x) && x.dtype() == weight.dtype() && weight.rank() == 2
    }

    /// x W': (.., inputs) -> (.., outputs)
    pub(super) fn product_on_card(&self, x: &Tensor) -> Result<Tensor> {
        let (inputs, outputs) = self.dims()?;
        if x.dim(D::Minus1)? != inputs {
            bail!("a linear layer of {inputs} inputs got {:?}", x.dims());
        }
        let x = x.contiguous()?;
        let rows = x.elem_count() / inputs.max(1);
        let mut shape = x.dims().to_vec();
        shape.pop();
        shape.push(outputs);
        let y = kernels::output(shape, x.dtype(), x.device())?;
        let weight = match &self.weight {
            Weight::Panels(_) => bail!("a linear layer on the CPU got {:?}", x.device().location()),
            Weight::Published(weight) => Matrices::rows(weight, inputs).turned(),
            Weight::Turned(weight) => {
                let (row, column) = (weight.stride()[0], weight.stride()[1]);
                Matrices { numbers: weight, start: 0, row, column, batch: 0 }
            }
        };
        let product = Product { batch: 1, rows, inner: inputs, columns: outputs };
        // SAFETY: `y` is new.
        unsafe { product.run(Matrices::rows(&x, inputs), weight, Matrices::rows(&y, outputs))? };
        Ok(y)
    }
}

/// `y + bias` in place, then GELU or `+ residual`, for a tensor (.., outputs) on a card that nobody else holds. Where
/// nothing follows, nothing is launched.
pub(crate) fn finish(
    y: &Tensor,
    bias: Option<&Tensor>,
    residual: Option<&Tensor>,
    then_gelu: bool,
) -> Result<()> {
    if bias.is_none() && residual.is_none() && !then_gelu {
        return Ok(());
    }
    let width = y.dim(D::Minus1)?;
    if let Some(other) = residual.filter(|residual| residual.dims() != y.dims()) {
        bail!("a residual of shape {:?} for an output of shape {:?}", other.dims(), y.dims());
    }
    if let Some(bias) = bias.filter(|bias| bias.dims() != [width]) {
        bail!("a bias of shape {:?} for an output of shape {:?}", bias.dims(), y.dims());
    }
    let residual = residual.map(Tensor::contiguous).transpose()?;
    let residual = residual.as_ref();
    let tensors: Vec<&Tensor> = [Some(y), bias, residual].into_iter().flatten().collect();
    kernels::of_type(y.dtype(), &tensors)?;
    let lanes = kernels::lanes(width, &tensors);
    let rows = y.elem_count() / width.max(1);
    let args = [
        Arg::Tensor(y),
        bias.into(),
        residual.into(),
        Arg::U32(rows as u32),
        Arg::U32(width as u32),
        Arg::U32(then_gelu.into()),
        Arg::U32(lanes as u32),
    ];
    let grid = Grid::each(width / lanes * rows.div_ceil(ROWS));
    // SAFETY: each thread has numbers of its own in `ROWS` rows of `y`, and reads the same of the residual.
    unsafe { Kernel { file: "linear", name: "finish_linear" }.run(y.dtype(), grid, &args) }
}
