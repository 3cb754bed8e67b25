//! What was found.

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::bounds::{Kind, bound};
use super::{Error, Part, Plan};

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Part of affekt.
    pub part: &'static str,
    /// What was done.
    pub case: String,
    /// Numbers inside the network.
    pub dtype: &'static str,
    /// Largest error of all tensors of the case: the largest difference over the root mean square of the reference.
    pub error: Option<f64>,
    /// The tensor that had it, or what went wrong.
    pub at: String,
    /// How far it may be off; `None` where nothing is promised.
    pub tolerance: Option<f64>,
    /// Whether the promise is kept.
    pub ok: bool,
}

/// The worst of the comparisons of a case.
#[derive(Debug, Default)]
pub struct Worst {
    error: f64,
    at: String,
    broken: Option<String>,
}

impl Worst {
    /// Compares a tensor with its reference.
    pub fn near(&mut self, at: impl Into<String>, got: &Tensor, want: &Tensor) -> Result<(), Error> {
        let error = relative_error(got, want)?;
        if error >= self.error || error.is_nan() {
            (self.error, self.at) = (error, at.into());
        }
        Ok(())
    }

    /// Compares two numbers by their difference.
    pub fn near_number(&mut self, at: impl Into<String>, got: f64, want: f64) {
        let error = (got - want).abs();
        if error >= self.error || error.is_nan() {
            (self.error, self.at) = (error, at.into());
        }
    }

    /// Takes down something that has to hold whatever the tolerance.
    pub fn holds(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            self.broken = Some(what());
        }
    }
}

/// Collects the rows of one part in one number type.
pub struct Ledger<'l> {
    /// Which part.
    pub part: Part,
    /// Numbers inside the networks.
    pub dtype: DType,
    /// What is to be checked.
    pub plan: &'l Plan<'l>,
    tell: &'l mut dyn FnMut(&Row),
    rows: Vec<Row>,
}

impl<'l> Ledger<'l> {
    pub(super) fn new(part: Part, dtype: DType, plan: &'l Plan<'l>, tell: &'l mut dyn FnMut(&Row)) -> Self {
        Self { part, dtype, plan, tell, rows: Vec::new() }
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
    }

    /// Where networks run.
    pub fn device(&self) -> &'l Device {
        self.plan.device
    }

    /// One case. What goes wrong in it is its row.
    pub fn case(
        &mut self,
        case: impl Into<String>,
        kind: Kind,
        work: impl FnOnce(&mut Worst) -> Result<(), Error>,
    ) {
        let mut worst = Worst::default();
        let done = work(&mut worst);
        let tolerance = bound(self.part, kind, self.dtype);
        let broken = done.err().map(|error| error.to_string()).or(worst.broken.take());
        let within = tolerance.is_none_or(|tolerance| worst.error <= tolerance);
        let row = Row {
            part: self.part.name(),
            case: case.into(),
            dtype: self.dtype.as_str(),
            error: broken.is_none().then_some(worst.error),
            ok: broken.is_none() && within,
            at: broken.unwrap_or(worst.at),
            tolerance,
        };
        (self.tell)(&row);
        self.rows.push(row);
    }
}

/// Largest absolute difference over the root mean square of `want`; infinite where either has a NaN or an infinity or the
/// shapes differ, and 0 for tensors without elements.
pub fn relative_error(got: &Tensor, want: &Tensor) -> Result<f64, Error> {
    if got.dims() != want.dims() {
        return Ok(f64::INFINITY);
    }
    let numbers = |x: &Tensor| -> candle_core::Result<Vec<f32>> {
        x.to_device(&Device::Cpu)?.flatten_all()?.to_dtype(DType::F32)?.to_vec1()
    };
    let (got, want) = (numbers(got)?, numbers(want)?);
    if got.iter().chain(&want).any(|number| !number.is_finite()) {
        return Ok(f64::INFINITY);
    }
    let difference = got.iter().zip(&want).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    let squares: f64 = want.iter().map(|&number| f64::from(number) * f64::from(number)).sum();
    Ok(if difference == 0.0 { 0.0 } else { difference / (squares / want.len() as f64).sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_and_nothing_is_near_to_what_is_no_number() {
        let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
        let want = tensor(&[3.0, -3.0, 3.0, -3.0]);
        let error = |got: &[f32]| relative_error(&tensor(got), &want).unwrap();
        assert!((error(&[3.0, -3.0, 3.3, -3.0]) - 0.1).abs() < 1e-6);
        assert_eq!(error(&[3.0, f32::NAN, 3.0, -3.0]), f64::INFINITY);
        assert_eq!(error(&[3.0, -3.0]), f64::INFINITY);
        assert_eq!(error(&[3.0, -3.0, 3.0, -3.0]), 0.0);
    }
}
