//! Linear layers and embedding tables whose weight stays quantised, where it lies: in a memory map.
//!
//! On the CPU numbers are restored to f32 in the cache just before they are used, and all arithmetic is in f32: a layer
//! computes exactly what the dense layer with the restored weight computes. (Candle's kernels also quantise the
//! activations, and on x86 keep a second, larger copy of every weight.)
//!
//! Cards have no kernels for blocks here: [`Quantized::restore`] makes a dense weight of them once, on the way there.
//! (Candle's quantise the activations to 8 bits, too.) It takes the memory of an unquantised weight: what a card wins by
//! blocks is the smaller file.
//!
//! | module | holds |
//! |---|---|
//! | `formats` | the blocks of GGUF files, in plain loops |
//! | `x86` | the same with AVX-512 |
//! | `restore` | the choice between them |
//! | `product` | products |

mod formats;
mod product;
mod restore;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::fmt::{self, Debug};
use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use candle_core::{DType, Device, Module, Result, Tensor, bail};

use rayon::prelude::*;

use crate::cpu::Numbers;
use crate::kernels;
use formats::Format;
use restore::Restore;

/// Bytes that somebody keeps, such as a memory map.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A quantised weight (outputs, inputs).
#[derive(Clone)]
pub struct Quantized {
    outputs: usize,
    inputs: usize,
    bytes: Bytes,
    restore: Restore,
}

impl Debug for Quantized {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Quantized({}, {})", self.outputs, self.inputs)
    }
}

impl Quantized {
    /// Takes the blocks of a weight (outputs, inputs), row after row, as GGUF files have them.
    pub fn new(bytes: Bytes, dtype: GgmlDType, (outputs, inputs): (usize, usize)) -> Result<Self> {
        let Some(format) = Format::of(dtype) else { bail!("weights of type {dtype:?} are not supported") };
        let len = (*bytes).as_ref().len();
        if inputs == 0 || !inputs.is_multiple_of(format.block()) || len != outputs * format.bytes(inputs) {
            bail!("{len} bytes of {dtype:?} for a weight ({outputs}, {inputs})");
        }
        Ok(Self { outputs, inputs, bytes, restore: Restore::new(format) })
    }

    /// Whether layers on `device` compute with blocks where they lie; elsewhere [`Self::restore`] them.
    pub fn stays(device: &Device) -> bool {
        device.is_cpu() && !kernels::emulating()
    }

    /// All numbers, as a dense weight (outputs, inputs) of type `dtype` on `device`. They pass through memory of the host
    /// in f32, some rows at a time.
    pub fn restore(&self, dtype: DType, device: &Device) -> Result<Tensor> {
        /// Numbers on their way.
        const PART: usize = 1 << 24;
        let bytes = (*self.bytes).as_ref();
        let size = self.restore.format.bytes(self.inputs);
        let rows = (PART / self.inputs).max(1);
        let restored = |blocks: &[u8]| {
            let mut numbers = vec![0f32; blocks.len() / size * self.inputs];
            let parts = numbers.par_chunks_mut(self.inputs).zip(blocks.par_chunks(size));
            parts.for_each(|(row, blocks)| self.restore.rows(std::iter::once(blocks), row, self.inputs));
            let shape = (blocks.len() / size, self.inputs);
            Tensor::from_vec(numbers, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)
        };
        let parts = bytes.chunks(rows * size).map(restored).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts, 0)
    }

    /// The rows `ids` (n) in f32, on the CPU: (n, inputs). Only these are restored.
    pub fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        let (bytes, restore) = ((*self.bytes).as_ref(), self.restore);
        let ids = ids.to_dtype(DType::U32)?.to_vec1::<u32>()?;
        let size = restore.format.bytes(self.inputs);
        let mut rows = vec![0f32; ids.len() * self.inputs];
        for (&id, row) in ids.iter().zip(rows.chunks_exact_mut(self.inputs)) {
            match bytes.get(id as usize * size..(id as usize + 1) * size) {
                Some(blocks) => restore.rows(std::iter::once(blocks), row, self.inputs),
                None => bail!("row {id} of a table of {} rows", self.outputs),
            }
        }
        Tensor::from_vec(rows, (ids.len(), self.inputs), &Device::Cpu)
    }
}

impl Module for Quantized {
    /// (.., inputs) -> (.., outputs), in f32 on the CPU.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut shape = x.dims().to_vec();
        match shape.pop() {
            Some(width) if width == self.inputs => shape.push(self.outputs),
            _ => bail!("a linear layer of {} inputs got {:?}", self.inputs, x.dims()),
        }
        let x = x.contiguous()?;
        let bytes = (*self.bytes).as_ref();
        let (outputs, inputs) = (self.outputs, self.inputs);
        let weight = product::Weight { bytes, restore: self.restore, outputs, inputs };
        Tensor::from_vec(product::product(&Numbers::of(&x)?, weight), shape, &Device::Cpu)
    }
}

#[cfg(test)]
mod tests {
    use affekt_testkit::assert_close;
    use candle_core::quantized::QTensor;

    use super::*;

    #[test]
    fn layers_compute_what_the_restored_weight_computes() {
        let dtypes = [
            GgmlDType::F32,
            GgmlDType::F16,
            GgmlDType::BF16,
            GgmlDType::Q4_0,
            GgmlDType::Q8_0,
            GgmlDType::Q4K,
            GgmlDType::Q5K,
            GgmlDType::Q6K,
        ];
        for dtype in dtypes {
            let dense = affekt_testkit::noise(0.0, 1.0, (70, 768));
            let stored = QTensor::quantize(&dense, dtype).unwrap();
            let restored = stored.dequantize(&Device::Cpu).unwrap();
            let bytes: Bytes = Arc::new(stored.data().unwrap().to_vec());
            let weight = Quantized::new(Arc::clone(&bytes), dtype, (70, 768)).unwrap();
            let ids = Tensor::new(&[69u32, 0, 3, 3], &Device::Cpu).unwrap();
            let want = restored.index_select(&ids, 0).unwrap();
            assert_close(&format!("{dtype:?} rows"), &weight.rows(&ids).unwrap(), &want, 1e-6);
            for (to, tolerance) in [(DType::F32, 1e-6), (DType::F16, 4e-3)] {
                let dense = weight.restore(to, &Device::Cpu).unwrap();
                assert_eq!((dense.dtype(), dense.dims()), (to, &[70, 768][..]));
                let dense = dense.to_dtype(DType::F32).unwrap();
                assert_close(&format!("{dtype:?} restored"), &dense, &restored, tolerance);
            }
            for rows in [1, 2, 4, 7, 8, 9, 33] {
                let x = affekt_testkit::noise(0.0, 1.0, (rows, 768));
                let want = x.matmul(&restored.t().unwrap()).unwrap();
                assert_close(&format!("{dtype:?} by {rows}"), &weight.forward(&x).unwrap(), &want, 1e-5);
            }
            assert!(weight.rows(&Tensor::new(&[70u32], &Device::Cpu).unwrap()).is_err());
            assert!(Quantized::new(bytes, dtype, (69, 768)).is_err());
        }
        let bytes: Bytes = Arc::new(vec![0u8; 24]);
        assert!(Quantized::new(bytes, GgmlDType::Q5_1, (1, 32)).is_err());
    }

    #[test]
    fn a_row_has_the_same_bits_whoever_is_beside_it() {
        for (dtype, outputs, inputs) in
            [(GgmlDType::Q4K, 70, 768), (GgmlDType::Q8_0, 5, 96), (GgmlDType::F16, 1, 70)]
        {
            let stored =
                QTensor::quantize(&affekt_testkit::noise(0.0, 1.0, (outputs, inputs)), dtype).unwrap();
            let bytes: Bytes = Arc::new(stored.data().unwrap().to_vec());
            let weight = Quantized::new(bytes, dtype, (outputs, inputs)).unwrap();
            let x = affekt_testkit::noise(0.0, 1.0, (300, inputs));
            let all = weight.forward(&x).unwrap().to_vec2::<f32>().unwrap();
            for (first, rows) in
                [(0, 1), (7, 1), (3, 2), (5, 3), (11, 4), (2, 17), (1, 128), (4, 129), (0, 299)]
            {
                let part = weight.forward(&x.narrow(0, first, rows).unwrap()).unwrap();
                assert_eq!(
                    part.to_vec2::<f32>().unwrap(),
                    all[first..first + rows],
                    "{rows} rows, {dtype:?}"
                );
            }
            let want = x.matmul(&stored.dequantize(&Device::Cpu).unwrap().t().unwrap()).unwrap();
            assert_close("odd sizes", &weight.forward(&x).unwrap(), &want, 1e-5);
        }
    }

    #[test]
    fn what_is_no_number_stays_in_its_row() {
        let stored = QTensor::quantize(&affekt_testkit::noise(0.0, 1.0, (9, 512)), GgmlDType::Q4K).unwrap();
        let bytes: Bytes = Arc::new(stored.data().unwrap().to_vec());
        let weight = Quantized::new(bytes, GgmlDType::Q4K, (9, 512)).unwrap();
        for bad in [f32::NAN, f32::INFINITY] {
            let mut x = vec![0f32; 6 * 512];
            x[2 * 512 + 300] = bad;
            x[4 * 512] = f32::MAX;
            let x = Tensor::from_vec(x, (6, 512), &Device::Cpu).unwrap();
            let rows = weight.forward(&x).unwrap().to_vec2::<f32>().unwrap();
            assert!(rows[2].iter().all(|number| !number.is_finite()), "{:?}", rows[2]);
            for row in [0, 1, 3, 5] {
                assert!(rows[row].iter().all(|&number| number == 0.0), "{:?}", rows[row]);
            }
        }
    }
}
