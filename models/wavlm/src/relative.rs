//! Relative position bias: a learnt number for each head and distance class between query and key.

use affekt_nn::gated_attention::PositionBias;
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::config::Config;

/// The table that all layers share.
pub(crate) struct RelativeBias {
    /// (h, buckets)
    table: Tensor,
    buckets: Buckets,
}

impl RelativeBias {
    /// `vb` is that of the first layer's attention, which owns the table.
    pub fn load(vb: &VarBuilder, cfg: &Config) -> Result<Self> {
        let table = vb.get((cfg.buckets, cfg.heads), "rel_attn_embed.weight")?;
        let buckets = Buckets { count: cfg.buckets, max_distance: cfg.max_bucket_distance };
        Ok(Self { table: table.t()?.contiguous()?, buckets })
    }

    /// The bias of each query and key of `frames` frames, before any gate.
    pub fn forward(&self, frames: usize) -> Result<PositionBias> {
        // Key - query runs from -(t - 1) to t - 1.
        let reach = frames as i64 - 1;
        let of_distance: Vec<u32> = (-reach..=reach).map(|distance| self.buckets.of(distance)).collect();
        let of_distance = Tensor::new(of_distance, self.table.device())?; // (2 t - 1)
        PositionBias::new(&self.table.index_select(&of_distance, 1)?) // (h, 2 t - 1)
    }
}

/// Distance classes: one for each distance up to a quarter of their number, then ever wider ones, for keys before and
/// after the query apart (Raffel et al. 2020, as WavLM uses it).
#[derive(Clone, Copy, Debug)]
struct Buckets {
    /// Classes in both directions together.
    count: usize,
    /// Distance from which on all share the last class.
    max_distance: usize,
}

impl Buckets {
    /// The class of `distance` = key - query.
    fn of(self, distance: i64) -> u32 {
        let side = self.count as u32 / 2;
        let exact = side / 2;
        let away = distance.unsigned_abs() as u32;
        let class = if away < exact {
            away
        } else {
            let reach = (self.max_distance as f64 / f64::from(exact)).ln() as f32;
            let wide = (away as f32 / exact as f32).ln() / reach * (side - exact) as f32;
            ((exact as f32 + wide) as u32).min(side - 1)
        };
        if distance > 0 { side + class } else { class }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_testkit::golden::Golden;

    #[test]
    fn buckets_are_those_of_transformers() {
        let golden = Golden::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/buckets.safetensors"));
        for (count, max_distance) in [(320, 800), (320, 1280), (32, 128)] {
            let want = golden.tensor(&format!("{count}.{max_distance}")).to_vec1::<f32>().unwrap();
            let buckets = Buckets { count, max_distance };
            let got: Vec<f32> = (-1500..=1500).map(|distance| buckets.of(distance) as f32).collect();
            assert_eq!(got, want, "{buckets:?}");
        }
    }

    #[test]
    fn a_key_after_the_query_has_its_own_classes() {
        let buckets = Buckets { count: 320, max_distance: 800 };
        assert_eq!([0, -1, 1, -79, 79].map(|distance| buckets.of(distance)), [0, 1, 161, 79, 239]);
        assert_eq!([-800, -100_000, 100_000].map(|distance| buckets.of(distance)), [159, 159, 319]);
    }
}
