//! Matrix products on cards, by cuBLAS: where the matrices lie inside of tensors is free. Candle's `matmul` wants rows
//! without gaps, and always makes a new tensor.

#[cfg(feature = "cuda")]
mod card;
#[cfg(feature = "emulator")]
mod emulator;

use candle_core::{Result, Tensor, bail};

/// The matrices of a batch, inside of a tensor. Rows or columns lie side by side in memory: `row` or `column` is 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrices<'t> {
    /// What holds them.
    pub numbers: &'t Tensor,
    /// The place of the first number of the first matrix, from the first number of the tensor on.
    pub start: usize,
    /// From a row to the next.
    pub row: usize,
    /// From a column to the next.
    pub column: usize,
    /// From a matrix to the next.
    pub batch: usize,
}

impl<'t> Matrices<'t> {
    /// Rows of `width` numbers without gaps.
    pub fn rows(numbers: &'t Tensor, width: usize) -> Self {
        Self { numbers, start: 0, row: width, column: 1, batch: 0 }
    }

    /// The same with rows and columns exchanged.
    pub fn turned(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }
}

/// out = a b: (m, k), (k, n) -> (m, n), for every matrix of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    /// How many matrices.
    pub batch: usize,
    /// m
    pub rows: usize,
    /// k
    pub inner: usize,
    /// n
    pub columns: usize,
}

impl Product {
    /// Puts it in the queue of the tensors' device. Sums are in f32, whatever the type, unless candle is told to be less
    /// exact (`set_gemm_reduced_precision_*`, among them TF32).
    ///
    /// # Errors
    /// Matrices that do not fit into their tensors or that cuBLAS does not read, tensors of unlike types or devices, and
    /// what cuBLAS reports.
    ///
    /// # Safety
    /// Nobody else uses the numbers of `out`, whose rows lie side by side in memory, and no two of its places are one.
    pub unsafe fn run(self, a: Matrices, b: Matrices, out: Matrices) -> Result<()> {
        let (dtype, device) = (out.numbers.dtype(), out.numbers.device());
        for x in [a.numbers, b.numbers] {
            if x.dtype() != dtype || !x.device().same_device(device) {
                bail!("a product of {:?} on {:?} into {dtype:?}", x.dtype(), x.device().location());
            }
        }
        if self.batch * self.rows * self.columns == 0 {
            return Ok(());
        }
        let a = self.lead(a, self.rows, self.inner)?;
        let b = self.lead(b, self.inner, self.columns)?;
        let out = self.lead(out, self.rows, self.columns)?;
        if out.turned {
            bail!("a product cannot be written column after column");
        }
        let _ = (a, b);
        #[cfg(feature = "cuda")]
        if let candle_core::Device::Cuda(card) = device {
            // SAFETY: the caller's promise; `lead` has looked at the bounds.
            return unsafe { card::run(self, card, a, b, out) };
        }
        #[cfg(feature = "emulator")]
        if device.is_cpu() {
            // SAFETY: as above.
            return unsafe { emulator::run(self, a, b, out) };
        }
        bail!("a product for cards on {:?}: this program is built without it", device.location())
    }

    /// Looks whether matrices of `rows` by `columns` lie inside of their tensor, and how they are read.
    fn lead<'t>(self, x: Matrices<'t>, rows: usize, columns: usize) -> Result<Lead<'t>> {
        let reach = |count: usize, step: usize| count.saturating_sub(1) * step;
        let held = x.numbers.dims().iter().zip(x.numbers.stride()).map(|(&count, &step)| reach(count, step));
        let held = 1 + held.sum::<usize>();
        let last = x.start + reach(self.batch, x.batch) + reach(rows, x.row) + reach(columns, x.column);
        let fits = rows * columns > 0 && x.numbers.elem_count() > 0 && last < held;
        let lead = |turned, step: usize, width: usize| Ok(Lead { of: x, turned, step: step.max(width) });
        if fits && x.column == 1 && (x.row >= columns || rows == 1) {
            lead(false, x.row, columns)
        } else if fits && x.row == 1 && (x.column >= rows || columns == 1) {
            lead(true, x.column, rows)
        } else {
            bail!(
                "{} matrices of {rows} by {columns} from {} on, steps ({}, {}, {}), in {:?}",
                self.batch,
                x.start,
                x.batch,
                x.row,
                x.column,
                x.numbers.layout()
            )
        }
    }
}

/// How matrices are read.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "cuda"),
    expect(dead_code, reason = "only cuBLAS asks for a step beside those of `of`")
)]
struct Lead<'t> {
    of: Matrices<'t>,
    /// Column after column.
    turned: bool,
    /// From a row to the next, or from a column to the next.
    step: usize,
}

#[cfg(all(test, feature = "emulator"))]
mod tests {
    use affekt_testkit::{assert_close, noise};
    use candle_core::DType;

    use super::*;

    const PRODUCT: Product = Product { batch: 2, rows: 4, inner: 5, columns: 3 };

    fn matrices(numbers: &Tensor, start: usize, row: usize, batch: usize) -> Matrices<'_> {
        Matrices { numbers, start, row, column: 1, batch }
    }

    #[test]
    fn views_are_multiplied_where_they_lie() {
        // (2, 4, 5) from number 2 on in rows of 7, and (2, 3, 5), turned, in rows of 6.
        let (a, b, out) = (noise(0.0, 1.0, 70), noise(0.0, 1.0, (2, 3, 6)), noise(0.0, 1.0, (2, 4, 8)));
        let left = a.narrow(0, 2, 56).unwrap().reshape((2, 4, 7)).unwrap().narrow(2, 0, 5).unwrap();
        let right = b.narrow(2, 0, 5).unwrap().transpose(1, 2).unwrap();
        let want = left.contiguous().unwrap().matmul(&right.contiguous().unwrap()).unwrap();
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F16, 1e-2), (DType::BF16, 8e-2)] {
            let cast = |x: &Tensor| x.to_dtype(dtype).unwrap().copy().unwrap();
            let (a, b, out) = (cast(&a), cast(&b), cast(&out));
            let old = out.to_dtype(DType::F32).unwrap();
            let (a, b) = (matrices(&a, 2, 7, 28), matrices(&b, 0, 6, 18).turned());
            // SAFETY: `out` is this test's.
            unsafe { PRODUCT.run(a, b, matrices(&out, 1, 8, 32)).unwrap() };
            let new = out.to_dtype(DType::F32).unwrap();
            let part = |x: &Tensor, from, width| x.narrow(2, from, width).unwrap();
            assert_close("product", &part(&new, 1, 3), &want, tolerance);
            for (from, width) in [(0, 1), (4, 4)] {
                assert_close("beside it", &part(&new, from, width), &part(&old, from, width), 0.);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (a, b, out) = (noise(0.0, 1.0, (2, 4, 5)), noise(0.0, 1.0, (5, 3)), noise(0.0, 1.0, (2, 4, 3)));
        // SAFETY: `out` is this test's.
        let run = |a, b, out| unsafe { PRODUCT.run(a, b, out) };
        let (left, right, to) = (matrices(&a, 0, 5, 20), Matrices::rows(&b, 3), matrices(&out, 0, 3, 12));
        run(left, right, to).unwrap();
        for (left, right, to) in [
            (Matrices { start: 1, ..left }, right, to),
            (Matrices { batch: 21, ..left }, right, to),
            // Rows that overlap.
            (Matrices { row: 4, ..left }, right, to),
            (Matrices { column: 2, row: 2, ..left }, right, to),
            (left, Matrices { row: 4, ..right }, to),
            (left, right, Matrices { row: 1, column: 4, ..to }),
        ] {
            run(left, right, to).unwrap_err();
        }
        let other = b.to_dtype(DType::F16).unwrap();
        run(left, Matrices { numbers: &other, ..right }, to).unwrap_err();
    }
}
