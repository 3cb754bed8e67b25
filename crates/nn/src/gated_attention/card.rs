//! Attention on cards.

use candle_core::{DType, Result, Tensor};

use crate::kernels::product::{Matrices, Product};
use crate::kernels::{self, Arg, Grid, Kernel};
use crate::lengths::Lengths;

/// Scores that exist at once: 32 MiB in 16 bits, about what the second-level cache of a large card holds, so that softmax
/// and the second product may find them there. It bounds the memory of long clips, too.
pub(super) const SCORES_AT_ONCE: usize = 1 << 24;

/// Rows of scores start at multiples of so many: of 16 bytes in every type, as the fast products of cuBLAS want it.
const ROW: usize = 8;

/// What the kernels share.
struct Attention<'a> {
    /// (b, t, h), f32
    gates: Tensor,
    /// (h, 2 t - 1)
    bias: &'a Tensor,
    /// (b)
    frames: Option<&'a Tensor>,
    batch: usize,
    length: usize,
    /// `length`, up to a multiple of [`ROW`]. Keys and values behind it are zero.
    padded: usize,
    heads: usize,
    /// Of a head.
    width: usize,
}

/// As [`gated_attention`](super::gated_attention), about `scores` scores at a time. Outputs of frames that are not valid are
/// zero.
pub(super) fn attend(
    qkv: &Tensor,
    qkv_bias: Option<&Tensor>,
    gates: &Tensor,
    bias: &Tensor,
    frames: Option<&Lengths>,
    scores: usize,
) -> Result<Tensor> {
    let (batch, length, columns) = qkv.dims3()?;
    let heads = bias.dim(0)?;
    let this = Attention {
        gates: gates.to_dtype(DType::F32)?.contiguous()?,
        bias,
        frames: frames.map(Lengths::on_card).transpose()?,
        batch,
        length,
        padded: length.next_multiple_of(ROW),
        heads,
        width: columns / (3 * heads),
    };
    kernels::of_type(qkv.dtype(), &[bias])?;
    let parts = this.split(&qkv.contiguous()?, qkv_bias)?; // (3, b, h, padded, d)
    let mixed = kernels::output((batch, heads, length, this.width), qkv.dtype(), qkv.device())?;
    let of_head = length * this.padded;
    // Some heads at a time, or some queries of one head.
    let at_once = (scores / of_head.max(1)).max(1);
    let queries = if of_head > scores { (scores / this.padded).clamp(1, length) } else { length };
    for head in (0..batch * heads).step_by(at_once) {
        let count = at_once.min(batch * heads - head);
        for query in (0..length).step_by(queries) {
            this.mix(&parts, &mixed, (head, count), (query, queries.min(length - query)))?;
        }
    }
    this.merge(&mixed)
}

impl Attention<'_> {
    /// (b, t, 3 * h * d) + bias -> (3, b, h, padded, d), zero behind the valid frames.
    fn split(&self, qkv: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let shape = (3, self.batch, self.heads, self.padded, self.width);
        let parts = kernels::output(shape, qkv.dtype(), qkv.device())?;
        let tensors: Vec<&Tensor> = [Some(qkv), bias].into_iter().flatten().collect();
        kernels::of_type(qkv.dtype(), &tensors)?;
        let lanes = kernels::lanes(self.width, &tensors);
        let args = [
            Arg::Tensor(qkv),
            bias.into(),
            self.frames.into(),
            Arg::Tensor(&parts),
            Arg::U32(self.length as u32),
            Arg::U32(self.padded as u32),
            Arg::U32(self.heads as u32),
            Arg::U32(self.width as u32),
            Arg::U32(lanes as u32),
        ];
        let packs = self.padded * 3 * self.heads * self.width / lanes;
        let grid = Grid { blocks: [packs.div_ceil(256), self.batch, 1], ..Grid::each(0) };
        // SAFETY: each thread writes `lanes` numbers of its own, and reads as many of a frame inside of the clip.
        unsafe { Kernel { file: "gated_attention", name: "split_heads" }.run(qkv.dtype(), grid, &args)? };
        Ok(parts)
    }

    /// `count` heads of all from `head` on, for `queries` queries from `query` on, written to their places in `mixed`.
    fn mix(
        &self,
        parts: &Tensor,
        mixed: &Tensor,
        (head, count): (usize, usize),
        (query, queries): (usize, usize),
    ) -> Result<()> {
        let (padded, width) = (self.padded, self.width);
        let scores = kernels::output((count, queries, padded), parts.dtype(), parts.device())?;
        let part = |at: usize, row: usize| Matrices {
            start: ((at * self.batch * self.heads + head) * padded + row) * width,
            batch: padded * width,
            ..Matrices::rows(parts, width)
        };
        let weights = Matrices { batch: queries * padded, ..Matrices::rows(&scores, padded) };
        let product = Product { batch: count, rows: queries, inner: width, columns: padded };
        // SAFETY: `scores` is new.
        unsafe { product.run(part(0, query), part(1, 0).turned(), weights)? };
        self.softmax(&scores, head, query)?;
        let out = Matrices {
            start: (head * self.length + query) * width,
            batch: self.length * width,
            ..Matrices::rows(mixed, width)
        };
        let product = Product { batch: count, rows: queries, inner: padded, columns: width };
        // SAFETY: `mixed` is the caller's, and these queries of these heads are computed here alone.
        unsafe { product.run(weights, part(2, 0), out) }
    }

    /// Scores (count, queries, padded) -> weights, in place.
    fn softmax(&self, scores: &Tensor, head: usize, query: usize) -> Result<()> {
        let (count, queries, padded) = scores.dims3()?;
        let args = [
            Arg::Tensor(scores),
            Arg::Tensor(&self.gates),
            Arg::Tensor(self.bias),
            self.frames.into(),
            Arg::U64((count * queries) as u64),
            Arg::U32(head as u32),
            Arg::U32(query as u32),
            Arg::U32(queries as u32),
            Arg::U32(self.length as u32),
            Arg::U32(padded as u32),
            Arg::U32(self.heads as u32),
        ];
        let grid = Grid::rows((count * queries).div_ceil(8), 256);
        // SAFETY: a warp a row, eight a block; `head` and `query` are inside of the batch.
        unsafe { Kernel { file: "gated_attention", name: "gated_softmax" }.run(scores.dtype(), grid, &args) }
    }

    /// (b, h, t, d) -> (b, t, h * d)
    fn merge(&self, mixed: &Tensor) -> Result<Tensor> {
        let (length, heads, width) = (self.length, self.heads, self.width);
        let y = kernels::output((self.batch, length, heads * width), mixed.dtype(), mixed.device())?;
        let lanes = kernels::lanes(width, &[mixed, &y]);
        let args = [
            Arg::Tensor(mixed),
            Arg::Tensor(&y),
            Arg::U32(length as u32),
            Arg::U32(heads as u32),
            Arg::U32(width as u32),
            Arg::U32(lanes as u32),
        ];
        let packs = length * heads * width / lanes;
        let grid = Grid { blocks: [packs.div_ceil(256), self.batch, 1], ..Grid::each(0) };
        // SAFETY: each thread reads and writes `lanes` numbers of its own.
        unsafe { Kernel { file: "gated_attention", name: "merge_heads" }.run(mixed.dtype(), grid, &args)? };
        Ok(y)
    }
}
