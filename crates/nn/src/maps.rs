//! Feature maps with the channels last: (b, h, w, c). What stands between the convolutions of [`conv2d`](crate::conv2d).
//!
//! On the CPU each function is one pass over memory, in f32 whatever the type of its input, and reads views (channels,
//! rows and columns of a larger map) where they lie. On a card those that networks run there are one kernel each; the rest,
//! and everything on other devices, is composed of candle's operations. None of them has a backward pass. NaN passes through all of them, through ReLU and maxima too.

pub(crate) mod card;
mod gate;
mod pending;
mod pool;
mod sum;
mod view;

pub use card::depthwise;
pub use gate::{scale_channels, scale_places};
pub use pending::Pending;
pub use pool::{channels_last, halved, max_pool, mean, mean_and_max};
pub use sum::{join_chunks, relu_plus};
pub use view::in_pool;
pub(crate) use view::{Filled, View, filled, on_cpu, places, readable};

/// The larger number; NaN if one of them is NaN.
#[inline(always)]
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    // `f32::max` would drop a NaN.
    if b > a || b.is_nan() { b } else { a }
}

/// Zero for what is below; NaN stays NaN.
#[inline(always)]
pub(crate) fn relu(x: f32) -> f32 {
    if x < 0. { 0. } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::assert_close;
    use candle_core::{D, Device, Result, Tensor};

    fn noise(shape: &[usize]) -> Tensor {
        affekt_testkit::noise(0.0, 1.0, shape)
    }

    /// Maps of many sizes, and views of larger ones.
    fn maps() -> Vec<Tensor> {
        let view = noise(&[3, 8, 9, 12]).narrow(1, 2, 5).unwrap().narrow(2, 0, 4).unwrap();
        let turned = noise(&[2, 6, 4, 5]).permute((0, 2, 3, 1)).unwrap();
        vec![noise(&[1, 1, 1, 1]), noise(&[2, 7, 5, 40]), view.narrow(3, 4, 8).unwrap(), turned]
    }

    fn near(what: &str, got: Result<Tensor>, want: Result<Tensor>) {
        assert_close(what, &got.unwrap(), &want.unwrap(), 1e-5);
    }

    #[test]
    fn pools_are_candles() {
        for x in maps() {
            near("last", channels_last(&x), x.permute((0, 2, 3, 1)).and_then(|x| x.contiguous()));
            let places = x.flatten(1, 2).unwrap();
            let (means, tops) = (places.mean(1).unwrap(), places.max(1).unwrap());
            near("mean", mean(&x), Ok(means.clone()));
            near("mean and max", mean_and_max(&x), Tensor::stack(&[means, tops], 0));
            let x = x.relu().unwrap();
            for (kernel, stride) in [(3, 2), (3, 1), (5, 3)] {
                let pad = kernel / 2;
                let wide = x.pad_with_zeros(1, pad, pad).unwrap().pad_with_zeros(2, pad, pad).unwrap();
                let wide = wide.permute((0, 3, 1, 2)).unwrap();
                let want = wide.max_pool2d_with_stride(kernel, stride).unwrap().permute((0, 2, 3, 1));
                near("max pool", max_pool(&x.clone().into(), kernel, stride), want);
            }
        }
    }

    #[test]
    fn gates_and_sums_are_candles() {
        for x in maps() {
            let (b, h, w, c) = x.dims4().unwrap();
            let gate = noise(&[b, c]);
            let want = x.broadcast_mul(&gate.reshape((b, 1, 1, c)).unwrap()).unwrap();
            let (y, pooled) = scale_channels(&x, &gate).unwrap();
            near("gated", Ok(y), Ok(want.clone()));
            let (top, mean) = (want.max_keepdim(D::Minus1).unwrap(), want.mean_keepdim(D::Minus1).unwrap());
            near("pooled", Ok(pooled), Tensor::cat(&[top, mean], 3));
            let (gate, residual) = (noise(&[b, h, w, 1]), noise(x.dims()));
            let want = (x.broadcast_mul(&gate).unwrap() + &residual).unwrap().relu();
            near("gated places", scale_places(&x, &gate, &residual), want);
            near("relu plus", relu_plus(&x, &residual), x.relu().unwrap() + &residual);
            let (first, second) = ([x.clone(), residual.clone()], [residual.clone(), x.clone()]);
            let wide = noise(&[b, h, w, 2 * c]);
            let want = (Tensor::cat(&first, 3).unwrap() + Tensor::cat(&second, 3).unwrap()).unwrap() + &wide;
            near("joined", join_chunks(&first, &second, None, &wide.clone().into()), want.unwrap().relu());
        }
    }

    #[test]
    fn nan_is_not_lost() {
        let x = noise(&[1, 4, 4, 40]);
        let mut numbers = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        numbers[40 * 5 + 7] = f32::NAN;
        let bad = Tensor::from_vec(numbers, x.dims(), &Device::Cpu).unwrap();
        let count = |x: &Tensor| {
            x.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().filter(|x| x.is_nan()).count()
        };
        assert_eq!(count(&max_pool(&bad.clone().into(), 3, 2).unwrap()), 4);
        assert_eq!(count(&mean_and_max(&bad).unwrap()), 2);
        let ones = Tensor::ones((1, 40), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert_eq!(count(&scale_channels(&bad, &ones).unwrap().1), 2);
        assert_eq!(count(&relu_plus(&bad, &x).unwrap()), 1);
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let (x, y) = (noise(&[1, 4, 4, 8]), noise(&[1, 4, 3, 8]));
        assert!(relu_plus(&x, &y).is_err());
        assert!(scale_places(&x, &noise(&[1, 4, 4, 8]), &x).is_err());
        assert!(scale_places(&x, &noise(&[1, 4, 4, 1]), &y).is_err());
        assert!(scale_channels(&x, &noise(&[1, 7])).is_err());
        let short = std::slice::from_ref(&y);
        assert!(join_chunks(short, short, None, &x.clone().into()).is_err());
        assert!(mean(&noise(&[1, 0, 4, 8])).is_err());
    }
}
