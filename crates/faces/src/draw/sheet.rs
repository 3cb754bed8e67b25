//! The contact sheet, from top to bottom: title, what was found, coverage over time, the speaker's crops, the frames.

use affekt_core::RgbImage;

use super::album::{SPEAKER, Sample};
use super::canvas::{Colour, LETTER, fill, label, paste, text};
use crate::{CROP_SIZE, FaceTrack};

const WIDTH: usize = 1232;
const GAP: usize = 8;
/// Longest side of a frame on the sheet: four lying ones side by side.
const FRAME_SIDE: usize = 298;
const CROPS_A_ROW: usize = 10;
const BAR_HEIGHT: usize = 24;

const LEGEND: &str =
    "green: the speaker   orange: other faces   grey: not followed   number: score, ~ between key frames";

const PAPER: Colour = [24, 26, 30];
const INK: Colour = [235, 235, 235];
const FAINT: Colour = [140, 145, 150];
const NO_FACE: Colour = [150, 45, 45];
const BLACK: Colour = [0; 3];

pub(super) fn draw(title: &str, track: &FaceTrack, samples: &[Sample]) -> RgbImage {
    let crops = crops(track);
    let frames: Vec<RgbImage> = samples.iter().map(|sample| sample.draw(track, FRAME_SIDE)).collect();
    let column = frames.iter().map(|frame| frame.width + GAP).max().unwrap_or(WIDTH);
    let columns = ((WIDTH - GAP) / column).max(1);
    let crop_rows = crops.len().div_ceil(CROPS_A_ROW);
    let row_heights: Vec<usize> = frames.chunks(columns).map(row_height).collect();
    let mut y = 8 * LETTER + GAP / 2;
    let bar = y;
    y += BAR_HEIGHT + 2 * LETTER + GAP;
    let height = y + crop_rows * (CROP_SIZE + GAP) + row_heights.iter().map(|row| row + GAP).sum::<usize>();

    let mut sheet = RgbImage::black(WIDTH, height);
    fill(&mut sheet, 0, 0, WIDTH as i64, height as i64, PAPER);
    head(&mut sheet, title, track);
    coverage_bar(&mut sheet, bar, track);
    for row in crops.chunks(CROPS_A_ROW) {
        for (column, crop) in row.iter().enumerate() {
            paste(&mut sheet, crop, GAP + column * (CROP_SIZE + GAP), y);
        }
        y += CROP_SIZE + GAP;
    }
    for (row, height) in frames.chunks(columns).zip(row_heights) {
        for (place, frame) in row.iter().enumerate() {
            paste(&mut sheet, frame, GAP + place * column, y);
        }
        y += height + GAP;
    }
    sheet
}

fn row_height(row: &[RgbImage]) -> usize {
    row.iter().map(|frame| frame.height).max().unwrap_or(0)
}

/// Crops spread evenly over the frames that have one, two rows at most.
fn crops(track: &FaceTrack) -> Vec<RgbImage> {
    let faces: Vec<_> = track
        .faces
        .iter()
        .zip(&track.times)
        .filter_map(|(face, time)| Some((face.as_ref()?, time)))
        .collect();
    let count = faces.len().min(2 * CROPS_A_ROW);
    let shown = (0..count).map(|index| faces[index * faces.len() / count]);
    shown
        .map(|(face, time)| {
            let mut crop = face.crop.clone();
            label(&mut crop, 0, (CROP_SIZE - 12) as i64, BLACK, INK, &format!("{:.2}", time.0));
            crop
        })
        .collect()
}

fn head(sheet: &mut RgbImage, title: &str, track: &FaceTrack) {
    let (x, y, letter) = (GAP as i64, GAP as i64, LETTER as i64);
    text(sheet, x, y, 2, INK, title);
    let found = format!(
        "{} of {} frames with the speaker's face ({:.1}%), {} tracks   {}",
        track.with_face(),
        track.frames(),
        100.0 * track.coverage(),
        track.tracks.len(),
        track.recipe.join(", ")
    );
    text(sheet, x, y + 2 * letter + GAP as i64 / 2, 1, FAINT, &found);
    text(sheet, x, y + 4 * letter, 1, FAINT, LEGEND);
    if let Some(warning) = track.warning() {
        text(sheet, x, y + 11 * letter / 2, 1, [255, 180, 40], &warning);
    }
}

/// Green where the speaker's face is seen, red where not; a column of pixels stands for its worst frame.
fn coverage_bar(sheet: &mut RgbImage, y: usize, track: &FaceTrack) {
    let (width, frames) = (WIDTH - 2 * GAP, track.frames());
    for column in 0..width {
        let first = column * frames / width;
        let last = ((column + 1) * frames).div_ceil(width).min(frames).max(first);
        let seen = first < last && track.faces[first..last].iter().all(Option::is_some);
        let colour = if seen { SPEAKER } else { NO_FACE };
        fill(sheet, (GAP + column) as i64, y as i64, 1, BAR_HEIGHT as i64, colour);
    }
    ticks(sheet, y + BAR_HEIGHT, width, track);
}

/// Times under the bar, some ten of them, at frames that lie evenly.
fn ticks(sheet: &mut RgbImage, y: usize, width: usize, track: &FaceTrack) {
    let count = track.frames().min(11);
    for index in 0..count {
        let frame = index * (track.frames() - 1) / (count - 1).max(1);
        let x = GAP + frame * width / track.frames();
        let time = format!("{:.1}", track.times[frame].0);
        let left = x.min(WIDTH - GAP - time.len() * LETTER);
        fill(sheet, x as i64, y as i64, 1, 3, FAINT);
        text(sheet, left as i64, y as i64 + 5, 1, FAINT, &time);
    }
}
