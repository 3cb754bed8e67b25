//! A recording as a stream of clips: the whole of a short one, windows cut at pauses of a long one.
//!
//! Sound and picture are decoded by a thread each. The sound runs ahead, because it decides where a window ends; the
//! frames then go to the face tracker of the window that they belong to. Bounded channels connect them, so memory does
//! not grow with the recording, and the caller works on one clip while the next is in the making.

use std::ops::ControlFlow;
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use affekt_core::{Event, Reporter, SampleRate, Seconds, Span, Stage, Waveform};
use affekt_faces::{FaceDetector, FaceTrack};
use affekt_media::{Decoder, MediaInfo, Piece, Summary, Track, Want, Warning, stream};
use crossbeam_channel::{Receiver, Sender, bounded};

use super::clock::{Clock, Meter};
use super::sampler::{Sampler, Snapshot};
use super::watch::{Sight, Watcher};
use crate::Error;
use crate::cut::thinning::Thinning;
use crate::cut::{ROUNDING, told};
use crate::windows::{Cutter, Window};

/// Frames that wait between decoder and tracker.
const WAITING: usize = 8;

/// What a stretch of a recording shows and says.
pub struct Clip {
    /// Clips before it.
    pub index: usize,
    /// Whether the sound is long enough for more than one.
    pub several: bool,
    /// Whether nothing follows it.
    pub last: bool,
    /// First instant.
    pub start: Seconds,
    /// First instant after it.
    pub end: Seconds,
    /// Its sound, where there is any.
    pub waveform: Option<Waveform>,
    /// Its frames and the speaker.
    pub track: FaceTrack,
}

/// A window's sound on its way.
pub(super) struct Heard {
    pub(super) window: Window,
    /// Whether the recording has more than one.
    pub(super) several: bool,
    /// Whether the sound ends with it.
    pub(super) last: bool,
}

/// What there is to know of a recording at its end.
pub struct Facts {
    /// What was really covered.
    pub span: Span,
    /// What is missing or damaged.
    pub warnings: Vec<String>,
    /// Sampled frames, where they were asked for.
    pub snapshots: Vec<Snapshot>,
}

/// What to go through.
pub struct Job<'a> {
    /// The file.
    pub path: &'a Path,
    /// Which part of it.
    pub span: Span,
    /// What its headers say.
    pub info: &'a MediaInfo,
    /// What decodes its picture.
    pub decoder: Decoder,
    /// How many frames to keep, where any are wanted.
    pub pictures: Option<usize>,
}

impl Job<'_> {
    /// Where the span ends, by the headers and by what is wanted.
    pub fn declared_end(&self) -> Option<f64> {
        let ends = [self.info.duration, self.span.end];
        ends.into_iter().flatten().map(|end| end.0).reduce(f64::min)
    }

    /// Whether the span is longer than one window, as far as the headers tell.
    pub fn is_long(&self) -> bool {
        self.declared_end().is_some_and(|end| end - self.span.start.0 > Cutter::WHOLE.0 + ROUNDING)
    }
}

/// Goes over a recording once and hands its clips to `take`, in the order of time.
///
/// # Errors
/// [`Error::Media`] where nothing can be decoded, those of the detector, and what `take` returns: it ends the pass.
pub fn clips(
    job: &Job<'_>,
    detector: &mut dyn FaceDetector,
    clock: &mut Clock<'_>,
    (meter, reporter): (&Meter, &dyn Reporter),
    mut take: impl FnMut(Clip, &mut Clock<'_>) -> Result<(), Error>,
) -> Result<Facts, Error> {
    let (clip_sender, clips) = bounded(1);
    thread::scope(|scope| {
        let (sound, heard) = bounded(1);
        let (picture, seen) = bounded(WAITING);
        let listener = job.info.audio.is_some().then(|| scope.spawn(move || listen(job, &sound, meter)));
        let viewer = job.info.video.is_some().then(|| scope.spawn(move || look(job, &picture, meter)));
        let advanced = move |done| {
            reporter.report(&Event::Advanced { stage: Stage::Faces, done, total: None });
        };
        let sampler = job.pictures.map(Sampler::new);
        let watcher = Watcher::new(job, heard, seen, sampler);
        let watcher = scope.spawn(move || watcher.run(detector, &clip_sender, meter, &advanced));

        let taken = take_all(&clips, clock, &mut take);
        drop(clips);
        // Whoever made a clip that nobody takes has ended by now: the channels close one after the other.
        let watched = join(watcher);
        let sound = listener.map(join);
        let picture = viewer.map(join);
        taken?;
        conclude(job, sound, picture, watched?)
    })
}

fn take_all(
    clips: &Receiver<Clip>,
    clock: &mut Clock<'_>,
    take: &mut impl FnMut(Clip, &mut Clock<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    while let Ok(clip) = clock.wait(|| clips.recv()) {
        take(clip, clock)?;
    }
    Ok(())
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Decodes the sound and cuts it into windows.
fn listen(job: &Job<'_>, windows: &Sender<Heard>, meter: &Meter) -> Result<Summary, affekt_media::Error> {
    let mut cutter = Cutter::new(job.span.start).of_long(job.is_long());
    let mut several = job.is_long();
    let mut start = Instant::now();
    let summary = stream(job.path, job.span, Want::AUDIO, |piece| {
        let Piece::Sound { samples, .. } = piece else { return ControlFlow::Continue(()) };
        let ready = cutter.push(samples);
        meter.decoded_since(start);
        several |= !ready.is_empty();
        // The other end hangs up only when the run has failed.
        let taken = ready
            .into_iter()
            .all(|window| windows.send(Heard { window, several: true, last: false }).is_ok());
        start = Instant::now();
        if taken { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let rest = cutter.finish();
    meter.decoded_since(start);
    let count = rest.len();
    several |= count > 1;
    for (index, window) in rest.into_iter().enumerate() {
        let last = index + 1 == count;
        if windows.send(Heard { window, several, last }).is_err() {
            break;
        }
    }
    Ok(summary)
}

/// Decodes the picture.
fn look(
    job: &Job<'_>,
    frames: &Sender<Sight>,
    meter: &Meter,
) -> Result<(Summary, Thinning), affekt_media::Error> {
    let mut start = Instant::now();
    let mut thinning = Thinning::default();
    let summary = stream(job.path, job.span, Want::VIDEO.by(job.decoder), |piece| {
        let Piece::Frame(frame) = piece else { return ControlFlow::Continue(()) };
        meter.decoded_since(start);
        let taken = !thinning.keeps(frame.time.0) || frames.send(Sight::Frame(frame)).is_ok();
        start = Instant::now();
        if taken { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if let Some(end) = summary.span.end {
        // Where nobody listens any more, nobody needs it.
        let _ = frames.send(Sight::End(end));
    }
    Ok((summary, thinning))
}

type Passed<T> = Option<Result<T, affekt_media::Error>>;

/// What both passes found, as one; an error where neither found anything.
fn conclude(
    job: &Job<'_>,
    sound: Passed<Summary>,
    picture: Passed<(Summary, Thinning)>,
    snapshots: Vec<Snapshot>,
) -> Result<Facts, Error> {
    let mut warnings = Vec::new();
    let mut summaries = Vec::new();
    let mut failures = Vec::new();
    match sound {
        None => warnings.push(Warning::Missing(Track::Audio).to_string()),
        Some(Ok(summary)) => summaries.push(summary),
        Some(Err(error)) => failures.push((Track::Audio, error)),
    }
    match picture {
        None => warnings.push(Warning::Missing(Track::Video).to_string()),
        Some(Ok((summary, thinning))) => {
            warnings.extend(thinning.warning(summary.frames));
            summaries.push(summary);
        }
        Some(Err(error)) => failures.push((Track::Video, error)),
    }
    if summaries.is_empty() {
        // A stream that cannot be decoded tells more than one that is over before the span begins.
        failures.sort_by_key(|(_, error)| matches!(error, affekt_media::Error::BadSpan { .. }));
        let (_, error) = failures.into_iter().next().ok_or_else(|| nothing(job))?;
        return Err(error.into());
    }
    let failed = failures.iter().map(|(track, error)| told::failed_stream(job.info, *track, error));
    warnings.extend(failed);
    warnings.extend(summaries.iter().flat_map(|summary| &summary.warnings).map(ToString::to_string));
    if let [Some(sound), Some(picture)] =
        *summaries.iter().map(|summary| summary.span.end).collect::<Vec<_>>()
    {
        warnings.extend(told::ends_early(sound.0, picture.0));
    }
    let end = summaries.iter().filter_map(|summary| summary.span.end).map(|end| end.0).fold(0.0, f64::max);
    let declared = summaries.iter().find_map(|summary| summary.declared);
    warnings.extend(told::cut_short(declared, job.span.end, end).map(|warning| warning.to_string()));
    told::once(&mut warnings);
    let span = Span { start: job.span.start, end: Some(Seconds(end)) };
    Ok(Facts { span, warnings, snapshots })
}

fn nothing(job: &Job<'_>) -> affekt_media::Error {
    affekt_media::Error::NoStreams {
        path: job.path.into(),
        container: job.info.container.clone(),
        streams: 0,
    }
}

impl Clip {
    pub(super) fn waveform(samples: Vec<f32>) -> Option<Waveform> {
        (!samples.is_empty()).then_some(Waveform { samples, rate: SampleRate::SPEECH })
    }
}

/// How much of each window is speech, without decoding the picture: what a text without times is divided by.
///
/// # Errors
/// Those of [`stream`].
pub fn speech(job: &Job<'_>) -> Result<Vec<Seconds>, Error> {
    let mut cutter = Cutter::new(job.span.start).of_long(job.is_long());
    let mut speech = Vec::new();
    stream(job.path, job.span, Want::AUDIO, |piece| {
        if let Piece::Sound { samples, .. } = piece {
            speech.extend(cutter.push(samples).iter().map(|window| window.speech));
        }
        ControlFlow::Continue(())
    })?;
    speech.extend(cutter.finish().iter().map(|window| window.speech));
    Ok(speech)
}
