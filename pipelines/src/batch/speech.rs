//! The `speech` of a clip, out of a cache.

use affekt_cache::{Facts, Status, Store};
use affekt_core::{ClipId, Digest, SampleRate};
use candle_core::{Device, Tensor};

use super::Error;

/// What text is simulated from.
pub struct Speech {
    /// What the cache tells of where it comes from.
    pub facts: Facts,
    /// (t, width)
    pub rows: Tensor,
    /// Samples (16 kHz) of the sound.
    pub samples: usize,
}

impl Speech {
    /// That of the clip `id` in `store`.
    ///
    /// # Errors
    /// Those of [`Store::feature`]; [`Error::DamagedSpeech`].
    pub fn of(store: &Store, id: &ClipId) -> Result<Self, Error> {
        let feature = store.feature(id)?;
        // Damaged speech would be heard as other words, and nobody would know.
        if let Some(Status::Done { digest, .. }) = store.clip(id).map(|clip| &clip.status)
            && *digest != Digest::of(feature.bytes)
        {
            let finite = feature.to_f32().iter().all(|number| number.is_finite());
            let what = if finite { "is not what was written" } else { "holds a NaN or an infinity" };
            return Err(Error::DamagedSpeech { clip: id.clone(), folder: store.folder().into(), what });
        }
        let rows = Tensor::from_vec(feature.to_f32(), (feature.rows, feature.width), &Device::Cpu)
            .map_err(crate::Error::from)?;
        let known = store.clip(id).map(|clip| clip.facts.clone()).unwrap_or_default();
        // Rows that were imported come without either; a row stands for 20 ms.
        let by_time =
            known.seconds.map(|seconds| (seconds.0 * f64::from(SampleRate::SPEECH.0)).round() as usize);
        let samples = known.samples.or(by_time).unwrap_or(320 * feature.rows + 80);
        Ok(Self { facts: origin(&known), rows, samples })
    }
}

/// What of `facts` tells where a voice comes from: it holds for the text simulated from it, too.
pub fn origin(facts: &Facts) -> Facts {
    let Facts { media, span, seconds, samples, warnings, .. } = facts.clone();
    Facts { media, span, seconds, samples, warnings, ..Facts::default() }
}
