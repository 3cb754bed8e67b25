//! SwiGLU's product, in one pass over the numbers.

use crate::vectorised::vectorised;
use candle_core::{CpuStorage, CustomOp2, D, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::exp::exp;
use crate::kernels::{self, Arg, Grid, Kernel};

/// Numbers that one task takes.
const PART: usize = 1 << 14;

/// silu(gate) * up, elementwise; silu(x) = x / (1 + e^-x).
///
/// On the CPU in f32, and on cards, it is one pass; without a backward pass.
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if kernels::take(gate) && gate.dtype() == up.dtype() && gate.dims() == up.dims() {
        let width = gate.dim(D::Minus1)?;
        return on_card(&gate.contiguous()?, &up.contiguous()?, (width, width, 0), gate.dims());
    }
    if gate.device().is_cpu() && gate.dtype() == DType::F32 && gate.dims() == up.dims() {
        return gate.contiguous()?.apply_op2_no_bwd(&up.contiguous()?, &Product);
    }
    gate.silu()? * up
}

/// [`swiglu`] of the two halves of each row, gate and up from one product: (.., 2 width) -> (.., width)
pub fn swiglu_joined(joined: &Tensor) -> Result<Tensor> {
    let both = joined.dim(D::Minus1)?;
    if !both.is_multiple_of(2) {
        bail!("gate and up in rows of {both}");
    }
    let width = both / 2;
    if kernels::take(joined) {
        let mut dims = joined.dims().to_vec();
        dims.pop();
        dims.push(width);
        let joined = joined.contiguous()?;
        return on_card(&joined, &joined, (width, both, width), &dims);
    }
    swiglu(&joined.narrow(D::Minus1, 0, width)?, &joined.narrow(D::Minus1, width, width)?)
}

/// Rows of `width` numbers that begin every `stride`, ups `offset` behind the gates.
fn on_card(
    gate: &Tensor,
    up: &Tensor,
    (width, stride, offset): (usize, usize, usize),
    dims: &[usize],
) -> Result<Tensor> {
    let y = kernels::output(dims, gate.dtype(), gate.device())?;
    let wide = kernels::wide(gate, width) && kernels::wide(up, width);
    let lanes = if wide { 16 / gate.dtype().size_in_bytes() } else { 1 };
    let rows = y.elem_count() / width.max(1);
    let grid = Grid { blocks: [rows, width.div_ceil(256 * lanes), 1], threads: 256, shared: 0 };
    let args = [
        Arg::Tensor(gate),
        Arg::Tensor(up),
        Arg::Tensor(&y),
        Arg::U32(width as u32),
        Arg::U32(stride as u32),
        Arg::U32(offset as u32),
        Arg::U32(wide.into()),
    ];
    // SAFETY: a thread takes at most `lanes` numbers from `at` on, which divide a row, and none behind `width`.
    unsafe { Kernel { file: "swiglu", name: "swiglu" }.run(gate.dtype(), grid, &args)? };
    Ok(y)
}

struct Product;

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gate_layout: &Layout,
        up: &CpuStorage,
        up_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let count = gate_layout.shape().elem_count();
        let gate = &gate.as_slice::<f32>()?[gate_layout.start_offset()..][..count];
        let up = &up.as_slice::<f32>()?[up_layout.start_offset()..][..count];
        let mut product = vec![0.0; count];
        let parts = product.par_chunks_mut(PART).zip(gate.par_chunks(PART)).zip(up.par_chunks(PART));
        parts.for_each(|((product, gate), up)| {
            vectorised(
                #[inline(always)]
                || {
                    for ((product, &gate), &up) in product.iter_mut().zip(gate).zip(up) {
                        *product = gate / (1.0 + exp(-gate)) * up;
                    }
                },
            );
        });
        Ok((CpuStorage::F32(product), gate_layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use affekt_testkit::assert_close;
    use candle_core::Device;

    use super::*;

    #[test]
    fn it_is_silu_times_up() {
        let noise = |scale| affekt_testkit::noise(0.0, scale, (3, 7, 1200));
        let (gate, up) = (noise(4.0), noise(1.0));
        let want = (gate.silu().unwrap() * &up).unwrap();
        assert_close("swiglu", &swiglu(&gate, &up).unwrap(), &want, 1e-6);
        let (gate, up) = (gate.narrow(1, 2, 3).unwrap(), up.narrow(1, 1, 3).unwrap());
        let want = (gate.silu().unwrap() * &up).unwrap();
        assert_close("views", &swiglu(&gate, &up).unwrap(), &want, 1e-6);
        let extremes = Tensor::new(&[-1e30f32, -100.0, 0.0, 100.0, 1e30], &Device::Cpu).unwrap();
        let got: Vec<f32> = swiglu(&extremes, &extremes.ones_like().unwrap()).unwrap().to_vec1().unwrap();
        assert_eq!(got[2..], [0.0, 100.0, 1e30]);
        assert!(got[..2].iter().all(|x| x.abs() < 1e-7), "{got:?}");
    }

    #[test]
    fn halves_of_a_row_are_gate_and_up_in_every_type() {
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F16, 1e-2), (DType::BF16, 6e-2)] {
            for (rows, width) in [(1, 1200), (5, 7), (3, 8)] {
                let joined = affekt_testkit::noise(0.0, 3.0, (1, rows, 2 * width)).to_dtype(dtype).unwrap();
                let half = |at| joined.narrow(2, at, width).unwrap().to_dtype(DType::F32).unwrap();
                let want = (half(0).silu().unwrap() * half(width)).unwrap();
                let got = swiglu_joined(&joined).unwrap();
                assert_eq!((got.dtype(), got.dims()), (dtype, &[1, rows, width][..]));
                assert_close("joined", &got.to_dtype(DType::F32).unwrap(), &want, tolerance);
                let [gate, up] = [0, width].map(|at| joined.narrow(2, at, width).unwrap());
                let apart = swiglu(&gate, &up).unwrap().to_dtype(DType::F32).unwrap();
                assert_close("apart", &apart, &want, tolerance);
            }
        }
        assert!(swiglu_joined(&Tensor::zeros((1, 3), DType::F32, &Device::Cpu).unwrap()).is_err());
        let nan = Tensor::new(&[[f32::NAN, 1.0, 1.0, f32::NAN]], &Device::Cpu).unwrap();
        let got = swiglu_joined(&nan).unwrap().to_vec2::<f32>().unwrap();
        assert!(got[0].iter().all(|x| x.is_nan()), "{got:?}");
    }
}
