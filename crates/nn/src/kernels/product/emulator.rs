//! Products on the CPU, for tests: sums in f32, rounded once.

use candle_core::{DType, Result, bail};
use gemm::{Parallelism, gemm};
use half::{bf16, f16};

use super::super::emulator::address;
use super::{Lead, Product};

/// Multiplies.
///
/// # Safety
/// As for [`Product::run`]; the matrices lie inside of their tensors.
pub(super) unsafe fn run(product: Product, a: Lead, b: Lead, out: Lead) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe {
        match out.of.numbers.dtype() {
            DType::F32 => typed::<f32>(product, a, b, out, |x| x, |x| x),
            DType::F16 => typed(product, a, b, out, f16::to_f32, f16::from_f32),
            DType::BF16 => typed(product, a, b, out, bf16::to_f32, bf16::from_f32),
            other => bail!("a product of numbers of type {other:?}"),
        }
    }
}

unsafe fn typed<T: Copy>(
    product: Product,
    a: Lead,
    b: Lead,
    out: Lead,
    widen: impl Fn(T) -> f32,
    narrow: impl Fn(f32) -> T,
) -> Result<()> {
    let (m, k, n) = (product.rows, product.inner, product.columns);
    let place = |x: Lead| Ok::<_, candle_core::Error>(address(x.of.numbers)? as *mut T);
    let (from, with, to) = (place(a)?, place(b)?, place(out)?);
    // SAFETY (of all uses): the caller's promise.
    let read = |start: *mut T, x: Lead, batch: usize, (rows, columns): (usize, usize)| -> Vec<f32> {
        let first = x.of.start + batch * x.of.batch;
        let at = |row: usize, column: usize| first + row * x.of.row + column * x.of.column;
        let number = |row, column| widen(unsafe { *start.add(at(row, column)) });
        let number = &number;
        (0..rows).flat_map(|row| (0..columns).map(move |column| number(row, column))).collect()
    };
    for batch in 0..product.batch {
        let (left, right) = (read(from, a, batch, (m, k)), read(with, b, batch, (k, n)));
        let mut sums = vec![0f32; m * n];
        // SAFETY: rows without gaps of all three.
        unsafe {
            gemm(
                m,
                n,
                k,
                sums.as_mut_ptr(),
                1,
                n as isize,
                false,
                left.as_ptr(),
                1,
                k as isize,
                right.as_ptr(),
                1,
                n as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
        for (row, sums) in sums.chunks_exact(n).enumerate() {
            for (column, sum) in sums.iter().enumerate() {
                let at = out.of.start + batch * out.of.batch + row * out.of.row + column * out.of.column;
                // SAFETY: the caller's promise.
                unsafe { *to.add(at) = narrow(*sum) };
            }
        }
    }
    Ok(())
}
