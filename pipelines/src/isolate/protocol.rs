//! What is asked and answered, and its bytes in a pipe: the length (4 bytes, little endian), then JSON, `[NUMBER, MESSAGE]`.
//! An answer bears the number of its request, the first, [`Answer::Ready`], 0. Behind an [`Answer::Clip`] follow the bytes
//! that it announces: its samples as 32-bit floats, little endian; a byte a frame, 1 where it has a face; the crops of
//! those frames, red, green and blue of each pixel, row by row.

use std::ffi::OsString;
use std::io::{Error, ErrorKind, Read, Result, Write};

use affekt_core::{Explain, RgbImage, Seconds};
use affekt_faces::CROP_SIZE;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cut::thinning::Thinning;
use crate::cut::{Cost, Cut, Failure, LONGEST, Order, Part, Picture};

/// Bytes that a message may have: more is no message.
const LARGEST: u32 = 1 << 24;
/// Samples and frames that a clip may have: those of the longest, and a second for what is rounded.
const MOST_SAMPLES: usize = (LONGEST.0 as usize + 1) * 16_000;
const MOST_FRAMES: usize = (LONGEST.0 as usize + 1) * (Thinning::MOST + 1);
/// Bytes of a crop.
const CROP: usize = 3 * CROP_SIZE * CROP_SIZE;

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How long is this recording?
    Probe {
        /// The media file; its name need not be text.
        path: OsString,
    },
    /// The clips of a recording, as they come.
    Cut(Order),
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To no request: the worker has started.
    Ready {
        /// The version that it is of.
        version: String,
    },
    /// To [`Request::Probe`].
    Duration {
        /// Seconds, as [`f64::to_bits`], since decimals may lose the last bit; `None` where the headers do not tell.
        bits: Option<u64>,
    },
    /// To [`Request::Cut`]: it goes on; at least once a second while it does.
    Advanced {
        /// Frames that were looked at so far.
        frames: usize,
    },
    /// To [`Request::Cut`], the first but for [`Answer::Advanced`]: the file can be read.
    Opened {
        /// SHA-256 of the media file.
        digest: String,
    },
    /// To [`Request::Cut`]: a clip, whose bytes follow.
    Clip(Head),
    /// To [`Request::Cut`]: a clip that cannot be had.
    Lost(Failure),
    /// To [`Request::Cut`], the last: the pass is over.
    Over {
        /// CPU seconds of decoding, as [`f64::to_bits`].
        decode: u64,
        /// CPU seconds of finding faces, as [`f64::to_bits`].
        faces: u64,
        /// Frames that were looked at.
        frames: usize,
    },
    /// It cannot be done.
    Failed {
        /// Kind of the error.
        kind: affekt_core::ErrorKind,
        /// Its message.
        message: String,
        /// Its remedy.
        hint: Option<String>,
    },
}

/// A clip without its samples and crops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Which span of the order.
    pub index: usize,
    /// First instant that is covered, and first instant after it, as [`f64::to_bits`].
    pub span: (u64, Option<u64>),
    /// Its sound: how many samples follow.
    pub sound: Part<usize>,
    /// Its picture: how many frames follow.
    pub picture: Part<usize>,
    /// What is missing or damaged.
    pub warnings: Vec<String>,
}

/// What follows behind a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bulk {
    /// The samples of a clip.
    pub samples: Vec<f32>,
    /// Its crops.
    pub crops: Vec<Option<RgbImage>>,
}

/// A message, which may announce that more follows.
pub(super) trait Message: DeserializeOwned {
    /// How many samples and frames follow.
    fn announces(&self) -> (usize, usize) {
        (0, 0)
    }
}

impl Message for Request {}

impl Message for Answer {
    fn announces(&self) -> (usize, usize) {
        let count = |part: &Part<usize>| if let Part::There(count) = part { *count } else { 0 };
        match self {
            Self::Clip(head) => (count(&head.sound), count(&head.picture)),
            _ => (0, 0),
        }
    }
}

impl Answer {
    /// That this version has started.
    pub(super) fn ready() -> Self {
        Self::Ready { version: env!("CARGO_PKG_VERSION").into() }
    }

    /// A duration, or why there is none.
    pub fn duration(duration: std::result::Result<Option<Seconds>, impl Explain>) -> Self {
        match duration {
            Ok(duration) => Self::Duration { bits: duration.map(|seconds| seconds.0.to_bits()) },
            Err(error) => Self::failed(&error),
        }
    }

    /// What a pass has cost, or why there was none.
    pub fn cost(cost: std::result::Result<Cost, impl Explain>) -> Self {
        match cost {
            Ok(Cost { decode, faces, frames }) => {
                Self::Over { decode: decode.0.to_bits(), faces: faces.0.to_bits(), frames }
            }
            Err(error) => Self::failed(&error),
        }
    }

    fn failed(error: &impl Explain) -> Self {
        Self::Failed { kind: error.kind(), message: error.to_string(), hint: error.hint() }
    }

    /// A clip in two: the message, and what follows.
    pub fn clip(cut: Cut) -> (Self, Bulk) {
        let (sound, samples) = halves(cut.sound, |wave| wave.samples, Vec::len);
        let (picture, crops) = halves(cut.picture, |picture: Picture| picture.crops, Vec::len);
        let span = (cut.span.start.0.to_bits(), cut.span.end.map(|end| end.0.to_bits()));
        let head = Head { index: cut.index, span, sound, picture, warnings: cut.warnings };
        (Self::Clip(head), Bulk { samples, crops })
    }
}

/// A part, and apart from it what it holds.
fn halves<T, U: Default>(
    part: Part<T>,
    take: impl FnOnce(T) -> U,
    count: impl FnOnce(&U) -> usize,
) -> (Part<usize>, U) {
    match part {
        Part::Unasked => (Part::Unasked, U::default()),
        Part::Absent(reason) => (Part::Absent(reason), U::default()),
        Part::Failed(reason) => (Part::Failed(reason), U::default()),
        Part::There(there) => {
            let bulk = take(there);
            (Part::There(count(&bulk)), bulk)
        }
    }
}

/// One message as bytes, without what follows.
pub(super) fn bytes(number: u64, message: &impl Serialize) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(&(number, message))?;
    let length = u32::try_from(json.len()).ok().filter(|length| *length <= LARGEST);
    let length = length.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "a message too long"))?;
    Ok([&length.to_le_bytes(), json.as_slice()].concat())
}

/// Writes one message, and what follows.
pub(super) fn write(to: &mut impl Write, number: u64, message: &impl Serialize, bulk: &Bulk) -> Result<()> {
    // In large pieces: each is a call of the system, which goes on as soon as the other side has taken it.
    to.write_all(&bytes(number, message)?)?;
    for samples in bulk.samples.chunks(1 << 16) {
        to.write_all(&samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>())?;
    }
    to.write_all(&bulk.crops.iter().map(|crop| u8::from(crop.is_some())).collect::<Vec<_>>())?;
    for crop in bulk.crops.iter().flatten() {
        if crop.data.len() != CROP {
            return Err(Error::new(ErrorKind::InvalidInput, "a crop of another size"));
        }
        to.write_all(&crop.data)?;
    }
    to.flush()
}

/// A message, its number, and what follows it.
pub(super) type Numbered<T> = (u64, T, Bulk);

/// Reads one message and what follows it; `None` at the end.
///
/// # Errors
/// [`ErrorKind::InvalidData`] where the bytes are no message, and those of `from`: [`ErrorKind::UnexpectedEof`] where the
/// end comes inside a message.
pub(super) fn read<T: Message>(from: &mut impl Read) -> Result<Option<Numbered<T>>> {
    let mut head = Vec::new();
    from.take(4).read_to_end(&mut head)?;
    if head.is_empty() {
        return Ok(None);
    }
    let head = head.try_into().map_err(|_| ErrorKind::UnexpectedEof)?;
    let length = u32::from_le_bytes(head);
    if length > LARGEST {
        return Err(Error::new(ErrorKind::InvalidData, format!("a message of {length} bytes")));
    }
    let json = read_bytes(from, length as usize)?;
    let (number, message): (u64, T) =
        serde_json::from_slice(&json).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
    let (samples, frames) = message.announces();
    if samples > MOST_SAMPLES || frames > MOST_FRAMES {
        let reason = format!("a clip of {samples} samples and {frames} frames");
        return Err(Error::new(ErrorKind::InvalidData, reason));
    }
    Ok(Some((number, message, read_bulk(from, samples, frames)?)))
}

fn read_bulk(from: &mut impl Read, samples: usize, frames: usize) -> Result<Bulk> {
    let bytes = read_bytes(from, 4 * samples)?;
    let samples = bytes.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect();
    let seen = read_bytes(from, frames)?;
    let crop = |seen: u8| match seen {
        0 => Ok(None),
        1 => Ok(Some(RgbImage { width: CROP_SIZE, height: CROP_SIZE, data: read_bytes(from, CROP)? })),
        other => Err(Error::new(ErrorKind::InvalidData, format!("a frame that is {other}"))),
    };
    Ok(Bulk { samples, crops: seen.into_iter().map(crop).collect::<Result<_>>()? })
}

/// So many bytes; memory is taken as they come, whatever was announced.
fn read_bytes(from: &mut impl Read, count: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count.min(1 << 16));
    from.take(count as u64).read_to_end(&mut bytes)?;
    if bytes.len() < count { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_core::{SampleRate, Span, Stage, Waveform};
    use std::path::Path;

    fn cut() -> Cut {
        let crop = RgbImage {
            width: CROP_SIZE,
            height: CROP_SIZE,
            data: (0..CROP).map(|byte| byte as u8).collect(),
        };
        let samples = (0..70_000).map(|n| (n as f32).sin()).collect();
        Cut {
            index: 3,
            span: Span { start: Seconds(0.1 + 0.2), end: Some(Seconds(1.0 / 3.0)) },
            sound: Part::There(Waveform { samples, rate: SampleRate::SPEECH }),
            picture: Part::There(Picture { crops: vec![None, Some(crop), None] }),
            warnings: vec!["the sound has 1 gap".into()],
        }
    }

    #[test]
    fn messages_come_back_as_they_went() {
        let failed = Answer::duration(affekt_media::probe(Path::new("absent.mp4")).map(|info| info.duration));
        let seconds = Answer::duration(Ok::<_, affekt_media::Error>(Some(Seconds(0.1 + 0.2))));
        let lost = Failure { index: 1, stage: Stage::Faces, reason: "dark".into() };
        let plain = [
            Answer::ready(),
            seconds,
            Answer::Duration { bits: None },
            failed,
            Answer::Advanced { frames: 9 },
            Answer::Lost(lost),
            Answer::cost(Ok::<_, affekt_media::Error>(Cost { decode: Seconds(0.1), ..Cost::default() })),
        ];
        let absent = Cut { sound: Part::Absent("none".into()), picture: Part::Unasked, ..cut() };
        let mut answers = plain.map(|answer| (answer, Bulk::default())).to_vec();
        answers.extend([Answer::clip(cut()), Answer::clip(absent), Answer::clip(cut())]);
        let mut pipe = Vec::new();
        for (number, (answer, bulk)) in (0..).zip(&answers) {
            write(&mut pipe, number, answer, bulk).unwrap();
        }
        let mut pipe = pipe.as_slice();
        for (number, (answer, bulk)) in (0..).zip(answers) {
            assert_eq!(read(&mut pipe).unwrap(), Some((number, answer, bulk)));
        }
        assert_eq!(read::<Answer>(&mut pipe).unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_comes_back() {
        use std::os::unix::ffi::OsStringExt as _;
        let path = OsString::from_vec(b"caf\xe9\n.mp4".into());
        let order = Order {
            unwanted: std::collections::BTreeSet::new(),
            media: path.clone().into(),
            spans: vec![Span::ALL, Span { start: Seconds(0.1 + 0.2), end: Some(Seconds(1e300)) }],
            sound: true,
            faces: Some(crate::cut::Detector::YuNet {
                weights: path.clone().into(),
                device: "cuda:1".into(),
            }),
            decoder: affekt_media::Decoder::Nvdec { card: 1 },
        };
        for request in [Request::Probe { path }, Request::Cut(order)] {
            let pipe = bytes(7, &request).unwrap();
            assert_eq!(read(&mut pipe.as_slice()).unwrap(), Some((7, request, Bulk::default())));
        }
    }

    #[test]
    fn damaged_messages_are_refused() {
        let (clip, mut bulk) = Answer::clip(cut());
        bulk.samples.truncate(40);
        bulk.crops.fill(None);
        let mut message = Vec::new();
        write(&mut message, 1, &Answer::ready(), &Bulk::default()).unwrap();
        write(&mut message, 1, &clip, &bulk).unwrap();
        affekt_testkit::fuzz::damaged(
            &[message],
            |mut bytes| while let Ok(Some(_)) = read::<Answer>(&mut bytes) {},
        );
        for bytes in [&[255; 40][..], b"\x05\0\0\0hello"] {
            assert_eq!(read::<Answer>(&mut &*bytes).unwrap_err().kind(), ErrorKind::InvalidData);
        }
        assert_eq!(read::<Answer>(&mut &b"\x05\0\0"[..]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn clips_that_no_clip_can_be_are_refused() {
        let head = |sound, picture| {
            let head = Head { index: 0, span: (0, None), sound, picture, warnings: Vec::new() };
            bytes(1, &Answer::Clip(head)).unwrap()
        };
        for bytes in [
            head(Part::There(usize::MAX), Part::Unasked),
            head(Part::There(MOST_SAMPLES + 1), Part::Unasked),
            head(Part::Unasked, Part::There(MOST_FRAMES + 1)),
            [head(Part::Unasked, Part::There(1)), vec![2; CROP]].concat(),
        ] {
            let error = read::<Answer>(&mut bytes.as_slice()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        }
        let short = [head(Part::There(9), Part::Unasked), vec![0; 35]].concat();
        assert_eq!(read::<Answer>(&mut short.as_slice()).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
