//! `affekt faces`: detections, tracks and crops, to look at.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use affekt::Error;
use affekt_core::{Event, Frame, Reporter, Seconds, Span, Stage};
use affekt_faces::{Album, FaceDetector, FaceTrack, RustFace, Tracker, YuNet, read_image};
use affekt_media::{Want, decode};
use affekt_pipelines::device;
use affekt_pipelines::finder::embedded_on;
use affekt_report::Failure;
use affekt_weights::Checkpoint;
use candle_core::Device;
use serde::Serialize;

use crate::cli::{self, Global};
use crate::inputs::{self, Kinds};
use crate::output;
use crate::progress::Progress;

/// Frames on a contact sheet, at least.
const SHEET_FRAMES: usize = 12;
/// Longest side of a drawn frame, in pixels.
const SHEET_SIDE: usize = 640;
/// Longest side of a drawn picture: its faces may be small.
const PICTURE_SIDE: usize = 1216;
/// Frames that wait between decoder and tracker.
const WAITING: usize = 8;
/// Files that are read as pictures.
const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];

/// What `faces --json` tells of one input.
#[derive(Serialize)]
struct Found {
    input: String,
    frames: usize,
    with_face: usize,
    coverage: f64,
    speaker: Option<usize>,
    recipe: Vec<String>,
    tracks: Vec<Track>,
    /// Frames that begin a scene.
    cuts: Vec<usize>,
    /// Every face of every frame that has one.
    faces: Vec<FrameFaces>,
    warnings: Vec<String>,
    drawn: Vec<String>,
    #[serde(skip)]
    cut_times: Vec<Seconds>,
}

#[derive(Serialize)]
struct Track {
    start: Seconds,
    end: Seconds,
    frames: usize,
    detections: usize,
    weight: f64,
}

#[derive(Serialize)]
struct FrameFaces {
    frame: usize,
    time: Seconds,
    boxes: Vec<Box>,
}

#[derive(Serialize)]
struct Box {
    track: Option<usize>,
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    /// Eyes, tip of the nose, corners of the mouth, those on the picture's left first.
    landmarks: Option<[[f32; 2]; 5]>,
    score: f32,
    interpolated: bool,
}

/// Crops of each track that are kept to be drawn, at least.
const CROPS: usize = 40;

/// Runs the command.
pub fn run(flags: &cli::Faces, global: &Global) -> ExitCode {
    let mut search = match Search::new(flags) {
        Ok(search) => search,
        Err(failure) => {
            output::failure(&failure, global.json);
            return ExitCode::FAILURE;
        }
    };
    let progress = Progress::new(global);
    let inputs = inputs::expand(&flags.media, Kinds::MediaAndPictures).entries;
    let count = inputs.len();
    let mut failures = 0;
    for (index, input) in inputs.into_iter().enumerate() {
        let media = match input {
            Ok(media) => media,
            Err(error) => {
                failures += 1;
                output::failed(&error.input(), &error, global.json);
                continue;
            }
        };
        let name = media.display().to_string();
        progress.report(&Event::Input { name: name.clone(), index, count });
        let found = search.look(&media, &progress);
        progress.clear();
        match found {
            Ok(found) if global.json => output::json(&found),
            Ok(found) => output::data(&text(&found)),
            Err(error) => {
                failures += 1;
                output::failed(&name, &error, global.json);
            }
        }
    }
    output::exit_code(count, failures)
}

/// What serves all inputs.
struct Search<'f> {
    pictures: std::boxed::Box<dyn FaceDetector>,
    videos: std::boxed::Box<dyn FaceDetector>,
    folder: Option<&'f Path>,
    drawn: HashSet<String>,
}

impl<'f> Search<'f> {
    /// Loads the detectors, each at its size: YuNet where its weights are given, else the embedded one.
    fn new(flags: &'f cli::Faces) -> Result<Self, Failure> {
        let failed = |path: &Path, error: Error| Failure::new(path.display().to_string(), &error);
        if let Some(folder) = &flags.draw {
            Album::make_folder(folder).map_err(|error| failed(folder, error.into()))?;
        }
        let (pictures, videos) = match flags.detector.yunet() {
            Some((weights, namer)) => {
                let device = device::named(&flags.detector.faces_device)
                    .map_err(|source| failed(&weights, Error::named_by("--faces-device", source)))?;
                yunets(&weights, &device)
                    .map_err(|source| failed(&weights, Error::named_by(namer, source)))?
            }
            None => embedded_on(&flags.detector.faces_device)
                .map_err(|source| Error::named_by("--faces-device", source))
                .and_then(|()| rustfaces())
                .map_err(|error| failed(Path::new("rustface"), error))?,
        };
        Ok(Self { pictures, videos, folder: flags.draw.as_deref(), drawn: HashSet::new() })
    }

    fn look(&mut self, media: &Path, progress: &Progress) -> Result<Found, Error> {
        let picture = is_picture(media);
        let mut album =
            if picture { Album::new(1, PICTURE_SIDE) } else { Album::new(SHEET_FRAMES, SHEET_SIDE) };
        let (track, mut warnings) = if picture {
            (still(media, &mut *self.pictures, &mut album)?, Vec::new())
        } else {
            video(media, &mut *self.videos, &mut album, progress)?
        };
        warnings.extend(track.warnings());
        let drawn = match self.folder {
            Some(folder) => album.save(folder, &self.title(media), &track)?,
            None => Vec::new(),
        };
        let drawn = drawn.iter().map(|path| path.display().to_string()).collect();
        Ok(found(media, &track, warnings, drawn))
    }

    /// The name of the drawings: the file's without its extension, numbered where another input has the same.
    fn title(&mut self, media: &Path) -> String {
        let stem = media.file_stem().unwrap_or(media.as_os_str()).to_string_lossy().into_owned();
        let numbered = (2..).map(|number| format!("{stem}-{number}"));
        let mut names = std::iter::once(stem.clone()).chain(numbered);
        names.find(|name| self.drawn.insert(name.clone())).unwrap_or(stem)
    }
}

/// A detector for pictures and one for video frames.
type Detectors = (std::boxed::Box<dyn FaceDetector>, std::boxed::Box<dyn FaceDetector>);

fn yunets(weights: &Path, device: &Device) -> Result<Detectors, Error> {
    let checkpoint = Checkpoint::open(weights)?;
    let load = |side| YuNet::load(&checkpoint, side, device).map(std::boxed::Box::new);
    Ok((load(YuNet::STILL_SIDE)?, load(YuNet::VIDEO_SIDE)?))
}

fn rustfaces() -> Result<Detectors, Error> {
    let load = |lines| RustFace::new(lines).map(std::boxed::Box::new);
    Ok((load(RustFace::STILL_LINES)?, load(RustFace::VIDEO_LINES)?))
}

fn is_picture(media: &Path) -> bool {
    let extension = media.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| PICTURES.contains(&extension.as_str()))
}

fn still(media: &Path, detector: &mut dyn FaceDetector, album: &mut Album) -> Result<FaceTrack, Error> {
    let frame = Frame { index: 0, time: Seconds::ZERO, image: read_image(media)? };
    let mut tracker = Tracker::new(detector);
    album.see(&frame);
    tracker.push(frame)?;
    Ok(tracker.finish()?)
}

/// Decoding and tracking run side by side.
fn video(
    media: &Path,
    detector: &mut dyn FaceDetector,
    album: &mut Album,
    progress: &Progress,
) -> Result<(FaceTrack, Vec<String>), Error> {
    let (sender, frames) = sync_channel::<Frame>(WAITING);
    thread::scope(|scope| {
        let decoder = scope.spawn(move || {
            decode(media, Span::ALL, Want::VIDEO, |frame| match sender.send(frame) {
                Ok(()) => ControlFlow::Continue(()),
                // The tracker has failed: no frame is wanted any more.
                Err(_) => ControlFlow::Break(()),
            })
        });
        let followed = follow(frames, detector, album, progress);
        let decoded = decoder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((followed?, decoded.warnings.iter().map(ToString::to_string).collect()))
    })
}

fn follow(
    frames: Receiver<Frame>,
    detector: &mut dyn FaceDetector,
    album: &mut Album,
    progress: &Progress,
) -> Result<FaceTrack, Error> {
    let mut tracker = Tracker::new(detector).keeping(CROPS);
    for (done, frame) in (1..).zip(frames) {
        album.see(&frame);
        tracker.push(frame)?;
        progress.report(&Event::Advanced { stage: Stage::Faces, done, total: None });
    }
    Ok(tracker.finish()?)
}

fn found(media: &Path, track: &FaceTrack, warnings: Vec<String>, drawn: Vec<String>) -> Found {
    let tracks = track.tracks.iter().map(|track| {
        let affekt_faces::TrackSummary { start, end, frames, detections, weight } = *track;
        Track { start, end, frames, detections, weight }
    });
    let boxes = |marks: &[affekt_faces::Mark]| {
        let to_box = |mark: &affekt_faces::Mark| {
            let affekt_faces::Rect { x, y, width, height } = mark.bbox;
            let affekt_faces::Mark { track, landmarks, score, interpolated, .. } = *mark;
            let landmarks = landmarks.map(|points| points.map(|point| [point.x, point.y]));
            Box { track, x, y, width, height, landmarks, score, interpolated }
        };
        marks.iter().map(to_box).collect()
    };
    let frames = track.marks.iter().zip(&track.times).enumerate();
    let with_marks = frames.filter(|(_, (marks, _))| !marks.is_empty());
    Found {
        input: media.display().to_string(),
        frames: track.frames(),
        with_face: track.with_face(),
        coverage: track.coverage(),
        speaker: track.speaker,
        recipe: track.recipe.clone(),
        tracks: tracks.collect(),
        cuts: track.cuts.clone(),
        faces: with_marks
            .map(|(frame, (marks, time))| FrameFaces { frame, time: *time, boxes: boxes(marks) })
            .collect(),
        warnings,
        drawn,
        cut_times: track.cuts.iter().map(|&cut| track.times[cut]).collect(),
    }
}

/// The block for people.
fn text(found: &Found) -> String {
    let Found { input, frames, with_face, coverage, .. } = found;
    let mut lines = vec![format!(
        "{input}: the speaker's face in {with_face} of {frames} frames ({:.0}%)",
        100.0 * coverage
    )];
    for (index, track) in found.tracks.iter().enumerate() {
        let speaker = if found.speaker == Some(index) { ", the speaker" } else { "" };
        let Track { start, end, frames, detections, .. } = track;
        lines.push(format!(
            "  track {index}: {start} to {end}, {frames} frames, {detections} detections{speaker}"
        ));
    }
    let cut_times = found.cut_times.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    lines.extend((!cut_times.is_empty()).then(|| format!("  cuts at {cut_times}")));
    lines.extend(found.warnings.iter().map(|warning| format!("  warning: {warning}")));
    lines.extend(
        found.drawn.first().map(|sheet| format!("  drawn: {sheet} and {} frames", found.drawn.len() - 1)),
    );
    lines.join("\n") + "\n"
}
