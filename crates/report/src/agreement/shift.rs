//! The signature of wrong timestamps: words that fit another time of the same recording.

use std::collections::HashMap;

use affekt_core::ClipId;
use serde::Serialize;

use super::Judged;
use crate::error_rate::{Words, fitted};

/// Clips before and after that are searched.
const AROUND: usize = 3;
/// Fewer words fit anywhere by chance.
const FEWEST: usize = 4;
/// Share of the words that may be wrong where they fit.
const WRONG: f64 = 0.4;
/// Words that must be right there and are wrong at home.
const GAIN: usize = 2;
/// Seconds: the time of a word is guessed from its place in the transcript, so less means nothing.
const LEAST: f64 = 1.0;
/// Seconds a word takes, where the end of its clip is not known.
const WORD: f64 = 0.4;

/// Words that were generated from one clip's sound and stand in the transcript at another time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// The clip whose transcript has most of them.
    pub clip: ClipId,
    /// How much later the transcript has them, by about a second: positive where its timestamps are late.
    pub seconds: f64,
    /// Words of the hypothesis, and how many errors it has there.
    pub words: usize,
    /// The fewest words to replace, leave out and put in.
    pub errors: usize,
}

/// Clips of one recording in order of time: index, start, words of the transcript.
struct Row {
    index: usize,
    start: f64,
    duration: f64,
    words: Vec<String>,
}

/// Looks at every clip that disagrees with its own transcript, failed generations aside.
pub fn find(clips: &mut [Judged]) {
    let mut recordings: HashMap<&str, Vec<Row>> = HashMap::new();
    for (index, clip) in clips.iter().enumerate() {
        let (Some(media), Some(span)) = (&clip.compared.media, clip.compared.span) else { continue };
        let words = owned(&clip.compared.transcript);
        let duration = span.duration().map_or(WORD * words.len() as f64, |duration| duration.0);
        recordings.entry(media).or_default().push(Row { index, start: span.start.0, duration, words });
    }
    let mut found = Vec::new();
    for rows in recordings.values_mut() {
        rows.sort_by(|one, other| one.start.total_cmp(&other.start).then(one.index.cmp(&other.index)));
        for at in (0..rows.len()).filter(|at| clips[rows[*at].index].disagrees()) {
            let hypothesis = clips[rows[at].index].compared.hypothesis.as_deref().unwrap_or_default();
            let around = &rows[at.saturating_sub(AROUND)..rows.len().min(at + AROUND + 1)];
            if let Some(fit) = shifted(&Words::of(hypothesis).compared(), &rows[at], around) {
                let clip = clips[fit.index].compared.clip.clone();
                found.push((
                    rows[at].index,
                    Shift { clip, seconds: fit.seconds, words: fit.words, errors: fit.errors },
                ));
            }
        }
    }
    for (index, shift) in found {
        clips[index].shift = Some(shift);
    }
}

fn owned(text: &str) -> Vec<String> {
    Words::of(text).compared().into_iter().map(str::to_owned).collect()
}

struct Found {
    index: usize,
    seconds: f64,
    words: usize,
    errors: usize,
}

/// Where the words fit among the transcripts `around`, unless they fit as well into `own`.
fn shifted(hypothesis: &[&str], own: &Row, around: &[Row]) -> Option<Found> {
    if hypothesis.len() < FEWEST {
        return None;
    }
    // The words of all clips in a row, each with its clip and its place in it.
    let places: Vec<(&Row, usize)> =
        around.iter().flat_map(|row| (0..row.words.len()).map(move |place| (row, place))).collect();
    let whole: Vec<&str> = places.iter().map(|(row, place)| row.words[*place].as_str()).collect();
    let near = places.iter().position(|(row, _)| row.index == own.index).unwrap_or(0);
    let fit = fitted(hypothesis, &whole, near)?;
    let home: Vec<&str> = own.words.iter().map(String::as_str).collect();
    let errors_at_home = fitted(hypothesis, &home, 0)?.errors;
    if fit.errors as f64 > WRONG * hypothesis.len() as f64 || fit.errors + GAIN > errors_at_home {
        return None;
    }
    let (first, place) = places.get(fit.start)?;
    let seconds = first.start + first.duration * *place as f64 / first.words.len() as f64 - own.start;
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for (row, _) in &places[fit.start..fit.end] {
        *counts.entry(row.index).or_default() += 1;
    }
    let most = |one: &&Row| counts.get(&one.index).copied().unwrap_or(0);
    let index = around.iter().max_by_key(most)?.index;
    let (words, errors) = (hypothesis.len(), fit.errors);
    (seconds.abs() >= LEAST).then_some(Found { index, seconds, words, errors })
}
