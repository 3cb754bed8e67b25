//! From a media file to a waveform and RGB frames of any span, by timestamp.
//!
//! [`probe()`] reads the headers; [`stream()`] goes over a [`affekt_core::Span`] once and hands out upright RGB frames
//! with square pixels, and the sound as mono samples at 16 kHz, as they come; [`decode()`] does the same and returns the
//! sound in one piece. Spans are exact to the frame and to the
//! sample, never by keyframe. Time zero is where the earliest of the two streams starts; picture and sound keep the
//! distance that their timestamps give them. Nothing is printed: FFmpeg's own log is switched off for the process.
//!
//! | module | holds |
//! |---|---|
//! | [`info`] | [`MediaInfo`], [`AudioInfo`], [`VideoInfo`] |
//! | [`probe()`](probe::probe) | headers to [`MediaInfo`] |
//! | [`decode()`](decode::decode) | [`stream()`] and its [`Summary`]; [`decode()`] and [`Decoded`] |
//! | [`decoder`] | [`Decoder`]: the processor, or NVDEC |
//! | [`spans`] | [`stream_spans()`] and its [`Step`]: all clips of a recording in one pass |
//! | [`outlet`] | [`Piece`]: a frame or a stretch of sound on its way to the caller |
//! | `pass`, `lane` | one pass for all spans: which reader, when a span is complete, what was strange |
//! | `source` | an opened container: checks, stream choice, time zero, seeking |
//! | `video`, `picture`, `interlace` | packets to frames in time; decoded pictures to upright RGB without combs |
//! | [`yuv`] | planes of Y, U and V to RGB: the common case without FFmpeg |
//! | `audio`, `plain` | packets to blocks of samples in time: by FFmpeg; by symphonia for plain audio files |
//! | `timeline` | blocks of samples to one mono signal at 16 kHz |
//! | [`mod@write`] | [`write::Reel`]: films to measure with, encoded once and written at any length |
//! | `time` | exact arithmetic on timestamps |
//! | `ffi` | the few calls into FFmpeg that its wrapper lacks; all unsafe code |
//! | [`warning`] | [`Warning`]: what is missing or damaged |
//! | [`error`] | [`Error`], with kind and remedy |

mod audio;
pub mod decode;
pub mod decoder;
pub mod error;
mod ffi;
pub mod info;
mod interlace;
mod lane;
pub mod outlet;
mod pass;
mod picture;
mod plain;
pub mod probe;
mod source;
pub mod spans;
mod time;
mod timeline;
mod video;
pub mod warning;
pub mod write;
pub mod yuv;

pub use decode::{Decoded, Summary, Want, decode, stream};
pub use decoder::{Decoder, has_nvdec};
pub use error::Error;
pub use info::{AudioInfo, MediaInfo, VideoInfo, ffmpeg_version};
pub use outlet::Piece;
pub use probe::probe;
pub use spans::{Step, stream_spans};
pub use warning::{Track, Warning};
