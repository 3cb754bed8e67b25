//! The convolution on the CPU: blocks of windows times panels of weights.

use crate::vectorised::vectorised;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;

use candle_core::{Result, Tensor, bail};
use pulp::Arch;
use rayon::prelude::*;

use super::packed::Packed;
use super::product::{self, Product};
use super::{Finish, Size};
use crate::maps::{Filled, View, filled, readable, relu};

/// Windows that one thread works on: their numbers and sums fit its second-level cache beside a panel of weights.
const MANY: usize = 192;

/// Windows that are worth a task of their own, which reads all weights once.
const FEW: usize = 64;

thread_local! {
    /// Windows, and sums.
    static SCRATCH: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// One convolution of one input.
struct Run<'a> {
    weight: &'a Packed,
    bias: &'a [f32],
    size: Size,
    x: View<'a>,
    residual: Option<View<'a>>,
    relu: bool,
    /// Rows and columns of the output.
    rows: usize,
    columns: usize,
}

/// What a thread computes: some places, some panels.
struct Task {
    places: Range<usize>,
    panels: Range<usize>,
}

/// (b, h, w, c_in) -> (b, h / stride, w / stride, c_out).
pub fn forward(weight: &Packed, bias: &Tensor, size: Size, x: &Tensor, finish: Finish) -> Result<Tensor> {
    let read = readable(x)?;
    let (x_storage, x_layout) = read.storage_and_layout();
    let view = View::new(&x_storage, x_layout)?;
    let (b, h, w, _) = view.dims;
    let (rows, columns) = (h.div_ceil(size.stride), w.div_ceil(size.stride));
    let dims = (b, rows, columns, size.outputs);
    let residual_read = finish.residual.map(readable).transpose()?;
    let residual_storage = residual_read.as_ref().map(Tensor::storage_and_layout);
    let residual =
        residual_storage.as_ref().map(|(storage, layout)| View::new(storage, layout)).transpose()?;
    if let Some(residual) = residual.filter(|residual| residual.dims != dims) {
        bail!("a residual of shape {:?} for maps {dims:?}", residual.dims);
    }
    let (bias_storage, bias_layout) = bias.storage_and_layout();
    let bias = View::new(&bias_storage, &bias_layout.broadcast_as((1, 1, 1, size.outputs))?)?.at(0, 0, 0);
    let run = Run { weight, bias, size, x: view, residual, relu: finish.relu, rows, columns };
    let places = b * rows * columns;
    // SAFETY: the tasks cover all places and all panels.
    let numbers = unsafe {
        filled(places * size.outputs, |out| {
            let out = Out { start: out.as_mut_ptr(), width: size.outputs };
            run.tasks(places).par_iter().for_each(|task| run.task(task, &out));
        })
    };
    Tensor::from_vec(numbers, dims, x.device())?.to_dtype(x.dtype())
}

impl Run<'_> {
    /// Divides the work evenly: first by places, and where there are few of them, by panels too.
    fn tasks(&self, places: usize) -> Vec<Task> {
        let threads = rayon::current_num_threads();
        let rounds = places.div_ceil(MANY * threads);
        // Weights are read once for every block of places.
        let blocks = (rounds * threads).min(places.div_ceil(FEW));
        let panels = self.weight.panels.len();
        let groups = if blocks >= threads { 1 } else { (threads / blocks).min(panels) };
        let part = |at: usize, parts: usize, all: usize| at * all / parts..(at + 1) * all / parts;
        let task = |at: usize| Task {
            places: part(at / groups, blocks, places),
            panels: part(at % groups, groups, panels),
        };
        (0..blocks * groups).map(task).collect()
    }

    fn task(&self, task: &Task, out: &Out) {
        SCRATCH.with_borrow_mut(|(windows, sums)| {
            let panels = &self.weight.panels[task.panels.clone()];
            let first = panels[0].start;
            let width = panels[panels.len() - 1].end - first;
            let count = task.places.len().next_multiple_of(product::ROWS);
            grow(sums, count * width);
            for (index, taps) in self.weight.blocks.iter().enumerate() {
                let terms = taps.len() * self.size.inputs;
                grow(windows, count * terms);
                self.gather(taps, &task.places, windows);
                for at in task.panels.clone() {
                    let columns = self.weight.panels[at].clone();
                    let weight = self.weight.panel(index, at);
                    let start = columns.start - first;
                    Arch::new().dispatch(Product {
                        windows: &windows[..count * terms],
                        weight,
                        width: columns.len(),
                        sums: &mut sums[start..count * width],
                        stride: width,
                        add: index > 0,
                    });
                }
            }
            vectorised(
                #[inline(always)]
                || self.finish(&task.places, first, &sums[..count * width], width, out),
            );
        });
    }

    /// Copies what the `taps` of each place see: (places, taps * c_in). Zeros stand outside of the map.
    fn gather(&self, taps: &Range<usize>, places: &Range<usize>, windows: &mut [f32]) {
        let Size { inputs, kernel, stride, .. } = self.size;
        let (_, h, w, _) = self.x.dims;
        let pad = kernel / 2;
        let terms = taps.len() * inputs;
        let spans = spans(taps, kernel);
        for (place, window) in places.clone().zip(windows.chunks_exact_mut(terms)) {
            let (map, y, x) = self.locate(place);
            let mut rest = window;
            for (dy, taps) in &spans {
                let (span, after) = rest.split_at_mut(taps.len() * inputs);
                rest = after;
                // Where the first tap stands, from `pad` places outside of the map.
                let (row, column) = (y * stride + dy, x * stride + taps.start);
                if row < pad || row - pad >= h {
                    span.fill(0.);
                    continue;
                }
                let before = pad.saturating_sub(column).min(taps.len());
                let inside = (w + pad).saturating_sub(column).min(taps.len()).max(before);
                span[..before * inputs].fill(0.);
                span[inside * inputs..].fill(0.);
                let seen = &mut span[before * inputs..inside * inputs];
                if seen.is_empty() {
                    continue;
                }
                let (row, column) = (row - pad, column + before - pad);
                match self.x.run(map, row, column, inside - before) {
                    Some(run) => seen.copy_from_slice(run),
                    None => {
                        for (at, seen) in seen.chunks_exact_mut(inputs).enumerate() {
                            seen.copy_from_slice(self.x.at(map, row, column + at));
                        }
                    }
                }
            }
        }
    }

    /// Adds bias and residual, applies the ReLU and writes.
    #[inline(always)]
    fn finish(&self, places: &Range<usize>, first: usize, sums: &[f32], width: usize, out: &Out) {
        let real = width.min(self.size.outputs - first);
        let bias = &self.bias[first..][..real];
        for (place, sums) in places.clone().zip(sums.chunks_exact(width)) {
            // SAFETY: no other task has this place and these panels.
            let out = unsafe { out.columns(place, first, real) };
            let sums = sums[..real].iter().zip(bias);
            match &self.residual {
                None => {
                    for (out, (sum, bias)) in out.iter_mut().zip(sums) {
                        let y = sum + bias;
                        out.write(if self.relu { relu(y) } else { y });
                    }
                }
                Some(residual) => {
                    let (map, y, x) = self.locate(place);
                    let residual = &residual.at(map, y, x)[first..][..real];
                    for ((out, (sum, bias)), residual) in out.iter_mut().zip(sums).zip(residual) {
                        let y = sum + bias + residual;
                        out.write(if self.relu { relu(y) } else { y });
                    }
                }
            }
        }
    }

    /// Map, row and column of a place of the output.
    #[inline(always)]
    fn locate(&self, place: usize) -> (usize, usize, usize) {
        let row = place / self.columns;
        (row / self.rows, row % self.rows, place % self.columns)
    }
}

/// Taps as spans of rows of the kernel: (row, columns).
fn spans(taps: &Range<usize>, kernel: usize) -> Vec<(usize, Range<usize>)> {
    let rows = taps.start / kernel..taps.end.div_ceil(kernel);
    let span = |row: usize| {
        let start = taps.start.max(row * kernel) - row * kernel;
        (row, start..taps.end.min((row + 1) * kernel) - row * kernel)
    };
    rows.map(span).collect()
}

fn grow(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0.);
    }
}

/// The output, which tasks write side by side.
struct Out {
    start: *mut MaybeUninit<f32>,
    /// Numbers of a place.
    width: usize,
}

// SAFETY: tasks write different places or columns.
unsafe impl Sync for Out {}

impl Out {
    /// # Safety
    /// The place and its columns exist, and nobody else holds them.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the caller holds these numbers alone")]
    unsafe fn columns(&self, place: usize, first: usize, count: usize) -> &mut Filled {
        unsafe { std::slice::from_raw_parts_mut(self.start.add(place * self.width + first), count) }
    }
}
