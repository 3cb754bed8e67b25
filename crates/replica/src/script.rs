//! The plan of a corpus: who says what, how, and what label it gets.

use std::collections::HashSet;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::casting::Cast;
use crate::draw::{chance, gauss, pick};
use crate::grammar::{self, Said};
use crate::split::Split;

/// The most clips of a corpus: so the names of its videos have no more than five digits.
pub const MOST_CLIPS: usize = 100_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// How many clips, at most [`MOST_CLIPS`].
    pub clips: usize,
    /// What everything is drawn from.
    pub seed: u64,
    /// The one split that all clips are to be of; None for all splits by their shares.
    pub split: Option<Split>,
    /// How many clips a video has; None for two to five.
    pub clips_a_video: Option<usize>,
}

/// All clips of a corpus, those of a video in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// What was asked for.
    pub order: Order,
    /// In the order of their videos and of time.
    pub clips: Vec<Clip>,
}

/// One clip: a line of `script.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// `VIDEO_CLIP`.
    pub id: String,
    /// Its recording.
    pub video: String,
    /// Its number there.
    pub clip: u32,
    /// Its part of the data set.
    pub split: Split,
    /// What is said.
    pub text: String,
    /// The mean of three annotators, each a whole number: the valence to be learnt.
    pub label: f64,
    /// Valence of the words alone.
    pub words: f64,
    /// Valence of the voice alone.
    pub voice: f64,
    /// Valence of the face alone.
    pub face: f64,
    /// Whether voice and face say the opposite of the words, and are meant.
    pub sarcastic: bool,
    /// How it is spoken.
    pub speech: Speech,
    /// What the face shows.
    pub expression: Expression,
    /// How much of it, from 0 to 1.
    pub strength: f64,
    /// Whether there is a face to be seen.
    pub visible: bool,
    /// Level of the noise in the whole video, against full scale.
    pub noise_db: f64,
    /// What is behind the speaker.
    pub background: u32,
    /// Whose face it is.
    pub person: u32,
    /// Seconds of silence before the clip.
    pub pause: f64,
}

/// Settings of espeak-ng.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speech {
    /// Accent and variant, `en-us+f3`.
    pub voice: String,
    /// 0 to 99.
    pub pitch: u32,
    /// How much the pitch moves, in percent of the voice's own range.
    pub range: u32,
    /// Words a minute.
    pub rate: u32,
}

/// What a face shows: the classes of the data that MANet is published for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Expression {
    Neutral,
    Happy,
    Surprise,
    Sad,
    Fear,
    Disgust,
    Anger,
}

/// Clips of one video.
const CLIPS_A_VIDEO: std::ops::RangeInclusive<usize> = 2..=5;
/// How closely voice and face follow the words.
const FOLLOWING: f64 = 0.5;
/// What they have of their own.
const OWN: f64 = 1.1;
/// Of the clips with pleased words: those whose voice and face say the opposite.
const SARCASTIC: f64 = 0.1;
/// Clips in which the speaker is out of the picture.
const FACELESS: f64 = 0.04;
/// One annotator's deviation from the rule, before it is rounded to a whole number.
const ANNOTATOR: f64 = 0.4;
const ANNOTATORS: u32 = 3;
/// Attempts at a sentence that was not said yet. The grammar has some millions.
const ATTEMPTS: usize = 10_000;

/// No sentence was left to say.
#[derive(Debug, thiserror::Error)]
#[error("no new sentence for clip {clip} of the {} split in {ATTEMPTS} attempts: ask for fewer than {clips} clips", split.name())]
pub struct Exhausted {
    clip: usize,
    clips: usize,
    split: Split,
}

impl Script {
    /// The plan of all clips: the same for the same order.
    ///
    /// # Errors
    ///
    /// Where the grammar has no more sentences.
    pub fn draw(order: Order) -> Result<Self, Exhausted> {
        let mut rng = ChaCha8Rng::seed_from_u64(order.seed);
        let mut videos = videos(&mut rng, order);
        // Ids do not tell the split.
        videos.shuffle(&mut rng);
        let mut said = HashSet::new();
        let mut clips = Vec::with_capacity(order.clips);
        for (index, (split, length)) in videos.into_iter().enumerate() {
            let video = format!("r{index:05}");
            let room = Room::draw(&mut rng, split);
            for clip in 0..length {
                let words = unsaid(&mut rng, split, &mut said).ok_or(Exhausted {
                    clip: clips.len(),
                    clips: order.clips,
                    split,
                })?;
                clips.push(room.clip(&mut rng, &video, clip as u32, words));
            }
        }
        Ok(Self { order, clips })
    }

    /// The clips of each video.
    pub fn videos(&self) -> impl Iterator<Item = &[Clip]> {
        self.clips.chunk_by(|a, b| a.video == b.video)
    }
}

/// Splits and lengths of the videos.
fn videos(rng: &mut ChaCha8Rng, order: Order) -> Vec<(Split, usize)> {
    let mut videos = Vec::new();
    for split in Split::ALL {
        let mut left = clips_of(split, order);
        while left > 0 {
            let length = order.clips_a_video.unwrap_or_else(|| rng.random_range(CLIPS_A_VIDEO)).min(left);
            videos.push((split, length));
            left -= length;
        }
    }
    videos
}

fn clips_of(split: Split, order: Order) -> usize {
    let part = |split: Split| (order.clips * split.percent() + 50) / 100;
    match (order.split, split) {
        (Some(only), split) => {
            if only == split {
                order.clips
            } else {
                0
            }
        }
        // What rounding leaves goes to training.
        (None, Split::Train) => order.clips.saturating_sub(part(Split::Valid) + part(Split::Test)),
        (None, other) => part(other),
    }
}

/// A sentence of `split` that nobody has said, not even with another stop.
fn unsaid(rng: &mut ChaCha8Rng, split: Split, said: &mut HashSet<String>) -> Option<Said> {
    (0..ATTEMPTS)
        .map(|_| grammar::sentence(rng))
        .find(|words| Split::of(&words.text) == split && said.insert(spoken(&words.text)))
}

/// What is heard of a sentence: neither capitals nor the stop.
pub(crate) fn spoken(text: &str) -> String {
    text.trim_end_matches(['.', '!']).to_lowercase()
}

/// What the clips of a video share.
struct Room {
    split: Split,
    cast: Cast,
    noise_db: f64,
    /// The speaker's usual pitch and rate.
    pitch: f64,
    rate: f64,
}

impl Room {
    fn draw(rng: &mut ChaCha8Rng, split: Split) -> Self {
        Self {
            split,
            cast: Cast::draw(rng, split),
            noise_db: round(rng.random_range(-55.0..-32.0), 1),
            pitch: rng.random_range(42.0..58.0),
            rate: rng.random_range(148.0..172.0),
        }
    }

    fn clip(&self, rng: &mut ChaCha8Rng, video: &str, clip: u32, words: Said) -> Clip {
        let sarcastic = words.valence > 0.8 && chance(rng, SARCASTIC);
        let visible = !chance(rng, FACELESS);
        let mut shown = || {
            let lean = if sarcastic { -2.0 } else { FOLLOWING * words.valence };
            (lean + gauss(rng, if sarcastic { 0.4 } else { OWN })).clamp(-3.0, 3.0)
        };
        let (voice, face) = (shown(), shown());
        let (expression, strength) = expression(rng, face);
        let label =
            label(rng, &Meant { words: words.valence, voice, face: visible.then_some(face), sarcastic });
        Clip {
            id: format!("{video}_{clip}"),
            video: video.to_owned(),
            clip,
            split: self.split,
            text: words.text,
            label,
            words: round(words.valence, 3),
            voice: round(voice, 3),
            face: round(face, 3),
            sarcastic,
            speech: self.speech(rng, voice),
            expression,
            strength: round(strength, 3),
            visible,
            noise_db: self.noise_db,
            background: self.cast.background,
            person: self.cast.person,
            pause: round(rng.random_range(0.35..0.8), 3),
        }
    }

    /// A pleased voice is higher, livelier and quicker.
    fn speech(&self, rng: &mut ChaCha8Rng, valence: f64) -> Speech {
        let whole = |number: f64, least: f64, most: f64| number.round().clamp(least, most) as u32;
        Speech {
            voice: self.cast.voice.clone(),
            pitch: whole(self.pitch + 8.0 * valence + gauss(rng, 2.0), 5.0, 95.0),
            range: whole(95.0 + 25.0 * valence + gauss(rng, 6.0), 10.0, 190.0),
            rate: whole(self.rate + 8.0 * valence + gauss(rng, 4.0), 115.0, 210.0),
        }
    }
}

/// What a face of this valence shows, and how much of it.
fn expression(rng: &mut ChaCha8Rng, valence: f64) -> (Expression, f64) {
    const POSITIVE: [Expression; 4] =
        [Expression::Happy, Expression::Happy, Expression::Happy, Expression::Surprise];
    const NEGATIVE: [Expression; 7] = [
        Expression::Sad,
        Expression::Sad,
        Expression::Sad,
        Expression::Anger,
        Expression::Anger,
        Expression::Disgust,
        Expression::Fear,
    ];
    let strength = (0.3 + 0.7 * valence.abs() / 3.0).min(1.0);
    if valence > 0.5 {
        (*pick(rng, &POSITIVE), strength)
    } else if valence < -0.5 {
        (*pick(rng, &NEGATIVE), strength)
    } else {
        (Expression::Neutral, 0.0)
    }
}

/// What the annotators see and hear.
struct Meant {
    words: f64,
    voice: f64,
    /// None where no face is to be seen.
    face: Option<f64>,
    sarcastic: bool,
}

/// The mean of the annotators, each of whom rounds what the rule says with an error of his own.
fn label(rng: &mut ChaCha8Rng, meant: &Meant) -> f64 {
    let weights = if meant.sarcastic { [0.25, 0.375, 0.375] } else { [0.76, 0.12, 0.12] };
    let parts = [Some(meant.words), Some(meant.voice), meant.face];
    let known = || parts.into_iter().zip(weights).filter_map(|(part, weight)| Some((part?, weight)));
    let rule = known().map(|(part, weight)| part * weight).sum::<f64>()
        / known().map(|(_, weight)| weight).sum::<f64>();
    let votes: f64 = (0..ANNOTATORS).map(|_| (rule + gauss(rng, ANNOTATOR)).round().clamp(-3.0, 3.0)).sum();
    // Plus zero, since a negative zero would be written as such.
    round(votes / f64::from(ANNOTATORS), 6) + 0.0
}

fn round(number: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests;
