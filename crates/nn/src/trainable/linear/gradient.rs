//! The gradient of a weight: a product over all rows of a batch.

use rayon::prelude::*;

use super::super::panel::{WIDTH, columns_times};

/// Rows whose part of the product is summed at once: a panel of both operands stays in the first-level cache.
const CHUNK: usize = 128;

/// Panels of inputs of a task, at most: their sums stay in the second-level cache.
const PANELS: usize = 16;

/// `gradient`' `x` (outputs, inputs) and the sum of the rows of `gradient` (outputs), for `gradient` (rows, outputs) and
/// `x` (rows, inputs).
///
/// A task has some inputs and all rows: what a number of the product is does not depend on how many threads there are.
pub(super) fn weight_and_bias(
    gradient: &[f32],
    outputs: usize,
    x: &[f32],
    inputs: usize,
) -> (Vec<f32>, Vec<f32>) {
    let each = inputs.div_ceil(WIDTH).div_ceil(rayon::current_num_threads()).min(PANELS) * WIDTH;
    let tasks: Vec<_> = (0..inputs).step_by(each).collect();
    let tasks = tasks.into_par_iter().with_max_len(1);
    let tasks = tasks.map(|first| task((gradient, outputs), (x, inputs), first..inputs.min(first + each)));
    let (biases, parts): (Vec<_>, Vec<_>) = tasks.collect::<Vec<_>>().into_iter().unzip();
    let mut weight = vec![0.0; outputs * inputs];
    weight.par_chunks_mut(inputs).enumerate().with_min_len(16).for_each(|(output, row)| {
        for (row, part) in row.chunks_mut(each).zip(&parts) {
            let panels = part.chunks_exact(outputs.next_multiple_of(WIDTH) * WIDTH);
            for (row, panel) in row.chunks_mut(WIDTH).zip(panels) {
                row.copy_from_slice(&panel[output * WIDTH..][..row.len()]);
            }
        }
    });
    (weight, biases.into_iter().flatten().collect())
}

/// The product for some inputs, (panels, outputs, WIDTH), and for the first of them also the sums of the gradient.
fn task(
    (gradient, outputs): (&[f32], usize),
    (x, inputs): (&[f32], usize),
    columns: std::ops::Range<usize>,
) -> (Vec<f32>, Vec<f32>) {
    let wide = outputs.next_multiple_of(WIDTH);
    let mut sums = vec![0.0; columns.len().div_ceil(WIDTH) * wide * WIDTH];
    let mut biases = vec![0.0; if columns.start == 0 { outputs } else { 0 }];
    let (mut turned, mut panel) = (vec![0.0; wide * CHUNK], [0.0; WIDTH * CHUNK]);
    for (gradient, x) in gradient.chunks(CHUNK * outputs).zip(x.chunks(CHUNK * inputs)) {
        let rows = x.len() / inputs;
        for (first, panel) in (0..outputs).step_by(WIDTH).zip(turned.chunks_exact_mut(WIDTH * CHUNK)) {
            pack(gradient, outputs, first..outputs.min(first + WIDTH), panel);
        }
        for (first, sums) in columns.clone().step_by(WIDTH).zip(sums.chunks_exact_mut(wide * WIDTH)) {
            pack(x, inputs, first..columns.end.min(first + WIDTH), &mut panel);
            let turned = turned.chunks_exact(WIDTH * CHUNK);
            for (turned, sums) in turned.zip(sums.chunks_exact_mut(WIDTH * WIDTH)) {
                columns_times::<WIDTH, WIDTH>(&turned[..rows * WIDTH], &panel[..rows * WIDTH], sums, true);
            }
        }
        if !biases.is_empty() {
            let mut chunk = vec![0.0; outputs];
            for row in gradient.chunks_exact(outputs) {
                chunk.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
            }
            biases.iter_mut().zip(chunk).for_each(|(total, sum)| *total += sum);
        }
    }
    (biases, sums)
}

/// Some columns of `rows`, at most WIDTH, side by side: (rows, WIDTH), filled up with zeros.
fn pack(rows: &[f32], width: usize, columns: std::ops::Range<usize>, panel: &mut [f32]) {
    for (row, place) in rows.chunks_exact(width).zip(panel.chunks_exact_mut(WIDTH)) {
        if let Ok(numbers) = <&[f32; WIDTH]>::try_from(&row[columns.clone()]) {
            place.copy_from_slice(numbers);
        } else {
            let (numbers, rest) = place.split_at_mut(columns.len());
            numbers.copy_from_slice(&row[columns.clone()]);
            rest.fill(0.0);
        }
    }
}
