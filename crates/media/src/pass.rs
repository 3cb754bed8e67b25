//! One pass over a recording, for all of its spans.

use affekt_core::{Seconds, Span};
use ffmpeg_next::Packet;

use crate::audio::{AudioReader, Grid};
use crate::decode::{Summary, Want};
use crate::decoder;
use crate::error::Error;
use crate::ffi::{self, hardware};
use crate::lane::{Lane, SEEK_FROM};
use crate::outlet::Outlet;
use crate::plain::{PlainReader, Stepped};
use crate::source::{Source, StreamClock, reason};
use crate::spans::Step;
use crate::video::VideoReader;
use crate::warning::{Track, Warning};

/// No container interleaves its streams worse than this, in seconds: packets later than that end a span.
const INTERLEAVING: f64 = 10.0;
/// Stretches without spans that are longer than this, in seconds, are skipped: most films have a key frame in it.
const SKIP_FROM: f64 = 10.0;
/// After so many failed reads the container is given up.
const BROKEN_READS: usize = 100;

/// The wanted streams on their way.
struct Readers {
    audio: Option<AudioReader>,
    video: Option<VideoReader>,
}

impl Readers {
    fn take(&mut self, packet: &Packet, lanes: &mut [Lane], outlet: &mut Outlet<'_>) {
        let index = packet.stream();
        if let Some(video) = self.video.as_mut().filter(|video| video.clock.index == index) {
            video.take(Some(packet), lanes, outlet);
        } else if let Some(audio) = self.audio.as_mut().filter(|audio| audio.clock.index == index) {
            audio.take(Some(packet), lanes, outlet);
        }
    }

    fn finish(&mut self, lanes: &mut [Lane], outlet: &mut Outlet<'_>) {
        if let Some(video) = &mut self.video {
            video.take(None, lanes, outlet);
        }
        if let Some(audio) = &mut self.audio {
            audio.take(None, lanes, outlet);
        }
    }

    /// What is known at this point beside what the spans know themselves.
    fn known(&self) -> Known {
        Known {
            sound_end: self.audio.as_ref().and_then(AudioReader::end),
            frame_step: self.video.as_ref().map_or(0.0, VideoReader::step),
            not_on_card: self.video.as_ref().is_some_and(VideoReader::is_not_on_card),
        }
    }
}

/// What a pass knows of its streams.
#[derive(Clone, Copy)]
struct Known {
    /// Where the sound ends that has been heard so far.
    sound_end: Option<f64>,
    /// Nominal time from frame to frame.
    frame_step: f64,
    /// Whether a card was to decode the picture, and the processor has.
    not_on_card: bool,
}

/// The state of one pass.
pub(crate) struct Pass<'a> {
    source: Source,
    want: Want,
    threads: usize,
    outlet: Outlet<'a>,
    /// Streams for which there is no decoder.
    undecodable: Vec<(Track, Warning)>,
    /// Where the container is damaged.
    broken: Option<Warning>,
    /// The latest time of any packet.
    reached: f64,
    /// Whether the caller asked for an end.
    ended: bool,
    /// Of a pass for one span: its result, both streams together.
    together: Option<Option<Result<Summary, Error>>>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(source: Source, want: Want, threads: usize, outlet: Outlet<'a>) -> Self {
        Self {
            source,
            want,
            threads,
            outlet,
            undecodable: Vec::new(),
            broken: None,
            reached: 0.0,
            ended: false,
            together: None,
        }
    }

    /// Goes over one span, and takes both streams together: the sound is as long as the picture.
    pub(crate) fn run_one(mut self, span: Span) -> Result<Summary, Error> {
        self.together = Some(None);
        self.pass(vec![Lane::new(0, span)]);
        self.together.flatten().expect("every span is concluded, and the pass of one cannot be ended")
    }

    /// Goes over all spans.
    pub(crate) fn run(mut self, lanes: Vec<Lane>) {
        self.pass(lanes);
    }

    fn pass(&mut self, mut lanes: Vec<Lane>) {
        lanes.sort_by(|a, b| a.window.start.total_cmp(&b.window.start));
        let end = self.source.info.duration.filter(|_| self.source.duration_is_known);
        let begun = lanes.partition_point(|lane| end.is_none_or(|end| lane.span.start < end));
        for lane in &lanes.split_off(begun) {
            self.refuse(lane, &|path, start| Error::BadSpan {
                path,
                start,
                duration: end.unwrap_or_default(),
            });
        }
        if let Some(lanes) = self.read_plain(lanes) {
            self.read_container(lanes);
        }
    }

    /// A file with nothing but sound, read by symphonia; gives the spans back if that gives nothing.
    fn read_plain(&mut self, mut lanes: Vec<Lane>) -> Option<Vec<Lane>> {
        let Some(first) = lanes.first().filter(|_| self.want.audio) else { return Some(lanes) };
        let Some(mut reader) = PlainReader::open(&self.source) else { return Some(lanes) };
        reader.go_to(first.window.start);
        for lane in &mut lanes {
            lane.listen(&self.source.info, reader.can_seek());
        }
        let known =
            |reader: &PlainReader| Known { sound_end: reader.end(), frame_step: 0.0, not_on_card: false };
        while !lanes.is_empty() && !self.ended {
            self.source.packets += 1;
            match reader.step(&mut lanes, &mut self.outlet) {
                Stepped::On => self.settle(&mut lanes, &|lane| lane.is_complete(), known(&reader)),
                Stepped::End => break,
                Stepped::Broken(warning) => {
                    self.broken = Some(warning);
                    break;
                }
            }
        }
        let is_heard = |lane: &Lane| lane.sound.as_ref().is_some_and(|sound| sound.timeline.end().is_some());
        if reader.end().is_none() && !lanes.is_empty() && !lanes.iter().any(is_heard) {
            self.broken = None;
            lanes.iter_mut().for_each(|lane| lane.sound = None);
            return Some(lanes);
        }
        self.settle(&mut lanes, &|_| true, known(&reader));
        None
    }

    /// Any file, read by FFmpeg: the spans in groups with nothing between them that is worth skipping.
    fn read_container(&mut self, mut lanes: Vec<Lane>) {
        let seeks = ffi::can_seek(&self.source.input);
        let mut grid = Ok(None);
        if seeks && lanes.last().is_some_and(|lane| lane.window.start >= SEEK_FROM) {
            grid = self.find_grid(lanes[0].window.start);
        }
        while !lanes.is_empty() && !self.ended {
            let later = lanes.split_off(if seeks { first_group(&lanes) } else { lanes.len() });
            let mut group = std::mem::replace(&mut lanes, later);
            let start = group[0].window.start;
            let arrived = grid.clone().and_then(|grid| {
                let landed = if seeks && start >= SEEK_FROM { self.go_to(start)? } else { None };
                Ok((grid, landed))
            });
            match arrived {
                Ok((grid, landed)) => {
                    // A film with so few key frames is not gone over again and again.
                    if landed.is_some_and(|landed| landed < self.reached) {
                        group.append(&mut lanes);
                    }
                    self.read_group(group, grid, seeks);
                }
                Err(reason) => group.iter().for_each(|lane| {
                    self.refuse(lane, &|path, _| Error::Decode { path, reason: reason.clone() });
                }),
            }
        }
    }

    /// The grid of the sound's blocks; the source is at its beginning afterwards where the first span is near it.
    fn find_grid(&mut self, start: f64) -> Result<Option<Grid>, String> {
        let before = self.source.packets;
        let clock = self.source.audio.filter(|_| self.want.audio);
        let grid = clock.and_then(|clock| Grid::find(&mut self.source, clock));
        if self.source.packets > before && start < SEEK_FROM {
            self.source.rewind().map_err(|error| error.to_string())?;
        }
        Ok(grid)
    }

    fn go_to(&mut self, start: f64) -> Result<Option<f64>, String> {
        let audio = self.source.audio.filter(|_| self.want.audio);
        let video = self.source.video.filter(|_| self.want.video);
        self.source.go_to(start, audio, video).map_err(|error| error.to_string())
    }

    /// Spans without much between them, from near the start of the first on.
    fn read_group(&mut self, mut lanes: Vec<Lane>, grid: Option<Grid>, seeks: bool) {
        let mut readers = self.readers(lanes[0].window.start, grid);
        for lane in &mut lanes {
            if readers.audio.is_some() {
                lane.listen(&self.source.info, seeks);
            }
            if readers.video.is_some() {
                lane.look();
            }
        }
        self.broken = None;
        self.pump(&mut readers, &mut lanes);
        if !self.ended {
            readers.finish(&mut lanes, &mut self.outlet);
            self.settle(&mut lanes, &|_| true, readers.known());
        }
    }

    /// Readers of the wanted streams.
    fn readers(&mut self, start: f64, grid: Option<Grid>) -> Readers {
        let audio = self.source.audio.filter(|_| self.want.audio);
        let video = self.source.video.filter(|_| self.want.video);
        let indices: Vec<usize> = [audio, video].iter().flatten().map(|clock| clock.index).collect();
        ffi::discard_all_but(&mut self.source.input, &indices);
        let audio =
            audio.map(|clock| AudioReader::new(&self.source, clock, grid).map_err(|error| error.to_string()));
        let video = video.map(|clock| self.video(clock, start));
        self.undecodable.clear();
        let audio = self.unless_undecodable(Track::Audio, audio);
        let video = self.unless_undecodable(Track::Video, video);
        Readers { audio, video }
    }

    /// The reader of the picture.
    fn video(&self, clock: StreamClock, start: f64) -> Result<VideoReader, String> {
        let open = |card: Option<&hardware::Card>| {
            VideoReader::new(&self.source, clock, start, self.threads, card)
                .map_err(|error| error.to_string())
        };
        let Some(index) = self.want.by.card() else { return open(None) };
        // A card without room for one more process shall not cost the picture.
        let on_card = decoder::kept(index).ok().and_then(|card| open(Some(&card)).ok());
        on_card.map_or_else(|| open(None).map(VideoReader::off_card), Ok)
    }

    /// Reads packets until all spans are through.
    fn pump(&mut self, readers: &mut Readers, lanes: &mut Vec<Lane>) {
        let mut failures = 0;
        while failures < BROKEN_READS && !lanes.is_empty() {
            match self.source.read() {
                Ok(Some(packet)) => {
                    readers.take(&packet, lanes, &mut self.outlet);
                    let time = self.time_of(&packet);
                    self.reached = time.map_or(self.reached, |time| self.reached.max(time));
                    // So far after the span that nothing of it can follow.
                    let is_past =
                        |lane: &Lane| time.is_some_and(|time| time > lane.window.end + INTERLEAVING);
                    if lanes.iter().all(|lane| lane.is_complete() || is_past(lane)) {
                        break;
                    }
                    let holds =
                        |lane: &Lane| readers.video.as_ref().is_some_and(|video| video.holds(&lane.window));
                    let is_through = |lane: &Lane| lane.is_complete() || is_past(lane) && !holds(lane);
                    self.settle(lanes, &is_through, readers.known());
                    self.ended |= self.outlet.tell(Step::Packet).is_break();
                    if self.ended {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    if failures == 0 {
                        self.broken = Some(Warning::BrokenContainer { reason: reason(error) });
                    }
                    failures += 1;
                }
            }
        }
    }

    fn time_of(&self, packet: &Packet) -> Option<f64> {
        let clocks = [self.source.audio, self.source.video];
        let clock = clocks.iter().flatten().find(|clock| clock.index == packet.stream());
        clock.zip(packet.dts()).map(|(clock, ticks)| clock.at(ticks).seconds_since(self.source.zero))
    }

    /// Concludes the spans that are through.
    fn settle(&mut self, lanes: &mut Vec<Lane>, is_through: &dyn Fn(&Lane) -> bool, known: Known) {
        while let Some(position) = lanes.iter().position(is_through).filter(|_| !self.ended) {
            let lane = lanes.remove(position);
            self.conclude(lane, known);
        }
    }

    fn unless_undecodable<T>(&mut self, track: Track, reader: Option<Result<T, String>>) -> Option<T> {
        match reader? {
            Ok(reader) => Some(reader),
            Err(reason) => {
                let warning = self.undecodable(track, reason);
                self.undecodable.push((track, warning));
                None
            }
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

    fn conclude(&mut self, mut lane: Lane, known: Known) {
        if self.together.is_some() {
            let want = self.want;
            self.together = Some(Some(self.summary(&mut lane, want, known)));
            return;
        }
        let sound = self.want.audio.then(|| self.summary(&mut lane, Want::AUDIO, known));
        let picture = self.want.video.then(|| self.summary(&mut lane, Want::VIDEO, known));
        self.ended |= self.outlet.tell(Step::Over { span: lane.index, sound, picture }).is_break();
    }

    fn refuse(&mut self, lane: &Lane, error: &dyn Fn(std::path::PathBuf, Seconds) -> Error) {
        let error = || Err(error(self.source.path.clone(), lane.span.start));
        if self.together.is_some() {
            self.together = Some(Some(error()));
            return;
        }
        let (sound, picture) = (self.want.audio.then(error), self.want.video.then(error));
        self.ended |= self.outlet.tell(Step::Over { span: lane.index, sound, picture }).is_break();
    }

    /// Hands out the rest of the sound where `want` has it, and cuts everything to what was really there.
    fn summary(&mut self, lane: &mut Lane, want: Want, known: Known) -> Result<Summary, Error> {
        let mut result = Conclusion { warnings: self.opening_warnings(want), ends: Vec::new() };
        let picture = lane.picture.take_if(|_| want.video);
        let sound = lane.sound.take_if(|_| want.audio);
        let mut stopped = false;
        if let Some(picture) = &picture {
            stopped |= picture.stopped;
            result.note(self, Track::Video, picture.end, picture.damage(known.frame_step));
            result.warnings.extend(picture.gaps());
            let codec = self.source.info.video.as_ref().map(|video| video.codec.clone());
            let codec = codec.filter(|_| known.not_on_card).map(|codec| Warning::NotOnCard { codec });
            result.warnings.extend(codec);
        }
        let mut timeline = None;
        if let Some(sound) = sound {
            stopped |= sound.timeline.is_stopped();
            let end = sound.timeline.end().or(known.sound_end);
            if result.note(self, Track::Audio, end, sound.damage()) {
                result.warnings.extend(sound.timeline.warning());
                timeline = Some(sound.timeline);
            }
        }
        let Conclusion { mut warnings, ends } = result;
        let found = match ends.into_iter().reduce(f64::max) {
            Some(found) => found,
            None if self.has_none_of(want) => {
                self.source.info.duration.map_or(lane.window.end, |duration| duration.0)
            }
            None => return Err(self.nothing_decoded(lane.span, &warnings)),
        };
        if found <= lane.window.start {
            let path = self.source.path.clone();
            return Err(Error::BadSpan { path, start: lane.span.start, duration: Seconds(found) });
        }
        warnings.extend(self.cut_short(found, want).filter(|_| !stopped && found < lane.window.end));
        let end = lane.window.end.min(found);
        let finished = timeline.map(|timeline| timeline.finish(end, &mut self.outlet));
        let samples = finished.and_then(|finished| {
            finished.map_err(|error| warnings.push(self.undecodable(Track::Audio, error.to_string()))).ok()
        });
        let end = end.is_finite().then_some(Seconds(end));
        Ok(Summary {
            info: self.source.info.clone(),
            declared: self.source.info.duration.filter(|_| self.source.duration_is_known),
            span: Span { start: lane.span.start, end },
            samples,
            frames: picture.map_or(0, |picture| picture.frames),
            packets: self.source.packets,
            warnings,
        })
    }

    /// What is known before any span is reached.
    fn opening_warnings(&self, want: Want) -> Vec<Warning> {
        let source = &self.source;
        let wanted = |track: &Track| match track {
            Track::Audio => want.audio,
            Track::Video => want.video,
        };
        let mut warnings = Vec::new();
        warnings.extend((want.audio && source.audio.is_none()).then_some(Warning::Missing(Track::Audio)));
        warnings.extend((want.video && source.video.is_none()).then_some(Warning::Missing(Track::Video)));
        if let Some((chosen, count)) = source.audio_choice.filter(|_| want.audio) {
            warnings.push(Warning::SeveralSounds { chosen, count });
        }
        let undecodable = self.undecodable.iter().filter(|(track, _)| wanted(track));
        warnings.extend(undecodable.map(|(_, warning)| warning.clone()));
        warnings.extend(self.broken.clone());
        warnings
    }

    /// Whether the recording has no stream that `want` names.
    fn has_none_of(&self, want: Want) -> bool {
        !(want.audio && self.source.audio.is_some() || want.video && self.source.video.is_some())
    }

    fn nothing_decoded(&self, span: Span, warnings: &[Warning]) -> Error {
        let path = self.source.path.clone();
        let is_failure = |warning: &&Warning| {
            matches!(warning, Warning::Undecodable { .. } | Warning::BrokenContainer { .. })
        };
        let reasons: Vec<String> = warnings.iter().filter(is_failure).map(ToString::to_string).collect();
        if reasons.is_empty() && span.start > Seconds::ZERO {
            let duration = self.source.info.duration.unwrap_or_default();
            return Error::BadSpan { path, start: span.start, duration };
        }
        let reason = if reasons.is_empty() { "its streams hold no data".into() } else { reasons.join("; ") };
        Error::Decode { path, reason }
    }

    /// Whether everything in the file was read, and ends at `found`, before its header says.
    fn cut_short(&self, found: f64, want: Want) -> Option<Warning> {
        let all_read =
            (want.audio || self.source.audio.is_none()) && (want.video || self.source.video.is_none());
        let declared = self.source.info.duration.filter(|_| self.source.duration_is_known && all_read)?;
        // Headers round, and players forgive a second or so.
        let short = found + (0.02 * declared.0).max(1.0) < declared.0;
        short.then_some(Warning::CutShort { declared, found: Seconds(found) })
    }
}

/// How many of the `lanes`, in the order of time, have nothing between them that is worth skipping.
fn first_group(lanes: &[Lane]) -> usize {
    let mut end = lanes[0].window.end;
    for (position, lane) in lanes.iter().enumerate() {
        if lane.window.start > end + SKIP_FROM {
            return position;
        }
        end = end.max(lane.window.end);
    }
    lanes.len()
}

/// What a span has come to.
struct Conclusion {
    warnings: Vec<Warning>,
    /// Where each stream's decoded content ends.
    ends: Vec<f64>,
}

impl Conclusion {
    /// Notes where a stream's content ends and what is wrong with it; `false` if nothing of it could be decoded.
    fn note(&mut self, pass: &Pass<'_>, track: Track, end: Option<f64>, damage: Option<Warning>) -> bool {
        self.ends.extend(end);
        match damage {
            Some(damage) if end.is_none() => {
                self.warnings.push(pass.undecodable(track, damage.to_string()));
                false
            }
            damage => {
                self.warnings.extend(damage);
                true
            }
        }
    }
}
