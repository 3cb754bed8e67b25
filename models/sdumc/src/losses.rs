//! What training minimises (equations 7 to 12): the task, two distillations into the text-missing flow, agreement of
//! the fused representations, and their order by label.

use std::str::FromStr;

use affekt_nn::trainable::mean_square_on_card;
use candle_core::{DType, Result, Tensor};
use serde::{Deserialize, Serialize};

use crate::rank_n_contrast::rank_n_contrast;
use crate::{Compat, Error, Pair};

/// What each term of the loss counts. A term of weight 0 is told, but gives no gradient at all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossWeights {
    /// Squared error of the complete flow.
    pub full: f64,
    /// Squared error of the text-missing flow.
    pub missing: f64,
    /// Stage-1 text of the missing flow against that of the complete one: alpha.
    pub mkd1: f64,
    /// Stage-2 text of the missing flow against that of the complete one: beta.
    pub mkd2: f64,
    /// Fused representations of both flows against each other: gamma.
    pub rs: f64,
    /// Rank-N-Contrast: delta.
    pub rnc: f64,
}

impl LossWeights {
    /// Of the paper's run.
    pub const PAPER: Self = Self { full: 0.5, missing: 0.5, mkd1: 0.1, mkd2: 0.7, rs: 0.13, rnc: 0.5 };
    /// The released code's defaults.
    pub const RELEASE: Self = Self { rs: 0.1, rnc: 0.8, ..Self::PAPER };

    /// Whose rules hold, whose weights.
    pub fn of(compat: Compat) -> Self {
        match compat {
            Compat::Paper => Self::PAPER,
            Compat::Release => Self::RELEASE,
        }
    }

    /// In the order full, missing, mkd1, mkd2, rs, rnc.
    pub fn all(&self) -> [f64; 6] {
        [self.full, self.missing, self.mkd1, self.mkd2, self.rs, self.rnc]
    }

    /// Refuses weights that are negative or not finite.
    pub fn check(self) -> std::result::Result<Self, Error> {
        match self.all().into_iter().find(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            Some(weight) => Err(Error::Config(format!("a loss cannot have the weight {weight}"))),
            None => Ok(self),
        }
    }
}

impl Default for LossWeights {
    fn default() -> Self {
        Self::PAPER
    }
}

impl FromStr for LossWeights {
    type Err = Error;

    /// Six numbers with commas: full, missing, mkd1, mkd2, rs, rnc.
    fn from_str(text: &str) -> std::result::Result<Self, Error> {
        let numbers: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        let Some(&[full, missing, mkd1, mkd2, rs, rnc]) = numbers.as_deref() else {
            return Err(Error::Config(format!(
                "loss weights {text:?} are not six numbers full,missing,mkd1,mkd2,rs,rnc"
            )));
        };
        Self { full, missing, mkd1, mkd2, rs, rnc }.check()
    }
}

/// The terms of one batch, unweighted, and their weighted sum; each a scalar of shape () in f32.
#[derive(Clone, Debug)]
pub struct Losses {
    /// The weighted sum: what has a gradient.
    pub total: Tensor,
    /// Mean squared error of the complete flow.
    pub task_full: Tensor,
    /// Mean squared error of the text-missing flow.
    pub task_missing: Tensor,
    /// Root mean square of the difference in stage-1 text.
    pub mkd1: Tensor,
    /// Root mean square of the difference in stage-2 text.
    pub mkd2: Tensor,
    /// Root mean square of the difference in r.
    pub rs: Tensor,
    /// Rank-N-Contrast over the representations of both flows.
    pub rnc: Tensor,
}

impl Losses {
    /// Names of the terms, in the order of [`LossWeights::all`] and [`Self::terms`].
    pub const TERMS: [&str; 6] = ["task_full", "task_missing", "mkd1", "mkd2", "rs", "rnc"];

    /// Of both flows of a batch with `labels` (b), which are on the network's device.
    ///
    /// The complete flow teaches: no gradient of either distillation flows into it. Where two representations are
    /// equal, the root in their difference has the gradient 0, not NaN.
    ///
    /// Errors: labels that are not one finite number a clip.
    pub fn of(pair: &Pair, labels: &Tensor, weights: &LossWeights) -> std::result::Result<Self, Error> {
        check_finite(labels)?;
        Self::of_checked(pair, labels, weights)
    }

    /// As [`Self::of`], for labels that are known to be finite: on a card nobody waits for them.
    pub fn of_checked(
        pair: &Pair,
        labels: &Tensor,
        weights: &LossWeights,
    ) -> std::result::Result<Self, Error> {
        let Pair { complete, missing } = pair;
        if labels.dims() != complete.valence.dims() {
            let (got, wanted) = (labels.dims(), complete.valence.dims());
            return Err(Error::Labels(format!("their shape is {got:?}, wanted {wanted:?}")));
        }
        let labels = labels.to_dtype(complete.valence.dtype())?;
        let task_full = mean_square(&complete.valence, &labels)?;
        let task_missing = mean_square(&missing.valence, &labels)?;
        let mkd1 = root_mean_square(&missing.text1, &complete.text1.detach())?;
        let mkd2 = root_mean_square(&missing.text2, &complete.text2.detach())?;
        let rs = root_mean_square(&missing.r, &complete.r)?;
        let both = Tensor::cat(&[&complete.rnc, &missing.rnc], 0)?; // (2b, D / 4)
        let rnc = rank_n_contrast(&both, &Tensor::cat(&[&labels, &labels], 0)?)?;
        let total = weighted([&task_full, &task_missing, &mkd1, &mkd2, &rs, &rnc], weights)?;
        Ok(Self { total, task_full, task_missing, mkd1, mkd2, rs, rnc })
    }

    /// The terms, unweighted, in the order of [`Self::TERMS`].
    pub fn terms(&self) -> [&Tensor; 6] {
        [&self.task_full, &self.task_missing, &self.mkd1, &self.mkd2, &self.rs, &self.rnc]
    }
}

fn check_finite(labels: &Tensor) -> std::result::Result<(), Error> {
    let numbers: Vec<f64> = labels.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(at) => Err(Error::Labels(format!("number {at} is {}", numbers[at]))),
        None => Ok(()),
    }
}

/// The sum of the terms that count. One of weight 0 is left out: parameters that nothing else reaches then have no
/// gradient, and weight decay leaves them alone.
fn weighted(terms: [&Tensor; 6], weights: &LossWeights) -> Result<Tensor> {
    let mut total = Tensor::zeros((), terms[0].dtype(), terms[0].device())?;
    for (term, weight) in terms.into_iter().zip(weights.all()) {
        if weight != 0.0 {
            total = (total + (term * weight)?)?;
        }
    }
    Ok(total)
}

fn mean_square(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if let Some(mean) = mean_square_on_card(x, y, false)? {
        return Ok(mean);
    }
    in_full(&(x - y)?)?.sqr()?.mean_all() // ()
}

/// The root of [`mean_square`], of gradient 0 where x and y are equal.
fn root_mean_square(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if let Some(root) = mean_square_on_card(x, y, true)? {
        return Ok(root);
    }
    let square = mean_square(x, y)?;
    // Both selections are needed: 0 times the infinite slope of the root would be NaN.
    let equal = square.le(0.0)?;
    let root = equal.where_cond(&square.ones_like()?, &square)?.sqrt()?;
    equal.where_cond(&square.zeros_like()?, &root) // ()
}

/// Sums over a batch need more than half precision.
fn in_full(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::F64 => Ok(x.clone()),
        _ => x.to_dtype(DType::F32),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn weights_are_six_numbers() {
        assert_eq!("0.5,0.5,0.1,0.7,0.13,0.5".parse::<LossWeights>().unwrap(), LossWeights::PAPER);
        assert_eq!("0.5, .5, 0.1, 0.7, 0.1, 0.8".parse::<LossWeights>().unwrap(), LossWeights::RELEASE);
        for text in ["", "1,1,1,1,1", "1,1,1,1,1,1,1", "1,1,1,1,1,x", "1,1,1,1,1,-1", "1,1,1,1,1,nan"] {
            assert!(text.parse::<LossWeights>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_root_at_equality_has_the_gradient_zero() {
        let x = Var::new(&[1f32, 2.0], &Device::Cpu).unwrap();
        let gradient = |y: &[f32]| {
            let root = root_mean_square(&x, &Tensor::new(y, &Device::Cpu).unwrap()).unwrap();
            let value = root.to_scalar::<f32>().unwrap();
            (value, root.backward().unwrap().get(&x).unwrap().to_vec1::<f32>().unwrap())
        };
        assert_eq!(gradient(&[1.0, 2.0]), (0.0, vec![0.0, 0.0]));
        assert_eq!(gradient(&[1.0, 4.0]).1[0], 0.0);
        assert!((gradient(&[1.0, 4.0]).1[1] + 0.5f32.sqrt()).abs() < 1e-6);
    }
}
