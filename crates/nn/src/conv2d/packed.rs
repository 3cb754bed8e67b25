//! Weights as the matrix kernels read them.

use std::ops::Range;

use candle_core::{DType, Result, Tensor};

/// Numbers in the widest vector register. Panels are padded to whole registers with zeros.
const LANES: usize = 16;

/// Output channels of one product: two registers, which eight rows of windows keep busy.
const PANEL: usize = 2 * LANES;

/// Terms of one product, about: a panel of so many stays in the second-level cache.
const DEPTH: usize = 512;

/// Weights of a convolution (or of several products of one size), in blocks of taps, each in panels of columns.
#[derive(Debug)]
pub struct Packed {
    /// For each block of taps, for each panel: (terms, width of the panel).
    numbers: Vec<f32>,
    /// Taps that are summed in one product.
    pub blocks: Vec<Range<usize>>,
    /// Output channels, in groups that a product takes at once.
    pub panels: Vec<Range<usize>>,
    inputs: usize,
}

impl Packed {
    /// Takes a weight (c_out, c_in, ..) with `taps` numbers behind the channels.
    pub fn new(weight: &Tensor, taps: usize) -> Result<Self> {
        let (outputs, inputs) = (weight.dim(0)?, weight.dim(1)?);
        let weight = weight.to_dtype(DType::F32)?.reshape((outputs, inputs, taps))?;
        let weight = weight.permute((2, 1, 0))?.contiguous()?; // (taps, c_in, c_out)
        let weight = weight.flatten_all()?.to_vec1::<f32>()?;
        let count = (taps * inputs).div_ceil(DEPTH).min(taps);
        let blocks: Vec<_> = (0..count).map(|at| at * taps / count..(at + 1) * taps / count).collect();
        let panels = panels(outputs);
        let mut numbers = Vec::with_capacity(taps * inputs * panels.last().map_or(0, |panel| panel.end));
        for (block, panel) in blocks.iter().flat_map(|block| panels.iter().map(move |panel| (block, panel))) {
            for term in block.start * inputs..block.end * inputs {
                let row = &weight[term * outputs..][..outputs];
                let real = &row[panel.start..panel.end.min(outputs)];
                numbers.extend_from_slice(real);
                numbers.extend(std::iter::repeat_n(0., panel.len() - real.len()));
            }
        }
        Ok(Self { numbers, blocks, panels, inputs })
    }

    /// Output channels with those that fill up the last panel.
    pub fn width(&self) -> usize {
        self.panels.last().map_or(0, |panel| panel.end)
    }

    /// Weights of one block of taps for one panel: (terms, width of the panel).
    pub fn panel(&self, block: usize, panel: usize) -> &[f32] {
        let (block, panel) = (&self.blocks[block], &self.panels[panel]);
        let terms = block.len() * self.inputs;
        &self.numbers[block.start * self.inputs * self.width() + terms * panel.start..][..terms * panel.len()]
    }
}

fn panels(outputs: usize) -> Vec<Range<usize>> {
    let width = outputs.next_multiple_of(LANES);
    (0..width).step_by(PANEL).map(|start| start..(start + PANEL).min(width)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_whole_registers() {
        for (outputs, widths) in
            [(1, &[16][..]), (16, &[16]), (20, &[32]), (64, &[32, 32]), (80, &[32, 32, 16])]
        {
            let got: Vec<usize> = panels(outputs).iter().map(Range::len).collect();
            assert_eq!(got, widths, "{outputs}");
        }
    }
}
