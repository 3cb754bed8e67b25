//! What the network takes: one padded batch of feature sequences a modality.

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

impl Flow {
    /// Its name in reports, and in the streams of dropout.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::TextMissing => "text-missing",
        }
    }
}

/// Feature sequences of one modality, padded to one length. Padded rows are zero, whatever they were before.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// (b, t, width)
    rows: Tensor,
    /// Rows of each clip that count, 1 to t; `None` where all do.
    counting: Option<Vec<usize>>,
}

impl Sequence {
    /// A batch (b, t, width) without padding.
    pub fn new(rows: Tensor) -> Result<Self, Error> {
        match *rows.dims() {
            [b, t, width] if b * t * width > 0 => Ok(Self { rows, counting: None }),
            _ => Err(Error::Sequence(format!("its shape is {:?}, wanted (batch, rows, width)", rows.dims()))),
        }
    }

    /// A batch (b, t, width) of which clip i has `lengths[i]` rows; what comes after them is padding, of any content.
    /// A clip of no rows has an [absent](Self::absent) modality: its first row is zero and counts.
    pub fn padded(rows: Tensor, lengths: &[usize]) -> Result<Self, Error> {
        let Self { rows, counting } = Self::zero_padded(rows, lengths)?;
        if counting.is_none() && !lengths.contains(&0) {
            return Ok(Self { rows, counting });
        }
        let (b, t, _) = rows.dims3()?;
        let real = lengths.iter().flat_map(|&length| (0..t).map(move |at| u8::from(at < length))).collect();
        let real = Tensor::from_vec(real, (b, t, 1), rows.device())?;
        // Selection rather than a product: padding may hold NaN.
        let rows = real.broadcast_as(rows.shape())?.where_cond(&rows, &rows.zeros_like()?)?;
        Ok(Self { rows, counting })
    }

    /// As [`Self::padded`], for rows whose padding is known to be zero: they are taken as they are, without a copy.
    pub fn zero_padded(rows: Tensor, lengths: &[usize]) -> Result<Self, Error> {
        let Self { rows, .. } = Self::new(rows)?;
        let (b, t, _) = rows.dims3()?;
        if lengths.len() != b || lengths.iter().any(|&length| length > t) {
            return Err(Error::Sequence(format!(
                "lengths {lengths:?} do not fit {b} clips of up to {t} rows"
            )));
        }
        let counting: Vec<usize> = lengths.iter().map(|&length| length.max(1)).collect();
        Ok(Self { rows, counting: counting.iter().any(|&count| count < t).then_some(counting) })
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

    /// Rows of each clip that count, 1 to t; `None` where all do.
    pub(crate) fn counting(&self) -> Option<&[usize]> {
        self.counting.as_deref()
    }

    /// A batch of absent modalities, as many as this one has clips.
    pub fn absent_alike(&self) -> Result<Self, Error> {
        let (b, _, width) = self.rows.dims3()?;
        Self::new(Tensor::zeros((b, 1, width), self.rows.dtype(), self.rows.device())?)
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
        let Self { audio, text, video } = self;
        fit([("audio", audio, widths.audio), ("text", text, widths.text), ("video", video, widths.video)])
    }
}

/// One batch for both flows, which have audio and video in common.
#[derive(Clone, Debug)]
pub struct Clips {
    /// (b, t_a, width)
    pub audio: Sequence,
    /// The real text: (b, t_t, width)
    pub text: Sequence,
    /// The text of the text-missing flow, simulated or absent: (b, t_s, width)
    pub simulated: Sequence,
    /// (b, t_v, width)
    pub video: Sequence,
}

impl Clips {
    /// Checks widths and batch sizes against each other and the network's.
    pub(crate) fn check(&self, widths: &Widths) -> Result<(), Error> {
        let Self { audio, text, simulated, video } = self;
        fit([
            ("audio", audio, widths.audio),
            ("text", text, widths.text),
            ("simulated", simulated, widths.text),
            ("video", video, widths.video),
        ])
    }
}

/// Checks that features have their widths, and as many clips as the first of them.
fn fit<const N: usize>(features: [(&'static str, &Sequence, usize); N]) -> Result<(), Error> {
    for (feature, sequence, wanted) in features {
        let got = sequence.rows.dims()[2];
        if got != wanted {
            return Err(Error::Width { feature, got, wanted });
        }
    }
    let clips = |(_, sequence, _): (&str, &Sequence, usize)| sequence.rows.dims()[0];
    let audio = clips(features[0]);
    match features.into_iter().find(|&feature| clips(feature) != audio) {
        Some(other) => Err(Error::Batch { audio, feature: other.0, got: clips(other) }),
        None => Ok(()),
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
        assert_eq!(sequence.counting(), Some(&[2, 3][..]));
    }

    #[test]
    fn a_clip_of_no_rows_counts_as_one_zero_row() {
        let sequence = Sequence::padded(rows((2, 2, 1)), &[0, 2]).unwrap();
        let kept: Vec<f32> = sequence.rows().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(kept, [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(sequence.counting(), Some(&[1, 2][..]));
        let sequence = Sequence::padded(rows((2, 1, 1)), &[0, 1]).unwrap();
        assert_eq!(sequence.rows().flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn clips_are_padded_to_the_longest() {
        let clip = |length| Tensor::ones((length, 2), DType::F32, &Device::Cpu).unwrap();
        let sequence = Sequence::batch(&[clip(1), clip(3)]).unwrap();
        assert_eq!(sequence.rows().dims(), [2, 3, 2]);
        assert_eq!(sequence.rows().sum_all().unwrap().to_scalar::<f32>().unwrap(), 8.0);
        assert!(Sequence::batch(&[clip(2), clip(2)]).unwrap().counting().is_none());
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
            Err(Error::Width { feature: "text", got: 7, wanted: 8 })
        ));
        assert!(matches!(
            batch(1, 8).check(&widths),
            Err(Error::Batch { audio: 2, feature: "text", got: 1 })
        ));
    }
}
