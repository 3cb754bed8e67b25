//! True lengths of the sequences of a padded batch.

use candle_core::{Device, Result, Tensor, bail};

use crate::kernels::{self, Arg, Grid, Kernel};

/// How many rows of each sequence of a batch are valid. On a card it is uploaded once, for all kernels that ask.
#[derive(Clone, Debug)]
pub struct Lengths {
    of: Vec<usize>,
    /// (b), u32, where our kernels read it.
    on_card: Option<Tensor>,
}

impl Lengths {
    /// One for each sequence of a batch whose tensors are on `device`.
    pub fn new(of: &[usize], device: &Device) -> Result<Self> {
        let upload = || Tensor::from_iter(of.iter().map(|&length| length as u32), device);
        let on_card = kernels::run_on(device).then(upload).transpose()?;
        Ok(Self { of: of.to_vec(), on_card })
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
    pub fn mask(&self, width: usize, device: &Device) -> Result<Tensor> {
        if let Some(lengths) = &self.on_card {
            let places = Tensor::arange(0, width as u32, device)?.unsqueeze(0)?; // (1, width)
            return lengths.unsqueeze(1)?.broadcast_gt(&places); // (b, width)
        }
        let valid = self.of.iter().flat_map(|&length| (0..width).map(move |at| u8::from(at < length)));
        Tensor::from_vec(valid.collect(), (self.of.len(), width), device)
    }

    /// (b), u32, for kernels on cards.
    pub(crate) fn on_card(&self, batch: usize) -> Result<&Tensor> {
        match &self.on_card {
            Some(lengths) if lengths.dims() == [batch] => Ok(lengths),
            _ => bail!("{} lengths for a batch of {batch} on a card", self.of.len()),
        }
    }

    /// Sets the padding of a batch (b, width) or (b, width, c) to zero, whatever it holds.
    pub fn silence(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, width) = (x.dim(0)?, x.dim(1)?);
        if self.of.len() != batch || self.of.iter().any(|&length| length > width) {
            bail!("lengths {:?} of a batch {:?}", self.of, x.dims());
        }
        if self.all_are(width) {
            return Ok(x.clone());
        }
        if kernels::take(x) {
            return self.silence_on_card(&x.contiguous()?);
        }
        let valid = self.mask(width, x.device())?; // (b, width)
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
            Arg::Tensor(self.on_card(batch)?),
            Arg::Tensor(&y),
            Arg::U32(row as u32),
            Arg::U32(packs as u32),
            Arg::U32(lanes as u32),
        ];
        let grid = Grid { blocks: [packs.div_ceil(256), batch, 1], ..Grid::each(0) };
        // SAFETY: each thread reads and writes the same `lanes` numbers, `packs` threads all of a sequence.
        unsafe { Kernel { file: "lengths", name: "silence" }.run(x.dtype(), grid, &args)? };
        Ok(y)
    }
}

#[cfg(test)]
mod tests {
    use affekt_testkit::{assert_close, noise};
    use candle_core::DType;

    use super::*;

    #[test]
    fn padding_becomes_zero_whatever_it_holds() {
        for shape in [&[3, 37][..], &[3, 40], &[3, 5, 8], &[3, 7, 3], &[3, 6, 1]] {
            let width = shape[1];
            let of = [width, width - 3, 0];
            let lengths = Lengths::new(&of, &Device::Cpu).unwrap();
            let mask = lengths.mask(width, &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
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
        let two = Lengths::new(&[2, 3], &Device::Cpu).unwrap();
        assert!(two.silence(&noise(0.0, 1.0, (2, 2))).is_err());
        assert!(two.silence(&noise(0.0, 1.0, (3, 3))).is_err());
    }
}
