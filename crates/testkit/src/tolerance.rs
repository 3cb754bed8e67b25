//! How far a tensor may be from its reference.

use candle_core::{DType, Tensor};

/// Largest absolute difference over the root mean square of `want`; infinite where either has a NaN or an infinity,
/// and zero for tensors without elements. Shapes must be equal.
pub fn relative_error(got: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(got.dims(), want.dims(), "shapes differ");
    let numbers = |tensor: &Tensor| -> Vec<f64> {
        tensor
            .flatten_all()
            .and_then(|t| t.to_dtype(DType::F64))
            .and_then(|t| t.to_vec1())
            .expect("plain numbers")
    };
    let (got, want) = (numbers(got), numbers(want));
    if got.iter().chain(&want).any(|number| !number.is_finite()) {
        return f64::INFINITY;
    }
    if want.is_empty() {
        return 0.0;
    }
    let difference = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let rms = (want.iter().map(|number| number * number).sum::<f64>() / want.len() as f64).sqrt();
    if difference == 0.0 { 0.0 } else { difference / rms }
}

/// Panics, naming `what` and the error, unless [`relative_error`] is at most `tolerance`.
#[track_caller]
pub fn assert_close(what: &str, got: &Tensor, want: &Tensor, tolerance: f64) {
    assert_eq!(got.dims(), want.dims(), "{what}: shapes differ");
    let error = relative_error(got, want);
    assert!(error <= tolerance, "{what}: relative error {error:.3e} exceeds {tolerance:.0e}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_error_is_relative_to_the_rms_and_nan_is_never_close() {
        let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
        let want = tensor(&[3.0, -3.0, 3.0, -3.0]);
        assert!((relative_error(&tensor(&[3.0, -3.0, 3.3, -3.0]), &want) - 0.1).abs() < 1e-6);
        assert_eq!(relative_error(&tensor(&[3.0, f32::NAN, 3.0, -3.0]), &want), f64::INFINITY);
        assert_eq!(relative_error(&want, &want), 0.0);
    }
}
