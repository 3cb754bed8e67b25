//! True lengths of the sequences of a padded batch.

use std::sync::OnceLock;

use candle_core::{DType, Device, Result, Tensor, bail};

use crate::kernels::{self, Arg, Grid, Kernel};

/// How many rows of each sequence of a batch are valid.
#[derive(Clone, Debug)]
pub struct Lengths {
    of: Vec<usize>,
    device: Device,
    /// (b), u32: uploaded once, for all kernels that ask.
    on_card: OnceLock<Tensor>,
}

impl Lengths {
    /// One for each sequence of a batch whose tensors are on `device`.
    pub fn new(of: &[usize], device: &Device) -> Self {
        Self { of: of.to_vec(), device: device.clone(), on_card: OnceLock::new() }
    }

    /// In order.
    pub fn of(&self) -> &[usize] {
        &self.of
    }

    /// Whether every sequence is `width` long: then nothing is padding.
    pub fn all_are(&self, width: usize) -> bool {
        self.of.iter().all(|&length| length == width)
    }

    /// Ones at the valid places and zeros at the padded ones: (b, width), of type u8.
    pub fn mask(&self, width: usize) -> Result<Tensor> {
        if kernels::run_on(&self.device) {
            let places = Tensor::arange(0, width as u32, &self.device)?.unsqueeze(0)?; // (1, width)
            return self.on_card()?.unsqueeze(1)?.broadcast_gt(&places); // (b, width)
        }
        let valid = self.of.iter().flat_map(|&length| (0..width).map(move |at| u8::from(at < length)));
        Tensor::from_vec(valid.collect(), (self.of.len(), width), &self.device)
    }

    /// (b), u32, for kernels on cards.
    pub(crate) fn on_card(&self) -> Result<&Tensor> {
        if let Some(lengths) = self.on_card.get() {
            return Ok(lengths);
        }
        let lengths = Tensor::from_iter(self.of.iter().map(|&length| length as u32), &self.device)?;
        Ok(self.on_card.get_or_init(|| lengths))
    }

    fn check(&self, x: &Tensor) -> Result<(usize, usize)> {
        let (batch, width) = (x.dim(0)?, x.dim(1)?);
        if self.of.len() != batch || self.of.iter().any(|&length| length > width) {
            bail!("lengths {:?} of a batch {:?}", self.of, x.dims());
        }
        Ok((batch, width))
    }

    /// Brings the valid part of each sequence to zero mean and unit variance, (x - mean) / sqrt(variance + eps), and sets
    /// the padding to zero: (b, width) -> (b, width). Sums are in f64: those over minutes of samples lose digits in f32.
    pub fn standardise(&self, x: &Tensor, eps: f64) -> Result<Tensor> {
        x.dims2()?;
        let (batch, width) = self.check(x)?;
        if kernels::take(x) {
            let x = x.contiguous()?;
            let y = kernels::output(x.shape(), x.dtype(), x.device())?;
            let (lengths, eps) = (Arg::Tensor(self.on_card()?), Arg::F32(eps as f32));
            let args = [Arg::Tensor(&x), lengths, Arg::Tensor(&y), Arg::U32(width as u32), eps];
            // SAFETY: a block a sequence, which reads and writes `width` numbers.
            unsafe { kernel("standardise").run(x.dtype(), Grid::rows(batch, 1024), &args)? };
            return Ok(y);
        }
        let sequence = |(row, &length): (usize, &usize)| -> Result<Tensor> {
            if length == 0 {
                return Tensor::zeros(width, x.dtype(), x.device());
            }
            let valid = x.get(row)?.narrow(0, 0, length)?.to_dtype(DType::F64)?; // (length)
            let centred = valid.broadcast_sub(&valid.mean_all()?)?;
            let deviation = (centred.sqr()?.mean_all()? + eps)?.sqrt()?;
            let unit = centred.broadcast_div(&deviation)?.to_dtype(x.dtype())?;
            unit.pad_with_zeros(0, 0, width - length) // (width)
        };
        let sequences = self.of.iter().enumerate().map(sequence).collect::<Result<Vec<_>>>()?;
        Tensor::stack(&sequences, 0) // (b, width)
    }

    /// Sets the padding of a batch (b, width) or (b, width, c) to zero, whatever it holds.
    pub fn silence(&self, x: &Tensor) -> Result<Tensor> {
        let (_, width) = self.check(x)?;
        if self.all_are(width) {
            return Ok(x.clone());
        }
        if kernels::take(x) {
            return self.silence_on_card(&x.contiguous()?);
        }
        let valid = self.mask(width)?; // (b, width)
        let valid = if x.rank() == 3 { valid.unsqueeze(2)? } else { valid };
        // A product with the mask would keep a NaN or an infinity.
        valid.broadcast_as(x.shape())?.where_cond(x, &x.zeros_like()?)
    }

    fn silence_on_card(&self, x: &Tensor) -> Result<Tensor> {
        let batch = x.dim(0)?;
        let (row, clip) = (x.dims()[2..].iter().product::<usize>(), x.dims()[1..].iter().product::<usize>());
        let y = kernels::output(x.shape(), x.dtype(), x.device())?;
        let lanes = kernels::lanes(clip, &[x, &y]);
        let packs = clip / lanes;
        let args = [
            Arg::Tensor(x),
            Arg::Tensor(self.on_card()?),
            Arg::Tensor(&y),
            Arg::U32(row as u32),
            Arg::U32(packs as u32),
            Arg::U32(lanes as u32),
        ];
        let grid = Grid { blocks: [packs.div_ceil(256), batch, 1], ..Grid::each(0) };
        // SAFETY: each thread reads and writes the same `lanes` numbers, `packs` threads all of a sequence.
        unsafe { kernel("silence").run(x.dtype(), grid, &args)? };
        Ok(y)
    }
}

fn kernel(name: &'static str) -> Kernel {
    Kernel { file: "lengths", name }
}

#[cfg(test)]
mod tests {
    use affekt_testkit::{assert_close, noise};

    use super::*;

    #[test]
    fn padding_becomes_zero_whatever_it_holds() {
        for shape in [&[3, 37][..], &[3, 40], &[3, 5, 8], &[3, 7, 3], &[3, 6, 1]] {
            let width = shape[1];
            let of = [width, width - 3, 0];
            let lengths = Lengths::new(&of, &Device::Cpu);
            let mask = lengths.mask(width).unwrap().to_dtype(DType::F32).unwrap();
            assert_eq!(mask.sum(1).unwrap().to_vec1::<f32>().unwrap(), of.map(|length| length as f32));
            let mask = if shape.len() == 3 { mask.unsqueeze(2).unwrap() } else { mask };
            let valid = mask.broadcast_as(shape).unwrap().to_dtype(DType::U8).unwrap();
            let (x, nan) = (noise(0.0, 1.0, shape), Tensor::full(f32::NAN, shape, &Device::Cpu).unwrap());
            for dtype in [DType::F32, DType::F16, DType::BF16, DType::F64] {
                let x = x.to_dtype(dtype).unwrap().to_dtype(DType::F32).unwrap();
                let spoilt = valid.where_cond(&x, &nan).unwrap().to_dtype(dtype).unwrap();
                let got = lengths.silence(&spoilt).unwrap().to_dtype(DType::F32).unwrap();
                assert_close(&format!("{dtype:?} {shape:?}"), &got, &x.broadcast_mul(&mask).unwrap(), 0.);
            }
        }
        let two = Lengths::new(&[2, 3], &Device::Cpu);
        assert!(two.silence(&noise(0.0, 1.0, (2, 2))).is_err());
        assert!(two.silence(&noise(0.0, 1.0, (3, 3))).is_err());
    }

    #[test]
    fn the_valid_part_alone_is_standardised() {
        let lengths = Lengths::new(&[5000, 1, 0, 1023], &Device::Cpu);
        let x = noise(3.0, 2.0, (4, 5000));
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F16, 2e-3), (DType::BF16, 2e-2)] {
            let x = x.to_dtype(dtype).unwrap();
            let want = lengths.standardise(&x.to_dtype(DType::F64).unwrap(), 1e-5).unwrap();
            let nan = Tensor::full(f32::NAN, x.dims(), &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
            let spoilt = lengths.mask(5000).unwrap().where_cond(&x, &nan).unwrap();
            let got = lengths.standardise(&spoilt, 1e-5).unwrap().to_dtype(DType::F32).unwrap();
            let want = want.to_dtype(DType::F32).unwrap();
            assert_close(&format!("{dtype:?}"), &got, &want, tolerance);
            assert_eq!(got.get(2).unwrap().abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap(), 0.);
        }
        assert!(lengths.standardise(&noise(0.0, 1.0, (4, 4999)), 1e-5).is_err());
    }
}
