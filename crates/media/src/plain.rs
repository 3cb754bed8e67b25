//! Plain audio files, read by symphonia: pure Rust, and gapless where the format says how.
//!
//! Only compressed sound in containers without an edit list comes here: symphonia 0.6 does not apply the lists of MP4,
//! so that AAC priming would shift the sound, and panics on some damaged headers of WAVE files. Everything else, and
//! whatever symphonia does not know, is FFmpeg's.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use affekt_core::Seconds;
use ffmpeg_next::Rational;
use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::Time;

use crate::ffi::{Block, Layout};
use crate::outlet::Outlet;
use crate::source::Source;
use crate::time::Stamp;
use crate::timeline::Timeline;
use crate::warning::{Track, Warning};

/// FFmpeg's names of the containers that come here.
const CONTAINERS: [&str; 3] = ["flac", "mp3", "ogg"];
/// Headers that claim more channels than any loudspeaker layout has are left to FFmpeg's judgement.
const MAX_CHANNELS: usize = 8;
/// How much sound before the span a decoder needs to be in its normal state, in seconds.
const PREROLL: f64 = 0.5;
/// Loudspeakers that symphonia numbers as WAVE files and FFmpeg do.
const WAVE_POSITIONS: u64 = (1 << 18) - 1;

/// What was strange in a plain audio file.
pub(crate) struct PlainSound {
    /// Where the file itself is broken.
    pub(crate) broken: Option<Warning>,
    /// What could not be decoded.
    pub(crate) damage: Option<Warning>,
}

/// Reads a file with nothing but sound into `timeline`, from `start` seconds on; `None` if it is not for symphonia.
pub(crate) fn read(
    source: &mut Source,
    start: f64,
    timeline: &mut Timeline,
    outlet: &mut Outlet<'_>,
) -> Option<PlainSound> {
    let mut reader = guarded(|| PlainReader::open(source))??;
    let broken = reader.read(start, timeline, outlet);
    source.packets += reader.packets;
    timeline.end()?;
    Some(PlainSound { broken, damage: reader.warning() })
}

/// What symphonia makes of `work`; `None` where damage makes it panic.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// A plain audio file on its way to a [`Timeline`].
struct PlainReader {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    base: Rational,
    zero: Stamp,
    planes: Vec<Vec<f32>>,
    packets: usize,
    damaged: usize,
    lost: f64,
}

impl PlainReader {
    /// Opens the file again with symphonia; `None` if it is not for symphonia.
    fn open(source: &Source) -> Option<Self> {
        let channels = source.info.audio.as_ref()?.channels;
        let plain = source.video.is_none() && CONTAINERS.contains(&source.info.container.as_str());
        if !plain || !(1..=MAX_CHANNELS).contains(&channels) {
            return None;
        }
        let file = File::open(&source.path).ok()?;
        let stream = MediaSourceStream::new(Box::new(file), Default::default());
        let (options, metadata) = (FormatOptions::default(), MetadataOptions::default());
        let mut hint = Hint::new();
        hint.with_extension(&source.info.container);
        let format = symphonia::default::get_probe().probe(&hint, stream, options, metadata).ok()?;
        let track = format.default_track(TrackType::Audio)?;
        let parameters = track.codec_params.as_ref()?.audio()?;
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .ok()?;
        let base = track.time_base?;
        let base = Rational(i32::try_from(base.numer.get()).ok()?, i32::try_from(base.denom.get()).ok()?);
        // A negative start is priming, which the decoder drops.
        let zero = Stamp::new(track.start_ts.get().max(0), base);
        let track = track.id;
        let (planes, packets, damaged, lost) = (Vec::new(), 0, 0, 0.0);
        Some(Self { format, decoder, track, base, zero, planes, packets, damaged, lost })
    }

    /// Decodes from a little before `start` until `timeline` is complete or the file ends; a warning if it ends in
    /// damage.
    fn read(&mut self, start: f64, timeline: &mut Timeline, outlet: &mut Outlet<'_>) -> Option<Warning> {
        if start > 2.0 * PREROLL {
            guarded(|| self.seek(start - PREROLL));
        }
        while !timeline.is_complete() {
            self.packets += 1;
            match guarded(|| self.format.next_packet()) {
                Some(Ok(Some(packet))) if packet.track_id == self.track => {
                    self.take(&packet, timeline, outlet);
                }
                Some(Ok(Some(_))) => {}
                Some(Ok(None)) => return None,
                // A file that is cut off in mid-packet.
                Some(Err(SymphoniaError::IoError(error)))
                    if error.kind() == std::io::ErrorKind::UnexpectedEof =>
                {
                    return None;
                }
                Some(Err(error)) => return Some(Warning::BrokenContainer { reason: error.to_string() }),
                None => return Some(Warning::BrokenContainer { reason: "it cannot be read further".into() }),
            }
        }
        None
    }

    /// A refused seek leaves the file at its beginning, which is right too, only slower.
    fn seek(&mut self, time: f64) {
        let zero = self.zero.seconds_since(Stamp::ZERO);
        if let Some(time) = Time::try_from_secs_f64(zero + time) {
            let to = SeekTo::Time { time, track_id: Some(self.track) };
            if self.format.seek(SeekMode::Accurate, to).is_ok() {
                self.decoder.reset();
            }
        }
    }

    fn take(&mut self, packet: &Packet, timeline: &mut Timeline, outlet: &mut Outlet<'_>) {
        let placed = self.decode(packet).is_some_and(|(rate, layout)| {
            let start = packet.pts.get().saturating_add(packet.trim_start.get() as i64);
            let at = Stamp::new(start, self.base).samples_since(self.zero, rate);
            let block = Block::Planes { planes: &self.planes, rate, layout };
            timeline.take(&block, Some(at), outlet).is_ok()
        });
        if !placed {
            self.damaged += 1;
            let ticks = i64::try_from(packet.dur.get()).unwrap_or(0);
            self.lost += Stamp::new(ticks, self.base).seconds_since(Stamp::ZERO);
        }
    }

    /// Fills the planes with the samples of `packet`, and tells their rate and channels; `None` for damage.
    fn decode(&mut self, packet: &Packet) -> Option<(u32, Layout)> {
        let (decoder, planes) = (&mut self.decoder, &mut self.planes);
        guarded(|| {
            let decoded = decoder.decode(packet).ok()?;
            decoded.copy_to_vecs_planar(planes);
            Some((decoded.spec().rate(), layout(decoded.spec().channels())))
        })?
    }

    /// What was strange.
    fn warning(&self) -> Option<Warning> {
        let (track, count, lasting) = (Track::Audio, self.damaged, Seconds(self.lost));
        (count > 0).then_some(Warning::Damaged { track, count, lasting })
    }
}

fn layout(channels: &Channels) -> Layout {
    let mask = match channels {
        Channels::Positioned(positions) => Some(positions.bits()),
        _ => None,
    };
    let count = u16::try_from(channels.count()).unwrap_or(u16::MAX);
    Layout { channels: count, mask: mask.filter(|mask| mask & !WAVE_POSITIONS == 0) }
}
