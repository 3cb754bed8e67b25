//! Pearson's correlation, and when there is none.

/// Deviations below this share of the largest value are rounding, as SciPy's `pearsonr` takes them. Two different
/// single-precision numbers are at least 6e-8 of their size apart, so predictions of a network are never taken for constant
/// while they are not.
const ROUNDING: f64 = 1e-13;

/// The correlation of two lists of one length, whose squares are finite; `None` where a side is constant, one value
/// included.
pub(super) fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y) = (deviations(x)?, deviations(y)?);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    Some((dot(&x, &y) / (dot(&x, &x).sqrt() * dot(&y, &y).sqrt())).clamp(-1.0, 1.0))
}

/// Distances from the mean, the largest of which is 1 in size, so that squares of the smallest do not vanish. The first
/// value is the origin: sums of nearly equal values then lose nothing.
fn deviations(values: &[f64]) -> Option<Vec<f64>> {
    let origin = *values.first()?;
    let mean = values.iter().map(|value| value - origin).sum::<f64>() / values.len() as f64;
    let largest =
        |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, |top: f64, value| top.max(value.abs()));
    let size = largest(&mut values.iter().map(|value| value - origin - mean));
    let rounding = ROUNDING * largest(&mut values.iter().copied());
    (size > rounding).then(|| values.iter().map(|value| (value - origin - mean) / size).collect())
}
