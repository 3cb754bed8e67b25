//! The clips of a pass: those that are open, and what they come to.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use affekt_core::{Frame, SampleRate, Seconds, Span, Stage, Waveform};
use affekt_faces::Tracker;
use affekt_media::{Error as MediaError, MediaInfo, Piece, Step, Summary, Track, Warning};

use super::detector::User;
use super::meter::Meter;
use super::pass::Teller;
use super::thinning::Thinning;
use super::{Cost, Cut, Failure, Found, LONGEST, Order, Part, Picture, ROUNDING, told};

/// The clips of one pass.
pub(super) struct Clips<'p, 't, 'u, 's, 'd> {
    order: &'p Order,
    /// A detector for each clip, where faces are wanted.
    users: Vec<Option<&'u mut User<'s, 'd>>>,
    open: BTreeMap<usize, Open<'u>>,
    info: Option<MediaInfo>,
    /// How long the recording is by its header.
    declared: Option<Seconds>,
    meter: Meter,
    teller: Teller<'t>,
    /// Wanted clips that are not through.
    left: usize,
}

/// A clip on its way.
#[derive(Default)]
struct Open<'u> {
    samples: Vec<f32>,
    tracker: Option<Tracker<'u>>,
    thinning: Thinning,
    /// Why no faces can be found.
    trouble: Option<String>,
    too_long: bool,
}

impl<'p, 't, 'u, 's, 'd> Clips<'p, 't, 'u, 's, 'd> {
    pub(super) fn new(
        order: &'p Order,
        users: Vec<Option<&'u mut User<'s, 'd>>>,
        meter: Meter,
        teller: Teller<'t>,
    ) -> Self {
        let left = order.spans.len() - order.unwanted.len();
        Self { order, users, open: BTreeMap::new(), info: None, declared: None, meter, teller, left }
    }

    /// Takes what comes of the recording.
    pub(super) fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        self.meter.decoded();
        let flow = match step {
            Step::Opened { info, declared } => {
                self.info = Some(info.clone());
                self.declared = declared;
                ControlFlow::Continue(())
            }
            Step::Packet => self.teller.alive(),
            Step::Piece { span, piece } => self.take(span, piece),
            Step::Over { span, sound, picture } => self.close(span, sound, picture),
        };
        self.meter.skip();
        flow
    }

    /// What the pass has cost.
    pub(super) fn cost(mut self) -> Cost {
        self.meter.decoded();
        let (decode, faces) = self.meter.read();
        Cost { decode, faces, frames: self.teller.frames }
    }

    fn take(&mut self, index: usize, piece: Piece<'_>) -> ControlFlow<()> {
        if self.order.unwanted.contains(&index) {
            return self.teller.alive();
        }
        let span = self.order.spans[index];
        let is_known = is_too_long(span, self.declared);
        let open = self.open.entry(index).or_insert_with(|| {
            let user = self.users.get_mut(index).and_then(Option::take);
            Open { tracker: user.map(|user| Tracker::new(user)), ..Open::default() }
        });
        let reaches = match &piece {
            Piece::Sound { start, samples } => start.0 + SampleRate::SPEECH.seconds(samples.len()).0,
            Piece::Frame(frame) => frame.time.0,
        };
        if open.too_long || is_known || reaches - span.start.0 > LONGEST.0 + ROUNDING {
            // Nothing of it is of any use.
            *open = Open { too_long: true, ..Open::default() };
            return ControlFlow::Break(());
        }
        match piece {
            Piece::Sound { samples, .. } => {
                open.samples.extend_from_slice(samples);
                ControlFlow::Continue(())
            }
            Piece::Frame(frame) => self.look(index, frame),
        }
    }

    fn look(&mut self, index: usize, frame: Frame) -> ControlFlow<()> {
        let Some(open) = self.open.get_mut(&index) else { return ControlFlow::Break(()) };
        let Some(tracker) = &mut open.tracker else { return ControlFlow::Break(()) };
        if open.thinning.keeps(frame.time.0) {
            self.teller.frames += 1;
            let pushed = tracker.push(frame);
            self.meter.tracked();
            // One that ends the pass is heard at the next packet.
            let _ = self.teller.alive();
            if let Err(error) = pushed {
                open.tracker = None;
                open.trouble = Some(error.to_string());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn close(&mut self, index: usize, sound: Streamed, picture: Streamed) -> ControlFlow<()> {
        if self.order.unwanted.contains(&index) {
            return self.teller.alive();
        }
        let mut open = self.open.remove(&index).unwrap_or_default();
        let span = self.order.spans[index];
        let found = if open.too_long || is_too_long(span, self.declared) && is_there(&sound, &picture) {
            Err(Failure { index, stage: Stage::Decode, reason: too_long(span, self.declared) })
        } else {
            let seen = self.finish_track(&mut open);
            Closing { info: self.info.as_ref(), declared: self.declared, span, index }
                .cut(open, sound, picture, seen)
        };
        self.left -= 1;
        let told = self.teller.found(Found::Clip(found));
        if self.left == 0 { ControlFlow::Break(()) } else { told }
    }

    /// The speaker's crops.
    fn finish_track(&mut self, open: &mut Open<'_>) -> Result<Picture, String> {
        if let Some(trouble) = open.trouble.take() {
            return Err(trouble);
        }
        // A clip without any frame has no tracker.
        let track = open.tracker.take().map(Tracker::finish).transpose();
        self.meter.tracked();
        let faces = track.map_err(|error| error.to_string())?.map(|track| track.faces).unwrap_or_default();
        Ok(Picture { crops: faces.into_iter().map(|face| face.map(|face| face.crop)).collect() })
    }
}

/// What came of a stream, where it was wanted.
type Streamed = Option<Result<Summary, MediaError>>;

/// Whether anything of a span lies inside the recording.
fn is_there(sound: &Streamed, picture: &Streamed) -> bool {
    [sound, picture].into_iter().any(|stream| matches!(stream, Some(Ok(_))))
}

/// Whether a clip is too long, as far as its span and the headers tell.
fn is_too_long(span: Span, declared: Option<Seconds>) -> bool {
    let Some(declared) = declared else { return false };
    let end = span.end.map_or(declared.0, |end| end.0.min(declared.0));
    end - span.start.0 > LONGEST.0 + ROUNDING
}

fn too_long(span: Span, declared: Option<Seconds>) -> String {
    let ends = [span.end, declared].into_iter().flatten().map(|end| end.0);
    let lasting = match ends.reduce(f64::min) {
        Some(end) => format!("{}", Seconds(end - span.start.0)),
        None => format!("more than {LONGEST}"),
    };
    format!("it lasts {lasting}, and a clip may last {LONGEST}: cut it into several in the manifest")
}

/// A clip at its end.
struct Closing<'c> {
    info: Option<&'c MediaInfo>,
    declared: Option<Seconds>,
    span: Span,
    index: usize,
}

impl Closing<'_> {
    fn cut(
        &self,
        open: Open<'_>,
        sound: Streamed,
        picture: Streamed,
        seen: Result<Picture, String>,
    ) -> Result<Cut, Failure> {
        let end = self.end(&sound, &picture);
        let warnings = self.warnings(&open.thinning, &sound, &picture);
        let is_over = self.is_over(&sound, &picture);
        let wave = Waveform { samples: open.samples, rate: SampleRate::SPEECH };
        let sound = self.part(Track::Audio, sound, |summary| summary.samples.is_some().then_some(wave));
        let stage = if seen.is_err() { Stage::Faces } else { Stage::Decode };
        let (seen, trouble) = seen.map_or_else(|trouble| (None, Some(trouble)), |seen| (Some(seen), None));
        let picture = self.part(Track::Video, picture, |summary| {
            let is_video = !lacks(&summary.warnings, Track::Video);
            seen.filter(|_| is_video)
        });
        let picture = match trouble {
            Some(trouble) => Part::Failed(format!("no faces can be found: {trouble}")),
            None => picture,
        };
        if !matches!(sound, Part::There(_)) && !matches!(picture, Part::There(_)) {
            if let Some(reason) = is_over {
                return Err(Failure { index: self.index, stage: Stage::Decode, reason });
            }
            let reasons: Vec<String> = [sound.failure(), picture.failure()].into_iter().flatten().collect();
            if !reasons.is_empty() {
                return Err(Failure { index: self.index, stage, reason: reasons.join("; ") });
            }
        }
        let span = Span { start: self.span.start, end: end.map(Seconds) };
        Ok(Cut { index: self.index, span, sound, picture, warnings })
    }

    /// What a stream has come to.
    fn part<T>(&self, track: Track, stream: Streamed, take: impl FnOnce(&Summary) -> Option<T>) -> Part<T> {
        match stream {
            None => Part::Unasked,
            Some(Ok(summary)) => match take(&summary) {
                Some(there) => Part::There(there),
                None if lacks(&summary.warnings, track) => Part::Absent(Warning::Missing(track).to_string()),
                None => Part::Failed(self.undecodable(track, &summary.warnings)),
            },
            Some(Err(MediaError::BadSpan { duration, .. })) => {
                Part::Absent(format!("the {track} ends at {duration}, before the clip begins"))
            }
            Some(Err(error)) => Part::Failed(self.failed(track, &error)),
        }
    }

    fn failed(&self, track: Track, error: &MediaError) -> String {
        self.info.map_or_else(|| error.to_string(), |info| told::failed_stream(info, track, error))
    }

    fn undecodable(&self, track: Track, warnings: &[Warning]) -> String {
        let is_it =
            |warning: &&Warning| matches!(warning, Warning::Undecodable { track: its, .. } if *its == track);
        warnings.iter().find(is_it).map_or_else(|| format!("the {track} holds nothing"), ToString::to_string)
    }

    /// That the recording is over before the clip begins, where it is.
    fn is_over(&self, sound: &Streamed, picture: &Streamed) -> Option<String> {
        let info = self.info?;
        let over = |stream: &Streamed| match stream {
            Some(Err(MediaError::BadSpan { duration, .. })) => Some(*duration),
            _ => None,
        };
        let tracks = [(info.audio.is_some(), sound), (info.video.is_some(), picture)];
        let ends: Vec<Option<Seconds>> =
            tracks.iter().filter(|(exists, _)| *exists).map(|(_, stream)| over(stream)).collect();
        let declared = self.declared.filter(|declared| *declared <= self.span.start);
        let all = ends.iter().all(Option::is_some);
        let last = ends.into_iter().flatten().map(|end| end.0).reduce(f64::max).map(Seconds);
        let end = declared.or(last.filter(|_| all))?;
        Some(format!("it starts at {}, but the recording ends at {end}", self.span.start))
    }

    /// Where the later of the streams ends inside the span.
    fn end(&self, sound: &Streamed, picture: &Streamed) -> Option<f64> {
        let end = |(stream, track): (&Streamed, Track), strict: bool| {
            let summary = stream.as_ref()?.as_ref().ok()?;
            summary.span.end.map(|end| end.0).filter(|_| !strict || !lacks(&summary.warnings, track))
        };
        let streams = [(sound, Track::Audio), (picture, Track::Video)];
        let latest = |strict| streams.iter().filter_map(|stream| end(*stream, strict)).reduce(f64::max);
        latest(true).or_else(|| latest(false)).or(self.span.end.map(|end| end.0))
    }

    fn warnings(&self, thinning: &Thinning, sound: &Streamed, picture: &Streamed) -> Vec<String> {
        let summary = |stream: &'_ Streamed| stream.as_ref().and_then(|stream| stream.as_ref().ok()).cloned();
        let (sound, picture) = (summary(sound), summary(picture));
        let mut warnings = Vec::new();
        warnings.extend(picture.as_ref().and_then(|picture| thinning.warning(picture.frames)));
        let all = [&sound, &picture].into_iter().flatten().flat_map(|summary| &summary.warnings);
        warnings.extend(all.map(ToString::to_string));
        let there = |summary: &Summary, track| !lacks(&summary.warnings, track);
        if let (Some(sound), Some(picture)) = (&sound, &picture)
            && there(sound, Track::Audio)
            && there(picture, Track::Video)
            && let (Some(sound), Some(picture)) = (sound.span.end, picture.span.end)
        {
            warnings.extend(told::ends_early(sound.0, picture.0));
            let end = sound.0.max(picture.0);
            let short = told::cut_short(self.declared, self.span.end, end);
            warnings.extend(short.map(|warning| warning.to_string()));
        }
        told::once(&mut warnings);
        warnings
    }
}

/// Whether the recording has no such stream.
fn lacks(warnings: &[Warning], track: Track) -> bool {
    warnings.contains(&Warning::Missing(track))
}

impl<T> Part<T> {
    fn failure(&self) -> Option<String> {
        match self {
            Self::Failed(reason) => Some(reason.clone()),
            _ => None,
        }
    }
}
