//! Rank-N-Contrast: representations are to lie in the order of their labels, whichever of them one starts from.

use affekt_nn::trainable::rank_n_contrast_on_card;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, bail};

const TEMPERATURE: f64 = 2.0;
/// Label distances that differ by less are equal.
const TIE: f64 = 1e-4;

/// The loss () of the representations `rows` (n, d) with `labels` (n), n at least 2.
///
/// For an anchor i and each other row j: the log of the sum of exp(-|z_i - z_k| / 2) over all k but i whose label is as
/// far from the anchor's as j's or further, plus |z_i - z_j| / 2; the mean over all i and j.
///
/// It is one operation with a gradient of its own: an anchor's rows are sorted by label distance, so that each
/// denominator continues the one before, in n^2 log n steps instead of n^3. It calculates in f64 from differences, on
/// the CPU; on cards, for types other than f64, a kernel takes the n^3 steps where the rows lie. Rows that are equal pull
/// each other nowhere.
pub fn rank_n_contrast(rows: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let (n, _) = rows.dims2()?;
    if n < 2 || labels.dims() != [n] {
        bail!(
            "rank-n-contrast needs at least 2 rows with a label each: {n} rows, labels {:?}",
            labels.dims()
        );
    }
    if let Some(loss) = rank_n_contrast_on_card(rows, labels)? {
        return match loss.dtype() {
            DType::F32 => Ok(loss),
            _ => loss.to_dtype(DType::F32),
        };
    }
    let labels = labels.to_dtype(DType::F64)?.to_vec1()?;
    let here = rows.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.contiguous()?;
    let loss = here.apply_op1(RankNContrast { labels })?;
    let dtype = if rows.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    loss.to_dtype(dtype)?.to_device(rows.device()) // ()
}

struct RankNContrast {
    labels: Vec<f64>,
}

impl CustomOp1 for RankNContrast {
    fn name(&self) -> &'static str {
        "rank-n-contrast"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((from, to)) = layout.contiguous_offsets() else { bail!("rank-n-contrast needs whole rows") };
        let rows = &storage.as_slice::<f64>()?[from..to];
        let terms = (0..self.labels.len()).flat_map(|anchor| self.others(rows, anchor));
        let sum: f64 = terms.map(|other| other.denominator - other.similarity).sum();
        Ok((CpuStorage::F64(vec![sum / self.pairs()]), Shape::from(())))
    }

    fn bwd(&self, rows: &Tensor, _loss: &Tensor, slope: &Tensor) -> Result<Option<Tensor>> {
        let scale = slope.to_scalar::<f64>()? / self.pairs();
        let gradient = self.gradient(&rows.flatten_all()?.to_vec1()?, scale);
        Ok(Some(Tensor::from_vec(gradient, rows.shape(), rows.device())?))
    }
}

/// A row as an anchor sees it.
struct Other {
    row: usize,
    /// Of the labels.
    label_distance: f64,
    /// Of the representations, negative, over the temperature.
    similarity: f64,
    /// Log of the sum of exp(similarity) over all rows at this label distance or further.
    denominator: f64,
}

impl RankNContrast {
    /// Anchors times their others.
    fn pairs(&self) -> f64 {
        let n = self.labels.len() as f64;
        n * (n - 1.0)
    }

    /// All rows but the anchor, the one of the most distant label first.
    fn others(&self, rows: &[f64], anchor: usize) -> Vec<Other> {
        let width = rows.len() / self.labels.len();
        let row = |index: usize| &rows[index * width..][..width];
        let mut others: Vec<Other> = (0..self.labels.len())
            .filter(|&index| index != anchor)
            .map(|index| Other {
                row: index,
                label_distance: (self.labels[anchor] - self.labels[index]).abs(),
                similarity: -distance(row(anchor), row(index)) / TEMPERATURE,
                denominator: 0.0,
            })
            .collect();
        others.sort_by(|a, b| b.label_distance.total_cmp(&a.label_distance));
        let (mut sum, mut summed) = (LogSum::EMPTY, 0);
        for at in 0..others.len() {
            while summed < others.len() && counts(&others[summed], &others[at]) {
                sum.add(others[summed].similarity);
                summed += 1;
            }
            others[at].denominator = sum.log();
        }
        others
    }

    /// The gradient of `scale` times the sum of all terms.
    fn gradient(&self, rows: &[f64], scale: f64) -> Vec<f64> {
        let width = rows.len() / self.labels.len();
        let mut gradient = vec![0.0; rows.len()];
        for anchor in 0..self.labels.len() {
            for (other, slope) in slopes(&self.others(rows, anchor)) {
                let distance = -other.similarity * TEMPERATURE;
                // Equal rows: the length of their difference has no slope.
                if distance == 0.0 {
                    continue;
                }
                let pull = -scale * slope / (TEMPERATURE * distance);
                for column in 0..width {
                    let (here, there) = (anchor * width + column, other.row * width + column);
                    let step = pull * (rows[here] - rows[there]);
                    gradient[here] += step;
                    gradient[there] -= step;
                }
            }
        }
        gradient
    }
}

/// Whether `k` is in the denominator of `j`.
fn counts(k: &Other, j: &Other) -> bool {
    k.label_distance >= j.label_distance - TIE
}

/// Each of an anchor's others with the derivative of the anchor's terms by its similarity: what it has of every
/// denominator that it is in, less the 1 of its own term.
fn slopes(others: &[Other]) -> impl Iterator<Item = (&Other, f64)> {
    let (mut sum, mut from) = (LogSum::EMPTY, others.len());
    others.iter().rev().map(move |k| {
        while from > 0 && counts(k, &others[from - 1]) {
            from -= 1;
            sum.add(-others[from].denominator);
        }
        (k, (k.similarity + sum.log()).exp() - 1.0)
    })
}

/// Sum of differences squared: exact where the difference of squares would cancel.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

/// A growing sum of exponentials, by its logarithm.
struct LogSum {
    largest: f64,
    /// Of all, each divided by the largest.
    sum: f64,
}

impl LogSum {
    const EMPTY: Self = Self { largest: f64::NEG_INFINITY, sum: 0.0 };

    fn add(&mut self, exponent: f64) {
        if exponent <= self.largest {
            self.sum += (exponent - self.largest).exp();
        } else {
            self.sum = self.sum * (self.largest - exponent).exp() + 1.0;
            self.largest = exponent;
        }
    }

    fn log(&self) -> f64 {
        self.largest + self.sum.ln()
    }
}

#[cfg(test)]
mod tests;
