//! Films to measure with: a short loop, encoded once, written out at any length.
//!
//! Encoding is ten times as slow as decoding, so a measurement that needs an hour of film encodes some seconds of it and
//! repeats them. The loop is cut only where a group of pictures ends, so that every repetition decodes to the same frames.

mod loops;

use std::path::{Path, PathBuf};

use affekt_core::{ErrorKind, Explain, RgbImage, Seconds};
use ffmpeg_next::codec::{Context as Codec, Flags};
use ffmpeg_next::color::Space;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling::{Context as Scaler, Flags as Scaling};
use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{Dictionary, Packet, Rational, encoder, frame, media};

use crate::ffi;
use loops::{Loop, Stored};

/// Why there is no film.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The linked FFmpeg does not encode it.
    #[error("a film cannot be encoded: {reason}")]
    Encode {
        /// What it says.
        reason: String,
    },
    /// The file with the sound cannot be used.
    #[error("{}: has no sound to copy: {reason}", path.display())]
    Sound {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system or FFmpeg says.
        reason: String,
    },
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Encode { .. } => ErrorKind::Internal,
            Self::Sound { .. } => ErrorKind::NotMedia,
            Self::Write { .. } => ErrorKind::Unwritable,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Encode { .. } => "link an FFmpeg with an encoder for h264 (libx264) or MPEG-4".into(),
            Self::Sound { .. } => "name a media file with a sound track".into(),
            Self::Write { .. } => {
                "make room, or name another folder: TMPDIR is where temporary files go".into()
            }
        })
    }
}

/// How a film is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Pictures a second.
    pub rate: u32,
    /// Bits a second of the picture, about.
    pub bits: usize,
    /// Pictures from one key frame to the next.
    pub group: u32,
}

/// Encoders in the order of preference, and how they are told to be quick. This setting of libx264 still uses all that makes
/// h264 slow to decode: arithmetic coding, frames predicted from both sides, the deblocking filter.
const ENCODERS: [(&str, &[(&str, &str)]); 2] =
    [("libx264", &[("preset", "veryfast"), ("sc_threshold", "0")]), ("mpeg4", &[])];

/// A loop of film in memory.
pub struct Reel {
    codec: &'static str,
    picture: Loop,
    sound: Loop,
}

impl Reel {
    /// Encodes `pictures`, all of one size with even sides, as h264 where the linked FFmpeg can, else as MPEG-4. The sound is
    /// that of the media file `sound`, as it is encoded there, with a round of its own.
    ///
    /// # Errors
    /// [`Error::Encode`], [`Error::Sound`].
    pub fn record(
        pictures: impl IntoIterator<Item = RgbImage>,
        settings: &Settings,
        sound: &Path,
    ) -> Result<Self, Error> {
        ffi::quiet();
        let sound = copied(sound).map_err(|reason| Error::Sound { path: sound.into(), reason })?;
        let (codec, picture) = encoded(pictures, settings).map_err(|reason| Error::Encode { reason })?;
        Ok(Self { codec, picture, sound })
    }

    /// Name of the picture's encoder: `libx264` or `mpeg4`.
    pub fn encoder(&self) -> &'static str {
        self.codec
    }

    /// Writes at least `wanted` of it as MP4, up to the end of a group of pictures: how long it has become.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, path: &Path, wanted: Seconds) -> Result<Seconds, Error> {
        loops::write(path, &self.picture, &self.sound, wanted)
            .map_err(|error| Error::Write { path: path.into(), reason: error.to_string() })
    }
}

/// The encoded sound of a file.
fn copied(path: &Path) -> Result<Loop, String> {
    let mut input = ffi::open(path).map_err(|error| error.to_string())?;
    let index = ffi::best_stream(&input, media::Type::Audio, None).ok_or("it has none")?;
    let stream = input.stream(index).ok_or("it has none")?;
    let (parameters, base) = (stream.parameters().clone(), stream.time_base());
    let mut packets: Vec<Stored> = Vec::new();
    let mut packet = Packet::empty();
    while packet.read(&mut input).is_ok() {
        // One after the other from zero: the first may lie before it, where the decoder is to drop what the encoder added.
        let at = packets.last().map_or(0, Stored::end);
        packets.extend(
            (packet.stream() == index).then(|| Stored::of(&packet)).flatten().map(|stored| stored.at(at)),
        );
    }
    Loop::new(parameters, base, packets).ok_or_else(|| "nothing is to be heard in it".into())
}

fn encoded(
    pictures: impl IntoIterator<Item = RgbImage>,
    settings: &Settings,
) -> Result<(&'static str, Loop), String> {
    let mut pictures = pictures.into_iter().peekable();
    let size = pictures.peek().map(|first| (first.width, first.height)).ok_or("there are no pictures")?;
    let found = ENCODERS.iter().find(|(name, _)| encoder::find_by_name(name).is_some());
    let (name, options) = found.ok_or("the linked FFmpeg has neither libx264 nor mpeg4")?;
    let mut camera = Camera::new(name, options, settings, size).map_err(|error| error.to_string())?;
    for picture in pictures {
        if (picture.width, picture.height) != size {
            return Err(format!(
                "a picture of {} x {} among others of {size:?}",
                picture.width, picture.height
            ));
        }
        camera.shoot(&picture).map_err(|error| error.to_string())?;
    }
    let recorded = camera.finish().map_err(|error| error.to_string())?;
    Ok((name, recorded.ok_or("no picture came back")?))
}

/// An encoder at work.
struct Camera {
    encoder: encoder::video::Encoder,
    scaler: Scaler,
    rgb: frame::Video,
    base: Rational,
    shot: i64,
    packets: Vec<Stored>,
}

impl Camera {
    fn new(
        name: &str,
        options: &[(&str, &str)],
        settings: &Settings,
        (width, height): (usize, usize),
    ) -> Result<Self, ffmpeg_next::Error> {
        let (width, height) = (width as u32, height as u32);
        let codec = encoder::find_by_name(name).ok_or(ffmpeg_next::Error::EncoderNotFound)?;
        let mut encoder = Codec::new_with_codec(codec).encoder().video()?;
        let base = Rational(1, settings.rate.cast_signed());
        encoder.set_width(width);
        encoder.set_height(height);
        encoder.set_format(Pixel::YUV420P);
        encoder.set_colorspace(Space::SMPTE170M);
        encoder.set_time_base(base);
        encoder.set_frame_rate(Some(Rational(settings.rate.cast_signed(), 1)));
        encoder.set_gop(settings.group);
        encoder.set_bit_rate(settings.bits);
        encoder.set_flags(Flags::GLOBAL_HEADER);
        let encoder = encoder.open_with(options.iter().copied().collect::<Dictionary>())?;
        let scaler =
            Scaler::get(Pixel::RGB24, width, height, Pixel::YUV420P, width, height, Scaling::BILINEAR)?;
        let rgb = frame::Video::new(Pixel::RGB24, width, height);
        Ok(Self { encoder, scaler, rgb, base, shot: 0, packets: Vec::new() })
    }

    fn shoot(&mut self, picture: &RgbImage) -> Result<(), ffmpeg_next::Error> {
        let stride = self.rgb.stride(0);
        let rows = self.rgb.data_mut(0).chunks_mut(stride);
        for (to, from) in rows.zip(picture.data.chunks_exact(3 * picture.width)) {
            to[..from.len()].copy_from_slice(from);
        }
        // A new one each time: the encoder keeps those that it is given.
        let mut yuv = frame::Video::empty();
        self.scaler.run(&self.rgb, &mut yuv)?;
        yuv.set_pts(Some(self.shot));
        self.shot += 1;
        self.encoder.send_frame(&yuv)?;
        self.develop()
    }

    /// Takes what is ready.
    fn develop(&mut self) -> Result<(), ffmpeg_next::Error> {
        let mut packet = Packet::empty();
        loop {
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => self.packets.extend(Stored::of(&packet).map(|stored| stored.lasting(1))),
                Err(ffmpeg_next::Error::Eof | ffmpeg_next::Error::Other { errno: EAGAIN }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn finish(mut self) -> Result<Option<Loop>, ffmpeg_next::Error> {
        self.encoder.send_eof()?;
        self.develop()?;
        let parameters = (&*self.encoder).into();
        Ok(Loop::new(parameters, self.base, self.packets))
    }
}
