//! Facts about a recording.

use affekt_core::{SampleRate, Seconds};

/// What a media file holds, read from its headers.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaInfo {
    /// FFmpeg's name of the container format, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub container: String,
    /// How long the recording is from the start of its earliest stream, where the header tells.
    pub duration: Option<Seconds>,
    /// The chosen audio stream.
    pub audio: Option<AudioInfo>,
    /// The chosen video stream; cover art is none.
    pub video: Option<VideoInfo>,
}

/// An audio stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioInfo {
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Stored samples a second.
    pub rate: SampleRate,
    /// Stored channels.
    pub channels: usize,
}

/// A video stream.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoInfo {
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Pixels a row as displayed: upright, with square pixels, and reduced where a frame would have more than 4096 x
    /// 2304 pixels.
    pub width: usize,
    /// Rows as displayed.
    pub height: usize,
    /// Average frames a second, where the header tells.
    pub fps: Option<f64>,
}

/// The linked FFmpeg: `libavformat 59.27.100`.
pub fn ffmpeg_version() -> String {
    let version = ffmpeg_next::format::version();
    format!("libavformat {}.{}.{}", version >> 16, version >> 8 & 0xff, version & 0xff)
}
