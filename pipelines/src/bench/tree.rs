//! A dataset in MOSEI's folders, made here: no network, no licence, the same on every machine.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use affekt_core::{RgbImage, Seconds, Span};
use affekt_media::write::{Reel, Settings};
use affekt_media::{Want, decode};
use serde::Serialize;

use super::{Error, lengths, scene};
use crate::dataset::mosei::{TRANSCRIPTS, VIDEOS};

/// Clips of a recording, about: MOSEI has seven, and recordings enough for all cores.
const CLIPS: usize = 5;
/// Share of a recording that its clips cover: 46 of 65 hours.
const COVERED: f64 = 46.0 / 65.0;
/// Words a second: with the marks between them, 28 tokens of 7.3 s.
const WORDS: f64 = 3.0;
/// Of the picture: bits a second, and two seconds from key frame to key frame.
const SETTINGS: Settings = Settings { rate: scene::RATE, bits: 1_200_000, group: 2 * scene::RATE };

/// What a generated dataset is like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tree {
    /// Its root.
    #[serde(skip)]
    pub root: PathBuf,
    /// The encoder of its pictures.
    pub encoder: &'static str,
    /// Pixels a row of a picture.
    pub width: usize,
    /// Rows of a picture.
    pub height: usize,
    /// Pictures a second.
    pub rate: u32,
    /// Bits a second of the picture, as the encoder was told.
    pub bits: usize,
}

/// A clip of a recording.
struct Piece {
    start: f64,
    end: f64,
}

impl Tree {
    /// Makes a dataset of `clips` clips in the folder `root`, each recording showing the film `sample`, whose sound it also
    /// has, in which somebody says `words`.
    ///
    /// # Errors
    /// Those of reading the sample, of encoding, and of the disk.
    pub fn write(root: &Path, clips: usize, sample: &Path, words: &str) -> Result<Self, Error> {
        for folder in [VIDEOS, TRANSCRIPTS] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|error| unwritable(&path, &error))?;
        }
        let reel = Reel::record(scene::pictures(&film(sample)?), &SETTINGS, sample)?;
        let words: Vec<&str> = words.split_whitespace().collect();
        let lengths = lengths::of(clips);
        // No recording has much more than the others, which would keep all but one core waiting at the end.
        let per_recording = clips.div_ceil(clips.div_ceil(CLIPS).max(1)).max(1);
        for (number, lengths) in lengths.chunks(per_recording).enumerate() {
            let name = format!("bench-{number:04}");
            let (pieces, end) = placed(lengths);
            reel.write(&root.join(VIDEOS).join(format!("{name}.mp4")), Seconds(end))?;
            let path = root.join(TRANSCRIPTS).join(format!("{name}.txt"));
            fs::write(&path, transcript(&name, &pieces, &words))
                .map_err(|error| unwritable(&path, &error))?;
        }
        Ok(Self {
            root: root.into(),
            encoder: reel.encoder(),
            width: scene::WIDTH,
            height: scene::HEIGHT,
            rate: SETTINGS.rate,
            bits: SETTINGS.bits,
        })
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::Write { path: path.into(), reason: error.to_string() }
}

/// All frames of the sample.
fn film(sample: &Path) -> Result<Vec<RgbImage>, Error> {
    let mut film = Vec::new();
    decode(sample, Span::ALL, Want::VIDEO, |frame| {
        film.push(frame.image);
        ControlFlow::Continue(())
    })?;
    Ok(film)
}

/// Clips of these lengths, one after the other with what is not labelled between them, and where the recording ends.
fn placed(lengths: &[f64]) -> (Vec<Piece>, f64) {
    let mut reached = 0.0;
    let mut pieces = Vec::new();
    for length in lengths {
        let gap = length * (1.0 / COVERED - 1.0);
        let start = reached + gap / 2.0;
        pieces.push(Piece { start, end: start + length });
        reached = start + length + gap / 2.0;
    }
    (pieces, reached)
}

fn transcript(name: &str, pieces: &[Piece], words: &[&str]) -> String {
    let mut said = words.iter().copied().cycle();
    let line = |(number, Piece { start, end }): (usize, &Piece)| {
        let count = ((end - start) * WORDS).round().max(1.0) as usize;
        let text = said.by_ref().take(count).collect::<Vec<_>>().join(" ");
        format!("{name}___{number}___{start:.3}___{end:.3}___{text}\n")
    };
    pieces.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_follow_each_other_and_cover_their_share() {
        let (pieces, end) = placed(&[2.0, 7.5, 4.0]);
        assert!((end - 13.5 / COVERED).abs() < 1e-9);
        assert!(pieces.windows(2).all(|pair| pair[0].end < pair[1].start));
        assert!(pieces[0].start > 0.0 && pieces[2].end < end);
        let lines = transcript("a", &pieces, &["so", "it", "is."]);
        let lines: Vec<&str> = lines.lines().collect();
        assert!(lines[0].starts_with("a___0___0.413___2.413___so it is. so it is."), "{lines:?}");
        assert_eq!(lines[1].rsplit("___").next().unwrap().split(' ').count(), 23);
    }
}
