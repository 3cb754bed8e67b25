//! A ReLU that hides nothing.

use candle_core::{Result, Tensor};

/// max(x, 0), with a gradient, which is 0 at 0 as PyTorch's. NaN stays NaN: candle's own ReLU makes 0 of it, and a
/// damaged network would give numbers that look sound.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x.le(0.)?.where_cond(&x.zeros_like()?, x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn nan_survives_a_relu() {
        let x =
            Tensor::new(&[-1f32, 0., 2., f32::NAN, f32::INFINITY, f32::NEG_INFINITY], &Device::Cpu).unwrap();
        let y: Vec<f32> = relu(&x).unwrap().to_vec1().unwrap();
        assert_eq!(y[..3], [0., 0., 2.]);
        assert!(y[3].is_nan());
        assert_eq!(y[4..], [f32::INFINITY, 0.]);
    }

    #[test]
    fn the_gradient_is_pytorchs() {
        let x = Var::new(&[-1f32, 0., 2.], &Device::Cpu).unwrap();
        let gradients = (relu(&x).unwrap() * 3.).unwrap().sum_all().unwrap().backward().unwrap();
        assert_eq!(gradients.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0., 0., 3.]);
    }
}
