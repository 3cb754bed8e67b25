//! 2-d convolutions over feature maps with the channels last, (b, h, w, c), with what follows them in one pass.
//!
//! On the CPU a convolution is a product of windows and weights. Blocks of windows are copied side by side into a
//! buffer that stays in a core's cache, a few taps at a time; the weights lie in panels as the matrix kernels read
//! them; bias, residual and ReLU are added on the way out. Whatever the type of the maps, it computes in f32. Every
//! place is summed in the same order in every batch and on every number of threads: equal inputs give equal bits.
//! On a card kernels gather the windows and finish the product (`cuda/conv2d.cu`). Elsewhere it is candle's `conv2d`. There
//! is no backward pass.

mod blocked;
mod card;
mod packed;
pub(crate) mod product;

use std::sync::Arc;

use candle_core::{DType, Result, Tensor, bail};

use crate::kernels;
use crate::maps::{Pending, channels_last, on_cpu};
pub use card::takes as joins;
use packed::Packed;

/// A square convolution whose padding keeps the size at stride 1.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Weight,
    size: Size,
}

#[derive(Clone, Debug)]
enum Weight {
    /// And the bias (c_out), in f32.
    Packed(Arc<Packed>, Tensor),
    Card(card::Weight),
    /// (c_out, c_in, kernel, kernel), and the bias (c_out).
    Plain(Tensor, Tensor),
}

#[derive(Clone, Copy, Debug)]
struct Size {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
}

/// What happens to the output of a convolution before it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// A map of the output's shape that is added.
    pub residual: Option<&'a Tensor>,
    /// Whether a ReLU comes last.
    pub relu: bool,
}

impl Finish<'_> {
    /// Only a ReLU.
    pub const RELU: Finish<'static> = Finish { residual: None, relu: true };
}

impl Conv2d {
    /// Takes a weight as PyTorch lays it out, (c_out, c_in, kernel, kernel) with an odd kernel, and a bias (c_out).
    pub fn new(weight: &Tensor, bias: Tensor, stride: usize) -> Result<Self> {
        let size = Size::of(weight, &bias, stride)?;
        let weight = if kernels::take(weight) {
            Weight::Card(card::Weight::new(std::slice::from_ref(weight), &[bias], size)?)
        } else if on_cpu(weight) {
            let packed = Packed::new(weight, size.kernel * size.kernel)?;
            Weight::Packed(Arc::new(packed), bias.to_dtype(DType::F32)?)
        } else {
            let bias = bias.to_dtype(weight.dtype())?;
            Weight::Plain(weight.clone(), bias)
        };
        Ok(Self { weight, size })
    }

    /// Several convolutions of one size as one, each over maps of its own, where [`joins`] says that there are kernels for
    /// that; maps then have a dimension more in front, as many as there are convolutions.
    pub fn joined(weights: &[Tensor], biases: &[Tensor], stride: usize) -> Result<Self> {
        let ([first, ..], [bias, ..]) = (weights, biases) else { bail!("no convolutions to join") };
        let size = Size::of(first, bias, stride)?;
        let fits = |(weight, bias): (&Tensor, &Tensor)| {
            weight.dims() == first.dims() && bias.dims() == [size.outputs]
        };
        if weights.len() != biases.len() || !weights.iter().zip(biases).all(fits) || !kernels::take(first) {
            bail!("{} convolutions like {first:?} cannot be joined", weights.len());
        }
        Ok(Self { weight: Weight::Card(card::Weight::new(weights, biases, size)?), size })
    }

    /// The convolution `index` of those that were joined; it shares their memory.
    pub fn part(&self, index: usize) -> Result<Self> {
        match &self.weight {
            Weight::Card(weight) => Ok(Self { weight: Weight::Card(weight.part(index)?), size: self.size }),
            _ => bail!("a convolution that none was joined to"),
        }
    }

    /// (b, h, w, c_in) -> (b, h / stride, w / stride, c_out), rounded up. `x` may be a view: some of the channels,
    /// rows and columns of larger maps. Joined ones: (n, b, h, w, c_in), or (n / 2, 2, b, h, w, c_in).
    pub fn forward(&self, x: &Tensor, finish: Finish) -> Result<Tensor> {
        let residual = finish.residual.map(|residual| residual.clone().into());
        self.end(&x.clone().into(), residual.as_ref(), finish.relu)
    }

    /// As [`Self::forward`], but whoever reads the result adds the bias and, with `relu`, applies the ReLU, where that is
    /// quicker.
    pub fn begin(&self, x: &Pending, relu: bool) -> Result<Pending> {
        match &self.weight {
            Weight::Card(weight) => weight.begin(self.size, x.into(), relu),
            _ => Ok(self.end(x, None, relu)?.into()),
        }
    }

    /// [`Self::forward`] of maps of which something may be left to do.
    pub fn end(&self, x: &Pending, residual: Option<&Pending>, relu: bool) -> Result<Tensor> {
        if let Weight::Card(weight) = &self.weight {
            return weight.end(self.size, x.into(), residual, relu);
        }
        let x = x.ready()?;
        let (_, _, _, channels) = x.dims4()?;
        if channels != self.size.inputs {
            bail!("a convolution over {} channels was given {channels}", self.size.inputs);
        }
        let finish = Finish { residual: residual.map(Pending::ready).transpose()?, relu };
        match &self.weight {
            Weight::Packed(weight, bias) => blocked::forward(weight, bias, self.size, x, finish),
            Weight::Plain(weight, bias) => composed(weight, bias, self.size, x, finish),
            Weight::Card(_) => unreachable!("it has returned"),
        }
    }

    /// A step of two chains side by side, of joined convolutions: the first reads ReLU(before) + `chunks[0]`, the second
    /// ReLU(before) + `chunks[1]`, each its own half of `before`, (2, b, h, w, c). Both chunks, (b, h, w, c), are parts of
    /// the same maps.
    pub fn step(&self, before: Option<Pending>, chunks: [&Tensor; 2]) -> Result<Pending> {
        let Weight::Card(weight) = &self.weight else { bail!("a convolution that none was joined to") };
        let [first, second] = chunks;
        let (start, end) = (first.layout().start_offset() as u64, second.layout().start_offset() as u64);
        if first.dims() != second.dims() || first.stride() != second.stride() {
            bail!("chunks {:?} and {:?} are no parts of the same maps", first.layout(), second.layout());
        }
        let second = end.wrapping_sub(start);
        match before {
            None => {
                let maps = first.clone().into();
                weight.begin(self.size, card::Input { maps: &maps, second: Some(second), plus: None }, false)
            }
            Some(before) => {
                let before = Pending { relu: true, ..before };
                if before.maps.dims()[1..] != *first.dims() {
                    bail!("maps {:?} and chunks {:?} cannot be added", before.maps.dims(), first.dims());
                }
                let plus = Some((first, second));
                weight.begin(self.size, card::Input { maps: &before, second: None, plus }, false)
            }
        }
    }
}

impl Size {
    fn of(weight: &Tensor, bias: &Tensor, stride: usize) -> Result<Self> {
        let (outputs, inputs, kernel, width) = weight.dims4()?;
        if kernel != width || kernel % 2 == 0 || stride == 0 || weight.elem_count() == 0 {
            bail!("a convolution of shape {:?} and stride {stride}", weight.dims());
        }
        if bias.dims() != [outputs] {
            bail!("a bias of shape {:?} for {outputs} channels", bias.dims());
        }
        Ok(Self { inputs, outputs, kernel, stride })
    }
}

/// By candle's operations.
fn composed(weight: &Tensor, bias: &Tensor, size: Size, x: &Tensor, finish: Finish) -> Result<Tensor> {
    let x = x.permute((0, 3, 1, 2))?.contiguous()?; // (b, c_in, h, w)
    let y = x.conv2d(weight, size.kernel / 2, size.stride, 1, 1)?; // (b, c_out, h / s, w / s)
    let y = channels_last(&y)?.broadcast_add(bias)?; // (b, h / s, w / s, c_out)
    let y = match finish.residual {
        Some(residual) => (y + residual)?,
        None => y,
    };
    if finish.relu { crate::relu::relu(&y) } else { Ok(y) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::Device;

    fn noise(shape: &[usize]) -> Tensor {
        affekt_testkit::noise(0.0, 1.0, shape)
    }

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// (c_in, c_out, kernel, stride, h, w)
    const SHAPES: [(usize, usize, usize, usize, usize, usize); 11] = [
        (3, 64, 7, 2, 30, 22),
        (64, 64, 3, 1, 14, 15),
        (64, 128, 3, 2, 9, 8),
        (128, 96, 1, 2, 7, 7),
        (512, 48, 3, 1, 7, 7),
        (256, 80, 3, 1, 2, 1),
        (2, 1, 7, 1, 7, 7),
        (5, 4, 3, 1, 1, 1),
        (6, 20, 5, 3, 4, 11),
        (8, 16, 1, 1, 5, 3),
        (4, 8, 7, 2, 2, 2),
    ];

    #[test]
    fn conv2d_is_candles_with_the_channels_last() {
        for (c_in, c_out, kernel, stride, h, w) in SHAPES {
            let (weight, bias) = (noise(&[c_out, c_in, kernel, kernel]), noise(&[c_out]));
            let x = noise(&[3, h, w, c_in]);
            let conv = Conv2d::new(&weight, bias.clone(), stride).unwrap();
            let composed = |finish: Finish| composed(&weight, &bias, conv.size, &x, finish).unwrap();
            let plain = composed(Finish::default());
            let name = format!("{c_in} to {c_out} by {kernel}, stride {stride}");
            assert_close(&name, &conv.forward(&x, Finish::default()).unwrap(), &plain, 1e-5);
            let residual = noise(plain.dims());
            for relu in [false, true] {
                let finish = Finish { residual: Some(&residual), relu };
                assert_close(&name, &conv.forward(&x, finish).unwrap(), &composed(finish), 1e-5);
            }
        }
    }

    /// The same numbers: to the bit, or, where the library's products choose their order by the number of rows, nearly.
    fn same(name: &str, got: &Tensor, want: &Tensor) {
        match crate::cpu::takes(got) {
            true => assert_eq!(numbers(got), numbers(want), "{name}"),
            false => assert_close(name, got, want, 1e-5),
        }
    }

    #[test]
    fn batches_equal_single_maps() {
        for (c_in, c_out, kernel, stride, h, w) in SHAPES {
            let conv = Conv2d::new(&noise(&[c_out, c_in, kernel, kernel]), noise(&[c_out]), stride).unwrap();
            let x = noise(&[9, h, w, c_in]);
            let together = conv.forward(&x, Finish::RELU).unwrap();
            for map in 0..9 {
                let alone = conv.forward(&x.narrow(0, map, 1).unwrap(), Finish::RELU).unwrap();
                same(&format!("{c_in} to {c_out}"), &alone, &together.narrow(0, map, 1).unwrap());
            }
        }
    }

    #[test]
    fn views_are_read_where_they_lie() {
        let conv = Conv2d::new(&noise(&[20, 6, 3, 3]), noise(&[20]), 1).unwrap();
        let whole = noise(&[2, 10, 12, 18]);
        let part = whole.narrow(1, 5, 5).unwrap().narrow(2, 3, 6).unwrap().narrow(3, 6, 6).unwrap();
        let residual = noise(&[2, 20, 5, 6]).permute((0, 2, 3, 1)).unwrap();
        let finish = Finish { residual: Some(&residual), relu: false };
        let want = conv.forward(&part.contiguous().unwrap(), finish).unwrap();
        same("view", &conv.forward(&part, finish).unwrap(), &want);
    }

    #[test]
    fn half_precision_is_near_f32_in_every_shape() {
        for (dtype, tolerance) in [(DType::F16, 1e-2), (DType::BF16, 5e-2)] {
            for (c_in, c_out, kernel, stride, h, w) in SHAPES {
                let read = |x: Tensor| x.to_dtype(dtype).unwrap();
                let whole = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
                let (weight, bias) = (read(noise(&[c_out, c_in, kernel, kernel])), read(noise(&[c_out])));
                let x = read(noise(&[2, h, w, c_in]));
                let conv = Conv2d::new(&weight, bias.clone(), stride).unwrap();
                let want =
                    composed(&whole(&weight), &whole(&bias), conv.size, &whole(&x), Finish::RELU).unwrap();
                let got = conv.forward(&x, Finish::RELU).unwrap();
                assert_eq!(got.dtype(), dtype);
                assert_close(&format!("{c_in} to {c_out} by {kernel}"), &whole(&got), &want, tolerance);
            }
        }
    }

    #[test]
    fn what_is_left_to_the_next_reader_is_done_there() {
        for (c_in, c_out, kernel, stride, h, w) in SHAPES {
            let first = Conv2d::new(&noise(&[c_out, c_in, kernel, kernel]), noise(&[c_out]), stride).unwrap();
            let x = noise(&[2, h, w, c_in]);
            for relu in [false, true] {
                let begun = first.begin(&x.clone().into(), relu).unwrap();
                let ended = first.end(&x.clone().into(), None, relu).unwrap();
                for size in [1, 3] {
                    let next = Conv2d::new(&noise(&[8, c_out, size, size]), noise(&[8]), 1).unwrap();
                    let shortcut = Conv2d::new(&noise(&[8, c_out, 1, 1]), noise(&[8]), 1).unwrap();
                    let residual = shortcut.begin(&ended.clone().into(), false).unwrap();
                    let added = shortcut.forward(&ended, Finish::default()).unwrap();
                    let want = next.forward(&ended, Finish { residual: Some(&added), relu }).unwrap();
                    assert_close("next", &next.end(&begun, Some(&residual), relu).unwrap(), &want, 1e-5);
                }
            }
        }
    }

    #[test]
    fn joined_convolutions_are_each_itself() {
        for (c_in, c_out, kernel, stride, h, w) in SHAPES {
            let weights: Vec<_> = (0..4).map(|_| noise(&[c_out, c_in, kernel, kernel])).collect();
            let biases: Vec<_> = (0..4).map(|_| noise(&[c_out])).collect();
            // Four quarters of maps, in place.
            let whole = noise(&[3, 2 * h, 2 * w, c_in]);
            let quarters = whole.reshape((3, 2, h, 2, w, c_in)).unwrap().permute((1, 3, 0, 2, 4, 5)).unwrap();
            let Ok(joined) = Conv2d::joined(&weights, &biases, stride) else {
                assert!(!joins(DType::F32, &Device::Cpu).unwrap());
                continue;
            };
            let begun = joined.begin(&quarters.clone().into(), true).unwrap();
            let together = joined.forward(&quarters, Finish::RELU).unwrap();
            let back = Conv2d::joined(&vec![noise(&[5, c_out, 3, 3]); 4], &vec![noise(&[5]); 4], 1).unwrap();
            let next = back.end(&begun, None, false).unwrap();
            for at in 0..4 {
                let quarter = quarters.get(at / 2).unwrap().get(at % 2).unwrap();
                let alone = Conv2d::new(&weights[at], biases[at].clone(), stride).unwrap();
                let alone = alone.forward(&quarter, Finish::RELU).unwrap();
                assert_close("joined", &together.get(at).unwrap(), &alone, 1e-5);
                let part = joined.part(at).unwrap().forward(&quarter, Finish::RELU).unwrap();
                assert_close("part", &part, &alone, 1e-5);
                let alone = back.part(at).unwrap().forward(&alone, Finish::default()).unwrap();
                assert_close("next", &next.get(at).unwrap(), &alone, 1e-5);
            }
        }
        let (weight, bias) = (noise(&[4, 3, 3, 3]), noise(&[4]));
        assert!(
            Conv2d::joined(&[weight.clone(), noise(&[4, 3, 1, 1])], &[bias.clone(), bias.clone()], 1)
                .is_err()
        );
        assert!(Conv2d::joined(&[], &[], 1).is_err());
        assert!(
            Conv2d::new(&weight, bias, 1).unwrap().step(None, [&weight, &weight]).is_err()
                || kernels::take(&weight)
        );
    }

    #[test]
    fn steps_of_two_chains_are_those_of_each() {
        for (channels, order) in [(8, [0, 1]), (8, [1, 0]), (5, [1, 0]), (64, [0, 0])] {
            let weights: Vec<_> = (0..2).map(|_| noise(&[channels, channels, 3, 3])).collect();
            let biases: Vec<_> = (0..2).map(|_| noise(&[channels])).collect();
            let Ok(joined) = Conv2d::joined(&weights, &biases, 1) else { continue };
            let whole = noise(&[2, 6, 7, 2 * channels]);
            let chunk = |at: usize| whole.narrow(3, at * channels, channels).unwrap();
            let chunks = order.map(chunk);
            let mut before = None;
            let mut want = [None, None];
            for _ in 0..3 {
                let step = joined.step(before, [&chunks[0], &chunks[1]]).unwrap();
                for at in 0..2 {
                    let alone = Conv2d::new(&weights[at], biases[at].clone(), 1).unwrap();
                    let input = match &want[at] {
                        None => chunks[at].clone(),
                        Some(before) => crate::maps::relu_plus(before, &chunks[at]).unwrap(),
                    };
                    let raw = (alone.forward(&input, Finish::default()).unwrap().broadcast_sub(&biases[at]))
                        .unwrap();
                    assert_close("step", &step.maps.get(at).unwrap(), &raw, 1e-4);
                    want[at] = Some(raw.broadcast_add(&biases[at]).unwrap());
                }
                before = Some(step);
            }
        }
    }

    #[test]
    fn half_precision_is_computed_in_f32() {
        for dtype in [DType::F16, DType::BF16] {
            let read = |x: Tensor| x.to_dtype(dtype).unwrap();
            let (weight, bias) = (read(noise(&[16, 8, 3, 3])), read(noise(&[16])));
            let (x, residual) = (read(noise(&[1, 6, 6, 8])), read(noise(&[1, 6, 6, 16])));
            let whole = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
            let finish = Finish { residual: Some(&residual), relu: true };
            let got = Conv2d::new(&weight, bias.clone(), 1).unwrap().forward(&x, finish).unwrap();
            let conv = Conv2d::new(&whole(&weight), whole(&bias), 1).unwrap();
            let want = conv.forward(&whole(&x), Finish { residual: Some(&whole(&residual)), relu: true });
            let want = want.unwrap().to_dtype(dtype).unwrap();
            assert_eq!(got.dtype(), dtype);
            if on_cpu(&got) && !kernels::take(&got) {
                assert_eq!(numbers(&whole(&got)), numbers(&whole(&want)));
            }
        }
    }

    #[test]
    fn nan_is_not_lost() {
        let conv = Conv2d::new(&noise(&[16, 4, 3, 3]), noise(&[16]), 1).unwrap();
        let mut x = numbers(&noise(&[1, 8, 8, 4]));
        x[4 * 8 * 2 + 4 * 3] = f32::NAN;
        let x = Tensor::from_vec(x, (1, 8, 8, 4), &Device::Cpu).unwrap();
        let y = numbers(&conv.forward(&x, Finish::RELU).unwrap());
        for (at, y) in y.iter().enumerate() {
            let (row, column) = (at / 16 / 8, at / 16 % 8);
            let sees = (1..=3).contains(&row) && (2..=4).contains(&column);
            // Windows that neighbours share may show it to a neighbour that does not see it.
            let may_see = (1..=3).contains(&row);
            assert!(y.is_nan() || !sees, "row {row}, column {column}");
            assert!(!y.is_nan() || sees || may_see && kernels::emulating(), "row {row}, column {column}");
        }
    }

    #[test]
    fn what_cannot_be_computed_is_an_error() {
        let (weight, bias) = (noise(&[4, 3, 3, 3]), noise(&[4]));
        assert!(Conv2d::new(&noise(&[4, 3, 2, 2]), bias.clone(), 1).is_err());
        assert!(Conv2d::new(&noise(&[4, 3, 3, 1]), bias.clone(), 1).is_err());
        assert!(Conv2d::new(&weight, noise(&[3]), 1).is_err());
        assert!(Conv2d::new(&weight, bias.clone(), 0).is_err());
        let conv = Conv2d::new(&weight, bias, 1).unwrap();
        assert!(conv.forward(&noise(&[1, 5, 5, 4]), Finish::RELU).is_err());
        assert!(conv.forward(&noise(&[5, 5, 3]), Finish::RELU).is_err());
        assert!(conv.forward(&noise(&[0, 5, 5, 3]), Finish::RELU).is_err());
        let residual = noise(&[1, 5, 4, 4]);
        let finish = Finish { residual: Some(&residual), relu: true };
        assert!(conv.forward(&noise(&[1, 5, 5, 3]), finish).is_err());
    }
}
