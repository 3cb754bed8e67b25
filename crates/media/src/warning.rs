//! What is worth knowing about a recording that could be decoded nevertheless.

use std::fmt;

use affekt_core::Seconds;

/// One of the two streams that are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// The sound.
    Audio,
    /// The picture.
    Video,
}

/// Something that is missing or damaged.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// The file has no such stream, though it was asked for.
    Missing(Track),
    /// There is such a stream, but nothing of it can be decoded.
    Undecodable {
        /// Which.
        track: Track,
        /// Name of its codec.
        codec: String,
        /// What failed.
        reason: String,
    },
    /// A card was to decode the picture, and the processor has: the card does not take it, or could not be used.
    NotOnCard {
        /// Name of its codec.
        codec: String,
    },
    /// Parts are damaged: what could not be decoded was left out, or patched up by the decoder; samples that are no
    /// numbers are silent.
    Damaged {
        /// Which.
        track: Track,
        /// Damaged packets or frames, or stretches of samples.
        count: usize,
        /// How much they last, about.
        lasting: Seconds,
    },
    /// The timestamps jump: there is silence instead of sound, or no new frame for more than a second.
    Gaps {
        /// Which.
        track: Track,
        /// How many.
        count: usize,
        /// How much they last.
        lasting: Seconds,
    },
    /// There are several audio streams; one is heard.
    SeveralSounds {
        /// Which: 1 is the first.
        chosen: usize,
        /// How many there are.
        count: usize,
    },
    /// The container itself is damaged: the reading stopped or skipped bytes there.
    BrokenContainer {
        /// What FFmpeg says.
        reason: String,
    },
    /// The recording ends before its header says.
    CutShort {
        /// Duration by the header.
        declared: Seconds,
        /// Where the last frame or sample ends.
        found: Seconds,
    },
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "sound",
            Self::Video => "picture",
        })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(Track::Audio) => f.write_str("there is no audio stream"),
            Self::Missing(Track::Video) => f.write_str("there is no video stream"),
            Self::Undecodable { track, codec, reason } => {
                write!(f, "the {track} ({codec}) cannot be decoded: {reason}")
            }
            Self::NotOnCard { codec } => {
                write!(f, "the picture ({codec}) was not decoded by NVDEC, but by the processor")
            }
            Self::Damaged { track, count, lasting } => {
                let places = counted(*count, "place");
                write!(f, "the {track} is damaged in {places}, about {lasting} in all")
            }
            Self::Gaps { track: Track::Audio, count, lasting } => {
                let gaps = counted(*count, "gap");
                write!(f, "the sound has {gaps}, {lasting} in all, filled with silence")
            }
            Self::Gaps { track: Track::Video, count, lasting } => {
                let places = counted(*count, "place");
                write!(f, "the picture stands still in {places}, {lasting} in all: no frames are there")
            }
            Self::SeveralSounds { chosen, count } => {
                write!(f, "there are {count} audio streams: number {chosen} is heard, which the file prefers")
            }
            Self::BrokenContainer { reason } => write!(f, "the container is damaged: {reason}"),
            Self::CutShort { declared, found } => {
                write!(f, "the file ends at {found}, though its header says {declared}")
            }
        }
    }
}

/// `1 gap`, `2 gaps`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
