//! How much goes through the networks at once.

use affekt_nn::device;

use crate::Error;
use crate::networks::Encoders;

/// Samples that the clips of a batch have on average, at most: 20 s. All hidden states of a batch are in memory at once.
const MEAN_MOST: usize = 20 * 16_000;
/// Clips of a batch on a card, where its memory holds them. With MOSEI's 7 s a clip these are 11,000 rows, for which the
/// products of a WavLM-Large take far longer than to start them.
const MOST_VOICES: usize = 32;
/// Share of a card's free memory that a batch of voices may take by its estimate: the rest is for what no estimate knows.
const SHARE: f64 = 0.5;
/// Clips whose words are read together: with MOSEI's 28 tokens, more than one forward pass takes.
const TEXTS: usize = 16;
/// The same on a card, where a pass takes more rows.
const CARD_TEXTS: usize = 64;

/// How much goes through the networks of a device at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Clips that WavLM hears.
    pub voices: usize,
    /// Their samples, padding included.
    pub samples: usize,
    /// Faces that MANet sees.
    pub faces: usize,
    /// Clips whose words are read.
    pub texts: usize,
}

impl Sizes {
    /// For the networks of a device; on a card as its free memory allows. `batch` says how many clips WavLM hears, where it
    /// is given.
    ///
    /// # Errors
    /// What the driver reports.
    pub fn of(encoders: &Encoders, batch: Option<usize>) -> Result<Self, Error> {
        let free = device::card(&encoders.device)?.map(|card| card.memory.free as u64);
        let voice = |clips| encoders.voice.as_ref().map_or(0, |voice| voice.bytes(clips, MEAN_MOST));
        let faces = encoders.face.as_ref().map_or(1, |face| face.limit().most());
        Ok(Self::with(free, batch, voice, faces))
    }

    /// On a CPU one clip at a time is best: it keeps all cores busy, and nothing is padded. A card has so many bytes `free`,
    /// and a batch of so many clips takes `bytes`.
    fn with(free: Option<u64>, batch: Option<usize>, bytes: impl Fn(usize) -> u64, faces: usize) -> Self {
        let fits = |free: u64| {
            let fits = |clips: &usize| bytes(*clips) as f64 <= SHARE * free as f64;
            (1..=MOST_VOICES).rev().find(fits).unwrap_or(1)
        };
        let voices = batch.unwrap_or_else(|| free.map_or(1, fits));
        let texts = if free.is_some() { CARD_TEXTS } else { TEXTS };
        Self { voices, samples: voices * MEAN_MOST, faces, texts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_takes_what_its_memory_holds() {
        let gigabytes = |clips: usize| clips as u64 * 1_000_000_000;
        let voices = |free: u64, batch| Sizes::with(Some(free), batch, gigabytes, 256).voices;
        assert_eq!(voices(140_000_000_000, None), 32);
        assert_eq!(voices(16_000_000_000, None), 8);
        assert_eq!(voices(1_000_000_000, None), 1);
        assert_eq!(voices(1_000_000_000, Some(5)), 5, "whoever says how many has the say");
    }

    #[test]
    fn a_cpu_takes_one_at_a_time() {
        let sizes = Sizes::with(None, None, |_| 0, 8);
        assert_eq!(sizes, Sizes { voices: 1, samples: MEAN_MOST, faces: 8, texts: TEXTS });
    }
}
