//! The contact sheet, from top to bottom: title, what was found, coverage over time, the speaker's crops, the frames.

use affekt_core::RgbImage;

use super::album::Sample;
use super::canvas::{Colour, LETTER, fill, paste, text};
use super::marks::{LANDMARK, NOT_FOLLOWED, OTHER, SPEAKER};
use super::page::{FAINT, GAP, INK, PAPER, Page, WIDTH, shortened};
use crate::{CROP_SIZE, FaceTrack};

/// Longest side of a frame on the sheet: four lying ones side by side.
const FRAME_SIDE: usize = 298;
const CROPS_A_ROW: usize = 10;
/// Height of the strip under a crop, for its time.
const STRIP: usize = LETTER + 4;
const BAR_HEIGHT: usize = 28;
/// How far the line of a cut reaches beyond the bar.
const BEYOND: usize = 5;
/// Times under the bar.
const TICKS: usize = 9;

const NO_FACE: Colour = [150, 45, 45];
const CUT: Colour = [255; 3];
const WARNING: Colour = [255, 205, 70];

pub(super) fn draw(title: &str, track: &FaceTrack, samples: &[Sample]) -> RgbImage {
    let mut page = Page::new();
    head(&mut page, title, track);
    if track.frames() > 1 {
        bar(&mut page, track);
    }
    crops(&mut page, track);
    let side = match samples {
        [only] => only.longest().min(WIDTH - 2 * GAP),
        [_, _] => (WIDTH - 3 * GAP) / 2,
        _ => FRAME_SIDE,
    };
    let drawn: Vec<RgbImage> = samples.iter().map(|sample| sample.draw(track, side)).collect();
    frames(&mut page, &drawn);
    page.image
}

fn head(page: &mut Page, title: &str, track: &FaceTrack) {
    let fits = |scale: usize| (WIDTH - 2 * GAP) / (LETTER * scale);
    let scale = if title.chars().count() <= fits(3) { 3 } else { 2 };
    page.paragraph(scale, INK, &shortened(title, fits(scale)));
    page.paragraph(2, if track.speaker.is_some() { SPEAKER } else { WARNING }, &found(track));
    for warning in track.warnings() {
        page.paragraph(2, WARNING, &warning);
    }
    page.paragraph(1, FAINT, &track.recipe.join(", "));
    legend(page, track);
}

fn legend(page: &mut Page, track: &FaceTrack) {
    let marks = || track.marks.iter().flatten();
    let pieces = [
        (true, SPEAKER, "speaker"),
        (track.tracks.len() > 1, OTHER, "other faces"),
        (marks().any(|mark| mark.track.is_none()), NOT_FOLLOWED, "not followed"),
        (track.frames() > 1, NO_FACE, "no face"),
        (!track.cuts.is_empty(), CUT, "cut"),
        (marks().any(|mark| mark.landmarks.is_some()), LANDMARK, "landmarks"),
        (marks().next().is_some(), PAPER, "number: score, ~ between key frames"),
    ];
    let shown: Vec<_> =
        pieces.into_iter().filter_map(|(shown, colour, what)| shown.then_some((colour, what))).collect();
    page.legend(&shown);
}

/// What was found, in one sentence.
fn found(track: &FaceTrack) -> String {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    let tracks = count(track.tracks.len(), "track");
    match (track.frames(), track.speaker) {
        (0, _) => "no picture".into(),
        (1, None) => "no face".into(),
        (1, Some(_)) => count(track.marks[0].len(), "face"),
        (frames, None) => format!("no face in {frames} frames"),
        (frames, Some(_)) => format!(
            "the speaker's face in {} of {frames} frames ({:.0}%), {tracks}, {}",
            track.with_face(),
            100.0 * track.coverage(),
            count(track.cuts.len(), "cut")
        ),
    }
}

/// Coverage over time: a column of pixels stands for its worst frame. Cuts are white lines.
fn bar(page: &mut Page, track: &FaceTrack) {
    let y = page.extend(BAR_HEIGHT + 2 * BEYOND + 2 * LETTER + 2 * GAP) + BEYOND;
    let (width, frames) = (WIDTH - 2 * GAP, track.frames());
    for column in 0..width {
        let first = column * frames / width;
        let last = ((column + 1) * frames).div_ceil(width).min(frames);
        let others = |frame: usize| track.marks[frame].iter().any(|mark| mark.track.is_some());
        let colour = if (first..last).all(|frame| track.faces[frame].is_some()) {
            SPEAKER
        } else if (first..last).all(others) {
            OTHER
        } else {
            NO_FACE
        };
        fill(&mut page.image, (GAP + column) as i64, y as i64, 1, BAR_HEIGHT as i64, colour);
    }
    for cut in &track.cuts {
        let x = (GAP + cut * width / frames) as i64;
        let (top, height) = ((y - BEYOND) as i64, (BAR_HEIGHT + 2 * BEYOND) as i64);
        fill(&mut page.image, x - 3, top, 6, height, PAPER);
        fill(&mut page.image, x - 1, top, 2, height, CUT);
    }
    ticks(&mut page.image, y + BAR_HEIGHT + BEYOND, width, track);
}

/// Times under the bar, at frames that lie evenly.
fn ticks(sheet: &mut RgbImage, y: usize, width: usize, track: &FaceTrack) {
    let count = track.frames().min(TICKS);
    for index in 0..count {
        let frame = index * (track.frames() - 1) / (count - 1).max(1);
        let x = GAP + frame * width / track.frames();
        let time = format!("{:.1}", track.times[frame].0);
        let left = x.min(WIDTH - GAP - time.len() * 2 * LETTER);
        fill(sheet, x as i64, (y - BEYOND) as i64, 2, 6, FAINT);
        text(sheet, left as i64, y as i64 + 4, 2, FAINT, &time);
    }
}

/// Crops spread evenly over the frames that have one, two rows at most, with their times below.
fn crops(page: &mut Page, track: &FaceTrack) {
    let seen = track.faces.iter().zip(&track.times);
    let seen = seen.filter_map(|(face, time)| Some((face.as_ref()?, time)));
    let faces: Vec<_> = seen.filter(|(face, _)| face.crop.width > 0).collect();
    let count = faces.len().min(2 * CROPS_A_ROW);
    for row in (0..count).collect::<Vec<_>>().chunks(CROPS_A_ROW) {
        let y = page.extend(CROP_SIZE + STRIP + GAP);
        for (column, index) in row.iter().enumerate() {
            let (face, time) = faces[index * faces.len() / count];
            let x = GAP + column * (CROP_SIZE + GAP);
            paste(&mut page.image, &face.crop, x, y);
            if track.frames() > 1 {
                let line = format!("{:.2} s", time.0);
                text(&mut page.image, x as i64, (y + CROP_SIZE + 3) as i64, 1, INK, &line);
            }
        }
    }
}

fn frames(page: &mut Page, frames: &[RgbImage]) {
    let column = frames.iter().map(|frame| frame.width + GAP).max().unwrap_or(WIDTH);
    let columns = ((WIDTH - GAP) / column).max(1);
    for row in frames.chunks(columns) {
        let y = page.extend(row.iter().map(|frame| frame.height).max().unwrap_or(0) + GAP);
        for (place, frame) in row.iter().enumerate() {
            paste(&mut page.image, frame, GAP + place * column, y);
        }
    }
}
