//! One pass over a span of a recording.

use std::ops::Range;

use affekt_core::{Seconds, Span};
use ffmpeg_next::Packet;

use crate::audio::{AudioReader, Grid};
use crate::decode::{Summary, Want};
use crate::error::Error;
use crate::ffi;
use crate::outlet::Outlet;
use crate::plain;
use crate::source::{Source, StreamClock, reason};
use crate::timeline::Timeline;
use crate::video::VideoReader;
use crate::warning::{Track, Warning};

/// Spans that start earlier than this are decoded from the beginning: a seek would gain nothing.
const SEEK_FROM: f64 = 2.0;
/// No container interleaves its streams worse than this, in seconds: packets later than that end the pass.
const INTERLEAVING: f64 = 10.0;
/// After so many failed reads the container is given up.
const BROKEN_READS: usize = 100;

/// The wanted streams on their way.
struct Readers {
    audio: Option<AudioReader>,
    video: Option<VideoReader>,
}

impl Readers {
    fn take(&mut self, packet: &Packet, outlet: &mut Outlet<'_>) {
        let index = packet.stream();
        if let Some(video) = self.video.as_mut().filter(|video| video.clock.index == index) {
            video.take(Some(packet), outlet);
        } else if let Some(audio) = self.audio.as_mut().filter(|audio| audio.clock.index == index) {
            audio.take(Some(packet), outlet);
        }
    }

    fn finish(&mut self, outlet: &mut Outlet<'_>) {
        if let Some(video) = &mut self.video {
            video.take(None, outlet);
        }
        if let Some(audio) = &mut self.audio {
            audio.take(None, outlet);
        }
    }

    fn are_complete(&self) -> bool {
        self.audio.as_ref().is_none_or(|audio| audio.timeline.is_complete())
            && self.video.as_ref().is_none_or(VideoReader::is_complete)
    }
}

/// The state of one pass.
pub(crate) struct Pass<'a> {
    source: Source,
    window: Range<f64>,
    want: Want,
    outlet: Outlet<'a>,
    warnings: Vec<Warning>,
    /// Where each stream's decoded content ends.
    ends: Vec<f64>,
    timeline: Option<Timeline>,
    /// Whether the caller broke off.
    stopped: bool,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(source: Source, span: Span, want: Want, outlet: Outlet<'a>) -> Self {
        let window = span.start.0..span.end.map_or(f64::INFINITY, |end| end.0);
        let mut warnings = Vec::new();
        if want.audio && source.audio.is_none() {
            warnings.push(Warning::Missing(Track::Audio));
        }
        if want.video && source.video.is_none() {
            warnings.push(Warning::Missing(Track::Video));
        }
        if let Some((chosen, count)) = source.audio_choice.filter(|_| want.audio) {
            warnings.push(Warning::SeveralSounds { chosen, count });
        }
        let (ends, timeline, stopped) = (Vec::new(), None, false);
        Self { source, window, want, outlet, warnings, ends, timeline, stopped }
    }

    fn new_timeline(&self) -> Timeline {
        Timeline::new(self.window.clone(), self.source.info.duration.map(|duration| duration.0))
    }

    /// A file with nothing but sound, read by symphonia; `false` if that gives nothing.
    pub(crate) fn read_plain(&mut self) -> bool {
        if !self.want.audio {
            return false;
        }
        let mut timeline = self.new_timeline();
        let read = plain::read(&mut self.source, self.window.start, &mut timeline, &mut self.outlet);
        let Some(sound) = read else { return false };
        self.warnings.extend(sound.broken);
        self.keep_sound(timeline, sound.damage);
        true
    }

    /// Any file, read by FFmpeg.
    pub(crate) fn read_container(&mut self) -> Result<(), Error> {
        let mut readers = self.readers()?;
        self.pump(&mut readers);
        if let Some(video) = readers.video {
            self.stopped |= video.is_stopped();
            self.note_stream(Track::Video, video.end(), video.damage());
            self.warnings.extend(video.gaps());
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
    fn pump(&mut self, readers: &mut Readers) {
        let mut failures = 0;
        while failures < BROKEN_READS {
            match self.source.read() {
                Ok(Some(packet)) => {
                    readers.take(&packet, &mut self.outlet);
                    if readers.are_complete() || self.is_far_behind_us(&packet) {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    if failures == 0 {
                        self.warnings.push(Warning::BrokenContainer { reason: reason(error) });
                    }
                    failures += 1;
                }
            }
        }
        readers.finish(&mut self.outlet);
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
        self.stopped |= timeline.is_stopped();
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

    /// Hands out the rest of the sound, and cuts everything to what was really there.
    pub(crate) fn conclude(mut self, span: Span) -> Result<Summary, Error> {
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
        let finished = self.timeline.take().map(|timeline| timeline.finish(end, &mut self.outlet));
        let samples = finished.and_then(|finished| match finished {
            Ok(samples) => Some(samples),
            Err(error) => {
                self.warnings.push(self.undecodable(Track::Audio, error.to_string()));
                None
            }
        });
        let span = Span { start: span.start, end: end.is_finite().then_some(Seconds(end)) };
        let Self { source, outlet, warnings, .. } = self;
        let declared = source.info.duration.filter(|_| source.duration_is_known);
        let (info, packets, frames) = (source.info, source.packets, outlet.frames);
        Ok(Summary { info, declared, span, samples, frames, packets, warnings })
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
