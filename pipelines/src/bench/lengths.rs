//! How long clips are.

/// Labelled clips of CMU-MOSEI.
pub const CLIPS: f64 = 22_856.0;
/// Hours of these.
pub const CLIP_HOURS: f64 = 46.0;
/// Hours of the recordings that they are cut from.
pub const VIDEO_HOURS: f64 = 65.0;

/// Quantiles of the length of a clip, in seconds. They are those of the 23,259 labelled segments of CMU-MOSEI, times 0.95, so
/// that the mean is that of the 22,856 clips that are extracted (46 h, 7.3 s each); the longest, 104 s, is left out.
pub const QUANTILES: [(f64, f64); 11] = [
    (0.0, 0.5),
    (0.01, 1.64),
    (0.05, 2.28),
    (0.1, 2.83),
    (0.25, 4.2),
    (0.5, 6.17),
    (0.75, 8.98),
    (0.9, 12.8),
    (0.95, 15.8),
    (0.99, 23.2),
    (1.0, 40.0),
];

/// The length below which so much of all clips is, `share` from 0 to 1: straight lines between [`QUANTILES`].
pub fn quantile(share: f64) -> f64 {
    let above = QUANTILES.iter().position(|(mark, _)| share <= *mark).unwrap_or(QUANTILES.len() - 1).max(1);
    let ((low, a), (high, b)) = (QUANTILES[above - 1], QUANTILES[above]);
    a + (b - a) * ((share - low) / (high - low)).clamp(0.0, 1.0)
}

/// Lengths of `count` clips, in seconds, to the millisecond: each from a slice of the distribution of its own, so that few
/// are distributed as many are, in an order without system that is always the same.
pub fn of(count: usize) -> Vec<f64> {
    let middle = |slice: usize| (slice as f64 + 0.5) / count as f64;
    let mut lengths: Vec<f64> =
        (0..count).map(|slice| (quantile(middle(slice)) * 1e3).round() / 1e3).collect();
    let mut noise = Noise::new(SEED);
    for last in (1..count).rev() {
        lengths.swap(last, noise.below(last + 1));
    }
    lengths
}

const SEED: u64 = 7;

/// Numbers without system, always the same for a seed: a linear congruence, whose upper bits are used.
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_clips_are_distributed_as_many_are() {
        for count in [14, 28, 1_000] {
            let mut lengths = of(count);
            assert_eq!(lengths, of(count), "not always the same");
            let mean = lengths.iter().sum::<f64>() / count as f64;
            assert!((7.2..7.4).contains(&mean), "mean {mean} of {count}");
            assert!(lengths.windows(2).any(|pair| pair[0] > pair[1]), "sorted");
            lengths.sort_by(f64::total_cmp);
            for (mark, seconds) in [(0.25, 4.2), (0.5, 6.17), (0.75, 8.98)] {
                let found = lengths[(mark * count as f64) as usize];
                assert!((found - seconds).abs() < 0.15 * seconds, "{mark} of {count}: {found}");
            }
        }
    }

    #[test]
    fn shares_outside_are_the_shortest_and_the_longest() {
        assert_eq!((quantile(-1.0), quantile(0.0), quantile(1.0), quantile(2.0)), (0.5, 0.5, 40.0, 40.0));
        assert_eq!(quantile(0.5), 6.17);
    }
}
