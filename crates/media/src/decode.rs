//! One pass over a span of a recording.

use std::ops::{ControlFlow, Range};
use std::path::Path;

use affekt_core::{Frame, RgbImage, Seconds, Span, Waveform};
use ffmpeg_next::Packet;

use crate::audio::{AudioReader, Grid};
use crate::error::Error;
use crate::ffi;
use crate::info::MediaInfo;
use crate::plain;
use crate::source::{Source, StreamClock};
use crate::timeline::Timeline;
use crate::video::VideoReader;
use crate::warning::{Track, Warning};

/// Spans that start earlier than this are decoded from the beginning: a seek would gain nothing.
const SEEK_FROM: f64 = 2.0;
/// No container interleaves its streams worse than this, in seconds: packets later than that end the pass.
const INTERLEAVING: f64 = 10.0;
/// After so many failed reads the container is given up.
const BROKEN_READS: usize = 100;

/// Which streams to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The sound.
    pub audio: bool,
    /// The picture.
    pub video: bool,
}

impl Want {
    /// Both.
    pub const ALL: Self = Self { audio: true, video: true };
    /// The sound only; the picture is not even demuxed.
    pub const AUDIO: Self = Self { audio: true, video: false };
    /// The picture only.
    pub const VIDEO: Self = Self { audio: false, video: true };
}

/// What a span held, beside the frames that went to the caller.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Facts from the headers.
    pub info: MediaInfo,
    /// The span that was really covered: its end lies inside the recording.
    pub span: Span,
    /// The sound: mono, 16 kHz, exactly `span` long, silent where nothing sounds; `None` where it was not wanted, does
    /// not exist or cannot be decoded.
    pub waveform: Option<Waveform>,
    /// Frames handed out.
    pub frames: usize,
    /// What is missing or damaged.
    pub warnings: Vec<Warning>,
}

/// Decodes what `want` names of the `span` of the media file at `path`.
///
/// Frames go to `on_frame` in the order of presentation, each as soon as it is decoded and none kept: memory does not
/// grow with their number. `ControlFlow::Break` asks for no more frames; the sound is still read to the end of the span.
/// A frame belongs to the span if its timestamp does. A span that ends after the recording is clipped.
///
/// # Errors
/// See [`Error`]. Damage and missing streams are [`Warning`]s as long as anything could be decoded.
pub fn decode(
    path: impl AsRef<Path>,
    span: Span,
    want: Want,
    on_frame: impl FnMut(Frame) -> ControlFlow<()>,
) -> Result<Decoded, Error> {
    let source = Source::open(path.as_ref())?;
    if let Some(duration) =
        source.info.duration.filter(|duration| source.duration_is_known && span.start >= *duration)
    {
        return Err(Error::BadSpan { path: source.path, start: span.start, duration });
    }
    let mut pass = Pass::new(source, span, want);
    if !pass.read_plain() {
        pass.read_container(on_frame)?;
    }
    pass.conclude(span)
}

/// Takes the time and the picture of a frame.
type Show<'a> = dyn FnMut(f64, RgbImage) -> ControlFlow<()> + 'a;

/// The wanted streams on their way.
struct Readers {
    audio: Option<AudioReader>,
    video: Option<VideoReader>,
}

impl Readers {
    fn take(&mut self, packet: &Packet, show: &mut Show<'_>) {
        let index = packet.stream();
        if let Some(video) = self.video.as_mut().filter(|video| video.clock.index == index) {
            video.take(Some(packet), show);
        } else if let Some(audio) = self.audio.as_mut().filter(|audio| audio.clock.index == index) {
            audio.take(Some(packet));
        }
    }

    fn finish(&mut self, show: &mut Show<'_>) {
        if let Some(video) = &mut self.video {
            video.take(None, show);
        }
        if let Some(audio) = &mut self.audio {
            audio.take(None);
        }
    }

    fn are_complete(&self) -> bool {
        self.audio.as_ref().is_none_or(|audio| audio.timeline.is_complete())
            && self.video.as_ref().is_none_or(VideoReader::is_complete)
    }
}

/// The state of one pass.
struct Pass {
    source: Source,
    window: Range<f64>,
    want: Want,
    warnings: Vec<Warning>,
    /// Where each stream's decoded content ends.
    ends: Vec<f64>,
    timeline: Option<Timeline>,
    frames: usize,
    stopped: bool,
}

impl Pass {
    fn new(source: Source, span: Span, want: Want) -> Self {
        let window = span.start.0..span.end.map_or(f64::INFINITY, |end| end.0);
        let mut warnings = Vec::new();
        if want.audio && source.audio.is_none() {
            warnings.push(Warning::Missing(Track::Audio));
        }
        if want.video && source.video.is_none() {
            warnings.push(Warning::Missing(Track::Video));
        }
        Self { source, window, want, warnings, ends: Vec::new(), timeline: None, frames: 0, stopped: false }
    }

    fn new_timeline(&self) -> Timeline {
        Timeline::new(self.window.clone(), self.source.info.duration.map(|duration| duration.0))
    }

    /// A file with nothing but sound, read by symphonia; `false` if that gives nothing.
    fn read_plain(&mut self) -> bool {
        let timeline = self.new_timeline();
        let sound = self.want.audio.then(|| plain::read(&self.source, self.window.start, timeline)).flatten();
        let Some(sound) = sound else { return false };
        self.warnings.extend(sound.broken);
        self.keep_sound(sound.timeline, sound.damage);
        true
    }

    /// Any file, read by FFmpeg.
    fn read_container(&mut self, mut on_frame: impl FnMut(Frame) -> ControlFlow<()>) -> Result<(), Error> {
        let mut readers = self.readers()?;
        let mut frames = 0;
        self.pump(&mut readers, &mut |time, image| {
            let frame = Frame { index: frames, time: Seconds(time), image };
            frames += 1;
            on_frame(frame)
        });
        self.frames = frames;
        if let Some(video) = readers.video {
            self.stopped = video.is_stopped();
            self.note_stream(Track::Video, video.end(), video.warning());
        }
        if let Some(audio) = readers.audio {
            let damage = audio.warning();
            self.keep_sound(audio.timeline, damage);
        }
        Ok(())
    }

    /// Readers of the wanted streams, with the container near the start of the span.
    fn readers(&mut self) -> Result<Readers, Error> {
        let audio = self.source.audio.filter(|_| self.want.audio);
        let video = self.source.video.filter(|_| self.want.video);
        let grid = self.seek(audio, video)?;
        let indices: Vec<usize> = [audio, video].iter().flatten().map(|clock| clock.index).collect();
        ffi::discard_all_but(&mut self.source.input, &indices);
        let timeline = self.new_timeline();
        let audio = audio.map(|clock| AudioReader::new(&self.source, clock, grid, timeline));
        let video = video.map(|clock| VideoReader::new(&self.source, clock, self.window.clone()));
        let audio = self.unless_undecodable(Track::Audio, audio);
        let video = self.unless_undecodable(Track::Video, video);
        Ok(Readers { audio, video })
    }

    /// Goes near the start of the span where that saves work.
    fn seek(
        &mut self,
        audio: Option<StreamClock>,
        video: Option<StreamClock>,
    ) -> Result<Option<Grid>, Error> {
        if self.window.start < SEEK_FROM || !ffi::can_seek(&self.source.input) {
            return Ok(None);
        }
        let grid = audio.and_then(|clock| Grid::find(&mut self.source, clock));
        self.source.go_to(self.window.start, audio, video)?;
        Ok(grid)
    }

    /// Reads packets until the span is complete.
    fn pump(&mut self, readers: &mut Readers, show: &mut Show<'_>) {
        let mut failures = 0;
        while failures < BROKEN_READS {
            match self.source.read() {
                Ok(Some(packet)) => {
                    readers.take(&packet, show);
                    if readers.are_complete() || self.is_far_behind_us(&packet) {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    if failures == 0 {
                        self.warnings.push(Warning::BrokenContainer { reason: error.to_string() });
                    }
                    failures += 1;
                }
            }
        }
        readers.finish(show);
    }

    /// Whether `packet` lies so far after the span that nothing of the span can follow.
    fn is_far_behind_us(&self, packet: &Packet) -> bool {
        let clocks = [self.source.audio, self.source.video];
        let clock = clocks.iter().flatten().find(|clock| clock.index == packet.stream());
        let time =
            clock.zip(packet.dts()).map(|(clock, ticks)| clock.at(ticks).seconds_since(self.source.zero));
        time.is_some_and(|time| time > self.window.end + INTERLEAVING)
    }

    fn unless_undecodable<T>(
        &mut self,
        track: Track,
        reader: Option<Result<T, ffmpeg_next::Error>>,
    ) -> Option<T> {
        match reader? {
            Ok(reader) => Some(reader),
            Err(error) => {
                self.warnings.push(self.undecodable(track, error.to_string()));
                None
            }
        }
    }

    /// Notes where a stream's content ends and what is wrong with it; `false` if nothing of it could be decoded.
    fn note_stream(&mut self, track: Track, end: Option<f64>, damage: Option<Warning>) -> bool {
        self.ends.extend(end);
        match damage {
            Some(damage) if end.is_none() => {
                self.warnings.push(self.undecodable(track, damage.to_string()));
                false
            }
            damage => {
                self.warnings.extend(damage);
                true
            }
        }
    }

    fn keep_sound(&mut self, timeline: Timeline, damage: Option<Warning>) {
        if self.note_stream(Track::Audio, timeline.end(), damage) {
            self.warnings.extend(timeline.warning());
            self.timeline = Some(timeline);
        }
    }

    fn undecodable(&self, track: Track, reason: String) -> Warning {
        let info = &self.source.info;
        let codec = match track {
            Track::Audio => info.audio.as_ref().map(|audio| audio.codec.clone()),
            Track::Video => info.video.as_ref().map(|video| video.codec.clone()),
        };
        Warning::Undecodable { track, codec: codec.unwrap_or_default(), reason }
    }

    /// Cuts everything to what was really there.
    fn conclude(mut self, span: Span) -> Result<Decoded, Error> {
        let found = match self.ends.iter().copied().reduce(f64::max) {
            Some(found) => found,
            None if self.wants_nothing() => {
                self.source.info.duration.map_or(self.window.end, |duration| duration.0)
            }
            None => return Err(self.nothing_decoded(span)),
        };
        if found <= self.window.start {
            return Err(Error::BadSpan {
                path: self.source.path,
                start: span.start,
                duration: Seconds(found),
            });
        }
        self.warn_if_cut_short(found);
        let end = self.window.end.min(found);
        let waveform = match self.timeline.take().map(|timeline| timeline.finish(end)) {
            Some(Ok(waveform)) => Some(waveform),
            Some(Err(error)) => {
                self.warnings.push(self.undecodable(Track::Audio, error.to_string()));
                None
            }
            None => None,
        };
        let span = Span { start: span.start, end: end.is_finite().then_some(Seconds(end)) };
        Ok(Decoded { info: self.source.info, span, waveform, frames: self.frames, warnings: self.warnings })
    }

    /// Whether no stream that exists was asked for.
    fn wants_nothing(&self) -> bool {
        !(self.want.audio && self.source.audio.is_some() || self.want.video && self.source.video.is_some())
    }

    fn nothing_decoded(self, span: Span) -> Error {
        let Self { source, warnings, .. } = self;
        let is_failure = |warning: &&Warning| {
            matches!(warning, Warning::Undecodable { .. } | Warning::BrokenContainer { .. })
        };
        let reasons: Vec<String> = warnings.iter().filter(is_failure).map(ToString::to_string).collect();
        if reasons.is_empty() && span.start > Seconds::ZERO {
            let duration = source.info.duration.unwrap_or_default();
            return Error::BadSpan { path: source.path, start: span.start, duration };
        }
        let reason = if reasons.is_empty() { "its streams hold no data".into() } else { reasons.join("; ") };
        Error::Decode { path: source.path, reason }
    }

    fn warn_if_cut_short(&mut self, found: f64) {
        let all_read = (self.want.audio || self.source.audio.is_none())
            && (self.want.video || self.source.video.is_none())
            && !self.stopped
            && found < self.window.end;
        let Some(declared) = self.source.info.duration.filter(|_| self.source.duration_is_known && all_read)
        else {
            return;
        };
        // Headers round, and players forgive a second or so.
        if found + (0.02 * declared.0).max(1.0) < declared.0 {
            self.warnings.push(Warning::CutShort { declared, found: Seconds(found) });
        }
    }
}
