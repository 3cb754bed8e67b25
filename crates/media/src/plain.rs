//! Plain audio files, read by symphonia: pure Rust, and gapless where the format says how.
//!
//! Only compressed sound in containers without an edit list comes here: symphonia 0.6 does not apply the lists of MP4,
//! so that AAC priming would shift the sound, and panics on some damaged headers of WAVE files. Everything else, and
//! whatever symphonia does not know, is FFmpeg's.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

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
/// A chain of more files than this is damage.
const MOST_LINKS: usize = 10_000;
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
    /// Of a chain of files in one, how many came before this one; a later one's clock says nothing about the whole.
    links: usize,
    /// Whether the file is such a chain, in which no seek finds its way.
    is_chain: bool,
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
        let decoder = decoder(&*format)?;
        let track = format.default_track(TrackType::Audio)?;
        let base = track.time_base?;
        let base = Rational(i32::try_from(base.numer.get()).ok()?, i32::try_from(base.denom.get()).ok()?);
        // A negative start is priming, which the decoder drops.
        let zero = Stamp::new(track.start_ts.get().max(0), base);
        let track = track.id;
        let (planes, packets, damaged, lost) = (Vec::new(), 0, 0, 0.0);
        let (links, is_chain) = (0, is_chain(&source.path).ok()?);
        Some(Self { format, decoder, track, base, zero, planes, packets, damaged, lost, links, is_chain })
    }

    /// Decodes from a little before `start` until `timeline` is complete or the file ends; a warning if it ends in
    /// damage.
    fn read(&mut self, start: f64, timeline: &mut Timeline, outlet: &mut Outlet<'_>) -> Option<Warning> {
        if start > 2.0 * PREROLL && !self.is_chain {
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
                Some(Err(SymphoniaError::ResetRequired)) if guarded(|| self.next_link()) == Some(true) => {}
                // A file that is cut off in mid-packet.
                Some(Err(SymphoniaError::IoError(error))) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return None;
                }
                Some(Err(error)) => return Some(Warning::BrokenContainer { reason: error.to_string() }),
                None => return Some(Warning::BrokenContainer { reason: "it cannot be read further".into() }),
            }
        }
        None
    }

    /// Goes on with the next of several files in one; `false` if there is nothing to be heard in it.
    fn next_link(&mut self) -> bool {
        let (Some(decoder), Some(track)) =
            (decoder(&*self.format), self.format.default_track(TrackType::Audio))
        else {
            return false;
        };
        (self.decoder, self.track) = (decoder, track.id);
        self.links += 1;
        self.links <= MOST_LINKS
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
            timeline.take(&block, (self.links == 0).then_some(at), outlet).is_ok()
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

/// Whether the last page of an Ogg file belongs to another stream than its first.
fn is_chain(path: &Path) -> io::Result<bool> {
    // A page is never longer, so that one begins in as many bytes at the end.
    const LONGEST_PAGE: u64 = 65_307;
    const SERIAL: Range<usize> = 14..18;
    const MARK: &[u8] = b"OggS";
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let (mut first, mut end) = ([0; 18], Vec::new());
    if file.read_exact(&mut first).is_err() || !first.starts_with(MARK) {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_PAGE)))?;
    file.take(LONGEST_PAGE).read_to_end(&mut end)?;
    let last = end.windows(SERIAL.end).rfind(|page| page.starts_with(MARK));
    Ok(last.is_some_and(|page| page[SERIAL] != first[SERIAL]))
}

/// For the track that the file prefers.
fn decoder(format: &dyn FormatReader) -> Option<Box<dyn AudioDecoder>> {
    let parameters = format.default_track(TrackType::Audio)?.codec_params.as_ref()?.audio()?;
    symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default()).ok()
}

fn layout(channels: &Channels) -> Layout {
    let mask = match channels {
        Channels::Positioned(positions) => Some(positions.bits()),
        _ => None,
    };
    let count = u16::try_from(channels.count()).unwrap_or(u16::MAX);
    Layout { channels: count, mask: mask.filter(|mask| mask & !WAVE_POSITIONS == 0) }
}
