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
use crate::lane::Lane;
use crate::outlet::Outlet;
use crate::source::Source;
use crate::time::Stamp;
use crate::warning::Warning;

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

/// What symphonia makes of `work`; `None` where damage makes it panic.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// What became of a packet.
pub(crate) enum Stepped {
    /// There may be more.
    On,
    /// The file is over.
    End,
    /// The file is broken here.
    Broken(Warning),
}

/// A plain audio file on its way to the timelines of all spans.
pub(crate) struct PlainReader {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    base: Rational,
    zero: Stamp,
    planes: Vec<Vec<f32>>,
    end: Option<f64>,
    /// Of a chain of files in one, how many came before this one; a later one's clock says nothing about the whole.
    links: usize,
    /// Whether the file is such a chain, in which no seek finds its way.
    is_chain: bool,
}

impl PlainReader {
    /// Opens the file again with symphonia; `None` if it is not for symphonia.
    pub(crate) fn open(source: &Source) -> Option<Self> {
        guarded(|| Self::begin(source))?
    }

    fn begin(source: &Source) -> Option<Self> {
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
        let (planes, end) = (Vec::new(), None);
        let (links, is_chain) = (0, is_chain(&source.path).ok()?);
        Some(Self { format, decoder, track, base, zero, planes, end, links, is_chain })
    }

    /// Whether any place in it can be gone to.
    pub(crate) fn can_seek(&self) -> bool {
        !self.is_chain
    }

    /// Goes to a little before `start`, where that saves work.
    pub(crate) fn go_to(&mut self, start: f64) {
        if start > 2.0 * PREROLL && self.can_seek() {
            guarded(|| self.seek(start - PREROLL));
        }
    }

    /// Decodes the next packet for all `lanes`.
    pub(crate) fn step(&mut self, lanes: &mut [Lane], outlet: &mut Outlet<'_>) -> Stepped {
        match guarded(|| self.format.next_packet()) {
            Some(Ok(Some(packet))) if packet.track_id == self.track => {
                self.take(&packet, lanes, outlet);
                Stepped::On
            }
            Some(Ok(Some(_))) => Stepped::On,
            Some(Ok(None)) => Stepped::End,
            Some(Err(SymphoniaError::ResetRequired)) if guarded(|| self.next_link()) == Some(true) => {
                Stepped::On
            }
            // A file that is cut off in mid-packet.
            Some(Err(SymphoniaError::IoError(error))) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Stepped::End
            }
            Some(Err(error)) => Stepped::Broken(Warning::BrokenContainer { reason: error.to_string() }),
            None => Stepped::Broken(Warning::BrokenContainer { reason: "it cannot be read further".into() }),
        }
    }

    /// Where the last block ends; `None` before the first.
    pub(crate) fn end(&self) -> Option<f64> {
        self.end
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

    fn take(&mut self, packet: &Packet, lanes: &mut [Lane], outlet: &mut Outlet<'_>) {
        let start = packet.pts.get().saturating_add(packet.trim_start.get() as i64);
        let time = Stamp::new(start, self.base).seconds_since(self.zero);
        let time = (self.links == 0).then_some(time);
        let ticks = i64::try_from(packet.dur.get()).unwrap_or(0);
        let lasting = Stamp::new(ticks, self.base).seconds_since(Stamp::ZERO);
        let decoded = self.decode(packet);
        let block = decoded.map(|(rate, layout)| Block::Planes { planes: &self.planes, rate, layout });
        let rate = decoded.map_or(1, |(rate, _)| rate);
        let at = time.map(|_| Stamp::new(start, self.base).samples_since(self.zero, rate));
        let end = block
            .as_ref()
            .and_then(|block| at.map(|at| (at + block.samples() as i64) as f64 / f64::from(rate.max(1))));
        let mut failed = false;
        for hearing in lanes.iter_mut().filter_map(|lane| lane.sound.as_mut()) {
            let placed = block
                .as_ref()
                .is_some_and(|block| !hearing.wants(end) || hearing.timeline.take(block, at, outlet).is_ok());
            failed |= !placed;
            if !placed {
                hearing.note_damage(time, lasting);
            }
        }
        if !failed {
            self.end = end.filter(|end| self.end.is_none_or(|last| *end > last)).or(self.end);
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
