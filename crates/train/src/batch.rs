//! What a method is given: a few clips, padded to one length.

use std::collections::BTreeMap;

use affekt_core::{ClipId, FeatureKind};
use candle_core::Tensor;

/// One feature of the clips of a batch.
#[derive(Clone, Debug)]
pub struct Padded {
    /// (b, t, width), f32; zero behind a clip's length; t is at least 1.
    pub rows: Tensor,
    /// Rows of each clip; 0 where the feature is absent.
    pub lengths: Vec<usize>,
}

/// A few clips with their labels.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Their names.
    pub clips: Vec<ClipId>,
    /// (b), f32: valence, -3 to 3, never NaN.
    pub labels: Tensor,
    /// Everything that the method [needs](crate::Recipe::needs).
    pub features: BTreeMap<FeatureKind, Padded>,
}

impl Batch {
    /// How many clips it has.
    pub fn len(&self) -> usize {
        self.clips.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    /// The feature `kind`; an error where the batch was made for another method.
    pub fn feature(&self, kind: FeatureKind) -> Result<&Padded, crate::Error> {
        self.features.get(&kind).ok_or(crate::Error::NoFeature(kind))
    }
}
