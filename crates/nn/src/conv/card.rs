//! Convolutions over time on cards.

use candle_core::{Result, Tensor, bail};

use super::{Conv1d, GroupedConv1d, windows_of};
use crate::kernels::product::{Matrices, Product};
use crate::kernels::{self, Arg, Grid, Kernel};
use crate::linear::card::finish;
use crate::norm::LayerNorm;

/// Most channels that the kernel of the first layer has room for in the registers of a warp.
const CHANNELS: usize = 512;
/// Its weights lie in 48 KB of shared memory.
const TAPS: usize = (48 << 10) / (4 * CHANNELS);
/// Frames that a block of it computes at once: eight warps of four.
const FRAMES: usize = 32;
/// Blocks from which on each takes several rounds, so that weights are read seldom: four on each of 132 processors twice.
const BLOCKS: usize = 1056;

/// Bounds the memory of what grouped convolutions copy: 1 GiB in 16 bits.
const COPIED_AT_ONCE: usize = 1 << 29;
/// What the driver takes as the second side of a grid.
const ROWS: usize = 65_535;

impl Conv1d {
    pub(super) fn runs_on_card(&self, x: &Tensor) -> bool {
        kernels::take(x) && x.dtype() == self.weight.dtype()
    }

    /// Clips, frames and channels of the input; frames and channels of the output.
    fn sizes(&self, x: &Tensor) -> Result<(usize, usize, usize, usize, usize)> {
        let (batch, length, c_in) = x.dims3()?;
        let (taps, c_out) = self.weight.dims2()?;
        if taps != self.kernel * c_in {
            bail!("a convolution over {} channels got {c_in}", taps / self.kernel);
        }
        Ok((batch, length, c_in, windows_of(length, self.kernel, self.stride)?, c_out))
    }

    /// cuBLAS reads no rows that overlap, but windows some steps apart do not: one product makes every second output, or
    /// every third, as the kernel is up to two or three steps wide, and the next one those between. Nothing is copied.
    fn product_on_card(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, length, c_in, count, c_out) = self.sizes(x)?;
        let (x, step, taps) = (x.contiguous()?, self.stride * c_in, self.kernel * c_in);
        let y = kernels::output((batch, count, c_out), x.dtype(), x.device())?;
        let products = self.kernel.div_ceil(self.stride);
        for first in 0..products.min(count) {
            let rows = (count - first).div_ceil(products);
            let windows = Matrices {
                numbers: &x,
                start: first * step,
                row: products * step,
                column: 1,
                batch: length * c_in,
            };
            let out = Matrices {
                numbers: &y,
                start: first * c_out,
                row: products * c_out,
                column: 1,
                batch: count * c_out,
            };
            let product = Product { batch, rows, inner: taps, columns: c_out };
            // SAFETY: `y` is new, and each product has rows of its own.
            unsafe { product.run(windows, Matrices::rows(&self.weight, c_out), out)? };
        }
        Ok(y)
    }

    pub(super) fn on_card(&self, x: &Tensor, then_gelu: bool) -> Result<Tensor> {
        let y = self.product_on_card(x)?;
        finish(&y, self.bias.as_ref(), None, then_gelu)?;
        Ok(y)
    }

    pub(super) fn norm_gelu_on_card(&self, x: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
        let (_, _, c_in, _, c_out) = self.sizes(x)?;
        if c_in == 1 && c_out <= CHANNELS && self.kernel <= TAPS {
            return self.first_on_card(&x.contiguous()?, norm);
        }
        norm.norm_gelu_in_place(&self.on_card(x, false)?)
    }

    /// The first layer, from one channel, in one kernel: its output is by far the largest, and is written once.
    fn first_on_card(&self, x: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
        let (batch, length, _, count, channels) = self.sizes(x)?;
        let y = kernels::output((batch, count, channels), x.dtype(), x.device())?;
        let (weight, bias, eps) = norm.parameters(&y)?;
        let of_type: Vec<&Tensor> = [x, &self.weight].into_iter().chain(&self.bias).collect();
        kernels::of_type(y.dtype(), &of_type)?;
        if self.bias.as_ref().is_some_and(|bias| bias.dims() != [channels]) {
            bail!("a bias of shape {:?} for {channels} channels", self.bias.as_ref().map(Tensor::dims));
        }
        let aligned = [&weight, &bias].iter().all(|x| x.layout().start_offset().is_multiple_of(8));
        let args = [
            Arg::Tensor(x),
            Arg::Tensor(&self.weight),
            self.bias.as_ref().into(),
            Arg::Tensor(&weight),
            Arg::Tensor(&bias),
            Arg::Tensor(&y),
            Arg::U64(length as u64),
            Arg::U32(count as u32),
            Arg::U32(self.kernel as u32),
            Arg::U32(self.stride as u32),
            Arg::U32(channels as u32),
            Arg::F32(eps),
            Arg::U32((aligned && channels == CHANNELS).into()),
        ];
        let rounds = (batch * count / (FRAMES * BLOCKS)).clamp(1, 8);
        let shared = (self.kernel * CHANNELS * size_of::<f32>()) as u32;
        let grid = Grid { blocks: [count.div_ceil(FRAMES * rounds), batch, 1], threads: 256, shared };
        // SAFETY: the frames of a clip are divided among the warps of its blocks, and windows end inside of it.
        unsafe { Kernel { file: "conv", name: "first_conv" }.run(x.dtype(), grid, &args)? };
        Ok(y)
    }
}

impl GroupedConv1d {
    /// One product for all groups of all clips, of rows that each see all frames of some outputs side by side. Rows are
    /// counted over the clips; long batches are taken some rows at a time.
    pub(super) fn gelu_add_on_card(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, length, _) = x.dims3()?;
        kernels::of_type(x.dtype(), &[&self.weight, &self.bias])?;
        let y = kernels::output(x.shape(), x.dtype(), x.device())?;
        let units = length.div_ceil(self.per_row);
        let (_, inner, columns) = self.weight.dims3()?;
        let at_once = (COPIED_AT_ONCE / (self.groups * inner)).clamp(1, ROWS);
        for first in (0..batch * units).step_by(at_once) {
            let rows = at_once.min(batch * units - first);
            let seen = self.frames_on_card(x, units, (first, rows))?; // (groups, rows, inner)
            let product = kernels::output((self.groups, rows, columns), x.dtype(), x.device())?;
            let part = |x, rows: usize, width| Matrices { batch: rows * width, ..Matrices::rows(x, width) };
            let (a, b, out) =
                (part(&seen, rows, inner), part(&self.weight, inner, columns), part(&product, rows, columns));
            // SAFETY: `product` is new.
            unsafe { Product { batch: self.groups, rows, inner, columns }.run(a, b, out)? };
            self.join_on_card(&product, x, &y, units, (first, rows))?;
        }
        Ok(y)
    }

    fn frames_on_card(&self, x: &Tensor, units: usize, (first, rows): (usize, usize)) -> Result<Tensor> {
        let frames = self.per_row + self.kernel - 1;
        let seen = kernels::output((self.groups, rows, frames * self.inputs), x.dtype(), x.device())?;
        let lanes = kernels::lanes(self.inputs, &[x, &seen]);
        let args = [
            Arg::Tensor(x),
            Arg::Tensor(&seen),
            Arg::U32(first as u32),
            Arg::U32(units as u32),
            Arg::U32(x.dim(1)? as u32),
            Arg::U32(self.per_row as u32),
            Arg::U32(frames as u32),
            Arg::U32(self.padding.0 as u32),
            Arg::U32(self.inputs as u32),
            Arg::U32(lanes as u32),
        ];
        let grid = self.grid(frames * self.inputs / lanes, rows);
        // SAFETY: a thread writes `lanes` numbers of its own, and reads as many of a frame inside of the clip.
        unsafe { Kernel { file: "conv", name: "group_frames" }.run(x.dtype(), grid, &args)? };
        Ok(seen)
    }

    fn join_on_card(
        &self,
        product: &Tensor,
        x: &Tensor,
        y: &Tensor,
        units: usize,
        (first, rows): (usize, usize),
    ) -> Result<()> {
        let lanes = kernels::lanes(self.outputs, &[product, &self.bias, x, y]);
        let args = [
            Arg::Tensor(product),
            Arg::Tensor(&self.bias),
            Arg::Tensor(x),
            Arg::Tensor(y),
            Arg::U32(first as u32),
            Arg::U32(units as u32),
            Arg::U32(x.dim(1)? as u32),
            Arg::U32(self.per_row as u32),
            Arg::U32(self.outputs as u32),
            Arg::U32(lanes as u32),
        ];
        let grid = self.grid(self.per_row * self.outputs / lanes, rows);
        // SAFETY: a thread writes `lanes` numbers of a frame inside of the clip, each of which belongs to one row.
        unsafe { Kernel { file: "conv", name: "join_groups" }.run(x.dtype(), grid, &args) }
    }

    fn grid(&self, packs: usize, rows: usize) -> Grid {
        Grid { blocks: [packs.div_ceil(256), rows, self.groups], ..Grid::each(0) }
    }
}
