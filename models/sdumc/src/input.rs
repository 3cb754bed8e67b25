//! What the network takes: one padded batch of feature sequences a modality.

use affekt_core::Modality;
use candle_core::{DType, Device, Tensor};

use crate::{Error, Widths};

/// Which of the two data flows a batch takes through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The text is real.
    Complete,
    /// The text is simulated or absent; where the imagination is on, it works on it.
    TextMissing,
}

/// Feature sequences of one modality, padded to one length. Padded rows are zero, whatever they were before.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// (b, t, width)
    rows: Tensor,
    /// (b, t, 1), u8: 1 where a row is real; `None` where all are.
    valid: Option<Tensor>,
}

impl Sequence {
    /// A batch (b, t, width) without padding.
    pub fn new(rows: Tensor) -> Result<Self, Error> {
        match *rows.dims() {
            [b, t, width] if b * t * width > 0 => Ok(Self { rows, valid: None }),
            _ => Err(Error::Sequence(format!("its shape is {:?}, wanted (batch, rows, width)", rows.dims()))),
        }
    }

    /// A batch (b, t, width) of which clip i has `lengths[i]` rows; what comes after them is padding, of any content.
    /// A clip of no rows has an [absent](Self::absent) modality: its first row is zero and counts.
    pub fn padded(rows: Tensor, lengths: &[usize]) -> Result<Self, Error> {
        let Self { rows, .. } = Self::new(rows)?;
        let (b, t, _) = rows.dims3()?;
        if lengths.len() != b || lengths.iter().any(|&length| length > t) {
            return Err(Error::Sequence(format!(
                "lengths {lengths:?} do not fit {b} clips of up to {t} rows"
            )));
        }
        if lengths.iter().all(|&length| length == t) {
            return Ok(Self { rows, valid: None });
        }
        let device = rows.device().clone();
        // (b, t, 1): 1 in the first rows of each clip, as many as `count` makes of its length
        let first = |count: fn(usize) -> usize| {
            let flags = lengths.iter().flat_map(|&length| (0..t).map(move |at| u8::from(at < count(length))));
            Tensor::from_vec(flags.collect(), (b, t, 1), &device)
        };
        // Selection rather than a product: padding may hold NaN.
        let rows =
            first(|length| length)?.broadcast_as(rows.shape())?.where_cond(&rows, &rows.zeros_like()?)?;
        Ok(Self { rows, valid: Some(first(|length| length.max(1))?) })
    }

    /// Clips of any lengths, each (t, width), padded to the longest.
    pub fn batch(clips: &[Tensor]) -> Result<Self, Error> {
        let lengths = clips.iter().map(|clip| Ok(clip.dims2()?.0)).collect::<Result<Vec<_>, Error>>()?;
        let longest = lengths.iter().copied().max().unwrap_or_default();
        let padded = clips
            .iter()
            .zip(&lengths)
            .map(|(clip, length)| clip.pad_with_zeros(0, 0, longest - length))
            .collect::<Result<Vec<_>, _>>()?;
        if padded.is_empty() {
            return Err(Error::Sequence("there is no clip in it".into()));
        }
        Self::padded(Tensor::stack(&padded, 0)?, &lengths)
    }

    /// An absent modality of one clip: a single zero row (1, 1, width), unmasked, in training and prediction alike.
    pub fn absent(width: usize, device: &Device) -> Result<Self, Error> {
        Self::new(Tensor::zeros((1, 1, width), DType::F32, device)?)
    }

    /// (b, t, width)
    pub fn rows(&self) -> &Tensor {
        &self.rows
    }

    /// (b, 1, t): what to add to attention scores, 0 for a real row and -inf for padding; `None` without padding.
    pub(crate) fn score_bias(&self) -> candle_core::Result<Option<Tensor>> {
        let Some(valid) = &self.valid else { return Ok(None) };
        let valid = valid.transpose(1, 2)?; // (b, 1, t)
        let zero = Tensor::zeros(valid.shape(), self.rows.dtype(), valid.device())?;
        let never =
            Tensor::full(f32::NEG_INFINITY, valid.shape(), valid.device())?.to_dtype(self.rows.dtype())?;
        Ok(Some(valid.where_cond(&zero, &never)?))
    }
}

/// One batch: the three modalities of the same clips.
#[derive(Clone, Debug)]
pub struct Sequences {
    /// (b, t_a, width)
    pub audio: Sequence,
    /// (b, t_t, width)
    pub text: Sequence,
    /// (b, t_v, width)
    pub video: Sequence,
}

impl Sequences {
    /// In the order audio, text, video.
    pub fn all(&self) -> [&Sequence; 3] {
        [&self.audio, &self.text, &self.video]
    }

    /// Checks widths and batch sizes against each other and the network's.
    pub(crate) fn check(&self, widths: &Widths) -> Result<(), Error> {
        let wanted = [widths.audio, widths.text, widths.video];
        let sizes = self.all().map(|sequence| (sequence.rows.dims()[0], sequence.rows.dims()[2]));
        for ((modality, wanted), (_, got)) in Modality::ALL.into_iter().zip(wanted).zip(sizes) {
            if got != wanted {
                return Err(Error::Width { modality, got, wanted });
            }
        }
        let [audio, text, video] = sizes.map(|(batch, _)| batch);
        if audio != text || text != video {
            return Err(Error::Batch { audio, text, video });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(shape: (usize, usize, usize)) -> Tensor {
        Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap()
    }

    #[test]
    fn padding_is_zeroed_whatever_it_held() {
        let values = [1f32, 2.0, f32::NAN, 3.0, 4.0, 5.0];
        let rows = Tensor::new(&values, &Device::Cpu).unwrap().reshape((2, 3, 1)).unwrap();
        let sequence = Sequence::padded(rows, &[2, 3]).unwrap();
        let kept: Vec<f32> = sequence.rows().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(kept, [1.0, 2.0, 0.0, 3.0, 4.0, 5.0]);
        let bias: Vec<f32> =
            sequence.score_bias().unwrap().unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(bias, [0.0, 0.0, f32::NEG_INFINITY, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_clip_of_no_rows_counts_as_one_zero_row() {
        let sequence = Sequence::padded(rows((2, 2, 1)), &[0, 2]).unwrap();
        let kept: Vec<f32> = sequence.rows().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(kept, [0.0, 0.0, 1.0, 1.0]);
        let bias: Vec<f32> =
            sequence.score_bias().unwrap().unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(bias, [0.0, f32::NEG_INFINITY, 0.0, 0.0]);
    }

    #[test]
    fn clips_are_padded_to_the_longest() {
        let clip = |length| Tensor::ones((length, 2), DType::F32, &Device::Cpu).unwrap();
        let sequence = Sequence::batch(&[clip(1), clip(3)]).unwrap();
        assert_eq!(sequence.rows().dims(), [2, 3, 2]);
        assert_eq!(sequence.rows().sum_all().unwrap().to_scalar::<f32>().unwrap(), 8.0);
        assert!(Sequence::batch(&[clip(2), clip(2)]).unwrap().score_bias().unwrap().is_none());
    }

    #[test]
    fn sequences_without_rows_and_wrong_lengths_are_refused() {
        assert!(Sequence::new(rows((1, 0, 4))).is_err());
        assert!(Sequence::batch(&[]).is_err());
        for lengths in [&[1][..], &[4, 1]] {
            assert!(Sequence::padded(rows((2, 3, 4)), lengths).is_err(), "{lengths:?}");
        }
    }

    #[test]
    fn modalities_must_fit_the_network_and_each_other() {
        let batch = |b, width| Sequences {
            audio: Sequence::new(rows((2, 3, 4))).unwrap(),
            text: Sequence::new(rows((b, 5, width))).unwrap(),
            video: Sequence::new(rows((2, 1, 6))).unwrap(),
        };
        let widths = Widths { audio: 4, text: 8, video: 6 };
        assert!(batch(2, 8).check(&widths).is_ok());
        assert!(matches!(
            batch(2, 7).check(&widths),
            Err(Error::Width { modality: Modality::Text, got: 7, wanted: 8 })
        ));
        assert!(matches!(batch(1, 8).check(&widths), Err(Error::Batch { text: 1, .. })));
    }
}
