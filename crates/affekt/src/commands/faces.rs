//! `affekt faces`: detections, tracks and crops, to look at.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use affekt::Error;
use affekt_core::{Event, Frame, Reporter, Seconds, Span, Stage};
use affekt_faces::{Album, FaceDetector, FaceTrack, RustFace, Tracker, YuNet, read_image};
use affekt_media::{Want, decode};
use affekt_weights::Checkpoint;
use candle_core::Device;
use serde::Serialize;

use crate::cli::{self, Global};
use crate::output;
use crate::progress::Progress;

/// Frames on a contact sheet, at least.
const SHEET_FRAMES: usize = 12;
/// Longest side of a drawn frame, in pixels.
const SHEET_SIDE: usize = 640;
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
    /// Every face of every frame that has one.
    faces: Vec<FrameFaces>,
    warnings: Vec<String>,
    drawn: Vec<String>,
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
    score: f32,
    interpolated: bool,
}

/// Runs the command.
pub fn run(flags: &cli::Faces, global: &Global) -> ExitCode {
    let progress = Progress::new(global);
    let count = flags.media.len();
    let mut failures = 0;
    for (index, media) in flags.media.iter().enumerate() {
        let name = media.display().to_string();
        progress.report(&Event::Input { name: name.clone(), index, count });
        let found = look(media, flags, &progress);
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

fn look(media: &Path, flags: &cli::Faces, progress: &Progress) -> Result<Found, Error> {
    let mut album = Album::new(SHEET_FRAMES, SHEET_SIDE);
    let yunet = flags.yunet.as_deref();
    let (track, mut warnings) = if is_picture(media) {
        still(media, yunet, &mut album)?
    } else {
        video(media, yunet, &mut album, progress)?
    };
    warnings.extend(track.warning());
    let drawn = match &flags.draw {
        Some(folder) => album.save(folder, &stem(media), &track)?,
        None => Vec::new(),
    };
    let drawn = drawn.iter().map(|path| path.display().to_string()).collect();
    Ok(found(media, &track, warnings, drawn))
}

fn is_picture(media: &Path) -> bool {
    let extension = media.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| PICTURES.contains(&extension.as_str()))
}

/// The name of the drawings: the file's without its extension.
fn stem(media: &Path) -> String {
    media.file_stem().unwrap_or(media.as_os_str()).to_string_lossy().into_owned()
}

/// YuNet where its weights are given, else the embedded detector, each at its size for pictures or for video frames.
fn detector(yunet: Option<&Path>, picture: bool) -> Result<std::boxed::Box<dyn FaceDetector>, Error> {
    let Some(weights) = yunet else {
        let lines = if picture { RustFace::STILL_LINES } else { RustFace::VIDEO_LINES };
        return Ok(std::boxed::Box::new(RustFace::new(lines)?));
    };
    let side = if picture { YuNet::STILL_SIDE } else { YuNet::VIDEO_SIDE };
    let checkpoint = Checkpoint::open(weights)?;
    Ok(std::boxed::Box::new(YuNet::load(&checkpoint, side, &Device::Cpu)?))
}

fn still(media: &Path, yunet: Option<&Path>, album: &mut Album) -> Result<(FaceTrack, Vec<String>), Error> {
    let frame = Frame { index: 0, time: Seconds::ZERO, image: read_image(media)? };
    let mut detector = detector(yunet, true)?;
    let mut tracker = Tracker::new(&mut *detector);
    album.see(&frame);
    tracker.push(frame)?;
    Ok((tracker.finish()?, Vec::new()))
}

fn video(
    media: &Path,
    yunet: Option<&Path>,
    album: &mut Album,
    progress: &Progress,
) -> Result<(FaceTrack, Vec<String>), Error> {
    let mut detector = detector(yunet, false)?;
    let mut tracker = Tracker::new(&mut *detector);
    let mut failure = None;
    let mut done = 0;
    let decoded = decode(media, Span::ALL, Want::VIDEO, |frame| {
        album.see(&frame);
        done += 1;
        progress.report(&Event::Advanced { stage: Stage::Faces, done, total: None });
        match tracker.push(frame) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    Ok((tracker.finish()?, decoded.warnings.iter().map(ToString::to_string).collect()))
}

fn found(media: &Path, track: &FaceTrack, warnings: Vec<String>, drawn: Vec<String>) -> Found {
    let tracks = track.tracks.iter().map(|track| {
        let affekt_faces::TrackSummary { start, end, frames, detections, weight } = *track;
        Track { start, end, frames, detections, weight }
    });
    let boxes = |marks: &[affekt_faces::Mark]| {
        let to_box = |mark: &affekt_faces::Mark| {
            let affekt_faces::Rect { x, y, width, height } = mark.bbox;
            Box { track: mark.track, x, y, width, height, score: mark.score, interpolated: mark.interpolated }
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
        faces: with_marks
            .map(|(frame, (marks, time))| FrameFaces { frame, time: *time, boxes: boxes(marks) })
            .collect(),
        warnings,
        drawn,
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
    lines.extend(found.warnings.iter().map(|warning| format!("  warning: {warning}")));
    lines.extend(
        found.drawn.first().map(|sheet| format!("  drawn: {sheet} and {} frames", found.drawn.len() - 1)),
    );
    lines.join("\n") + "\n"
}
