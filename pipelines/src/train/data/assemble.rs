//! From the shards' memory to a padded batch.

use std::collections::BTreeMap;

use affekt_cache::Store;
use affekt_core::FeatureKind;
use affekt_train::{Batch, Padded};
use candle_core::{Device, Tensor};

use super::{Corpus, Error, Sample};
use crate::dataset::Split;

/// The bits of a single's exponent; all are set in a NaN and in an infinity, and in nothing else.
const EXPONENT: u32 = 0x7f80_0000;

impl Corpus {
    /// The samples of `split` at `places` as a batch on `device`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] and [`Error::Mismatch`], naming clip and feature; those of the device.
    pub fn batch(&self, split: Split, places: &[usize], device: &Device) -> Result<Batch, Error> {
        let samples: Vec<&Sample> = places.iter().map(|&place| &self.split(split)[place]).collect();
        let mut features = BTreeMap::new();
        for (kind, store) in &self.stores {
            features.insert(*kind, self.padded(*kind, store, &samples, device)?);
        }
        let labels: Vec<f32> = samples.iter().map(|sample| sample.label as f32).collect();
        let labels = Tensor::from_vec(labels, samples.len(), device)?; // (b)
        Ok(Batch { clips: samples.iter().map(|sample| sample.id.clone()).collect(), labels, features })
    }

    fn padded(
        &self,
        kind: FeatureKind,
        store: &Store,
        samples: &[&Sample],
        device: &Device,
    ) -> Result<Padded, Error> {
        let lengths: Vec<usize> = samples.iter().map(|sample| sample.rows[&kind]).collect();
        let width = store.spec().width;
        let longest = lengths.iter().copied().max().unwrap_or_default().max(1);
        let standard = self.standards.get(&kind);
        let mut numbers = vec![0.0; samples.len() * longest * width];
        for (sample, out) in samples.iter().zip(numbers.chunks_exact_mut(longest * width)) {
            // What is behind a clip's end, or absent, stays zero whatever the mean.
            let rows = &mut out[..sample.rows[&kind] * width];
            if !rows.is_empty() {
                read(kind, store, sample, rows)?;
                standard.into_iter().for_each(|standard| standard.apply(rows));
            }
        }
        let rows = Tensor::from_vec(numbers, (samples.len(), longest, width), device)?; // (b, t, width)
        Ok(Padded { rows, lengths })
    }
}

/// Reads all rows of a feature that is not absent, as the cache has them.
pub(super) fn read(kind: FeatureKind, store: &Store, sample: &Sample, out: &mut [f32]) -> Result<(), Error> {
    let feature = store.feature(&sample.id)?;
    let (clip, folder) = (|| sample.id.clone(), || store.folder().to_owned());
    let told = sample.rows[&kind];
    if feature.rows != told {
        return Err(Error::Mismatch { clip: clip(), kind, found: feature.rows, told, folder: folder() });
    }
    feature.number.decode_into(feature.bytes, out);
    // All numbers alike, without a way out before the end: that is what vector instructions are good at.
    if out.iter().fold(false, |found, number| found | is_wild(*number)) {
        let place = out.iter().position(|number| is_wild(*number)).unwrap_or_default();
        return Err(Error::NotFinite { clip: clip(), kind, row: place / feature.width, folder: folder() });
    }
    Ok(())
}

fn is_wild(number: f32) -> bool {
    number.to_bits() & EXPONENT == EXPONENT
}
