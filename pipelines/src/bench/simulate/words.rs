//! Real text: the language model over transcripts, one at a time and together.

use std::time::Instant;

use candle_core::Tensor;

use super::{Error, Voices};
use crate::features::text::{Encoder, Text};

/// Tokens of a transcript of MOSEI in a second: 28 in a mean clip of 7.3 s.
const TOKENS_PER_SECOND: f64 = 28.0 / 7.3;

/// What is said where nobody knows it, over and over.
const PASSAGE: &str = "well I went to see it last night with two friends and we had read nothing about it before so the first \
                       half hour came as a surprise because everyone looks tired and nobody says what they mean but then \
                       the story turns and you want to know how it ends and honestly that is more than most films give me";

/// Rounds are repeated until they have taken so many seconds: transcripts of a tiny network are read at once.
const LEAST_SECONDS: f64 = 0.25;

/// Hidden states may differ by so much; what is quantised agrees as nearly as its kernels do.
const TOLERANCE: f32 = 1e-4;

/// What reading took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Read {
    /// Whether the words are transcripts of the cache; else a passage.
    pub transcripts: bool,
    /// Transcripts.
    pub clips: usize,
    /// Tokens of these.
    pub tokens: usize,
    /// Seconds that all of them take one at a time.
    pub alone: f64,
    /// Seconds that they take together.
    pub together: f64,
}

/// Reads the words of all `voices`, one at a time and together; where no transcript is known, as many words as people say in
/// that time.
///
/// # Errors
/// [`Error::ReadOtherwise`]; those of the networks, of the first transcript that has one.
pub fn read(encoder: &Encoder, voices: &Voices) -> Result<Read, Error> {
    let known: Vec<_> = voices.all.iter().filter(|voice| voice.words.is_some()).collect();
    let transcripts = !known.is_empty();
    let known = if transcripts { known } else { voices.all.iter().collect() };
    let passage: Vec<&str> = PASSAGE.split(' ').collect();
    // Warms up, too.
    let tokens_a_word = encoder.encode(PASSAGE)?.tokens as f64 / passage.len() as f64;
    let words: Vec<String> = known
        .iter()
        .enumerate()
        .map(|(at, voice)| match &voice.words {
            Some(words) => words.clone(),
            None => said(&passage, at, voice.seconds() * TOKENS_PER_SECOND / tokens_a_word),
        })
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (alone, one_by_one) = timed(|| words.iter().map(|words| encoder.encode(words)).collect())?;
    let (together, at_once) = timed(|| encoder.encode_batch(&words).into_iter().collect())?;
    for ((voice, one), other) in known.iter().zip(&one_by_one).zip(&at_once) {
        let difference = difference(&one.feature, &other.feature)?;
        if difference.is_nan() || difference > TOLERANCE {
            return Err(Error::ReadOtherwise { clip: voice.clip.clone(), difference });
        }
    }
    let tokens = one_by_one.iter().map(|text| text.tokens).sum();
    Ok(Read { transcripts, clips: words.len(), tokens, alone, together })
}

/// About `count` words of `passage`, from another place for each clip.
fn said(passage: &[&str], at: usize, count: f64) -> String {
    let words = passage.iter().cycle().skip(at * 7 % passage.len());
    words.take((count.round() as usize).max(1)).copied().collect::<Vec<_>>().join(" ")
}

/// Mean seconds of a round of `work`, and what the last one gave.
fn timed(mut work: impl FnMut() -> Result<Vec<Text>, crate::Error>) -> Result<(f64, Vec<Text>), Error> {
    let started = Instant::now();
    let mut rounds = 0;
    loop {
        let result = work()?;
        rounds += 1;
        let seconds = started.elapsed().as_secs_f64();
        if seconds >= LEAST_SECONDS {
            return Ok((seconds / f64::from(rounds), result));
        }
    }
}

/// Largest difference of two features of one shape.
fn difference(one: &Tensor, other: &Tensor) -> Result<f32, Error> {
    Ok((one - other)?.abs()?.max_all()?.to_scalar()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_on_from_the_beginning() {
        let passage = ["a", "b", "c"];
        assert_eq!((said(&passage, 0, 4.2), said(&passage, 1, 2.0)), ("a b c a".into(), "b c".into()));
        assert_eq!(said(&passage, 2, 0.2), "c");
    }

    #[test]
    fn short_work_is_repeated() {
        let mut rounds = 0;
        let (seconds, texts) = timed(|| {
            rounds += 1;
            std::thread::sleep(std::time::Duration::from_millis(60));
            Ok(Vec::new())
        })
        .unwrap();
        assert!(texts.is_empty());
        assert!(rounds >= 2 && (0.06..0.25).contains(&seconds), "{rounds} rounds of {seconds}");
    }
}
