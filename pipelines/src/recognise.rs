//! Recognised words: what a voice says, by the network `whisper` of a bundle.

use affekt_core::{Seconds, Waveform};
use affekt_report::transcription::Segment;
use affekt_weights::Bundle;
use affekt_whisper::{Options, Vocabulary, Whisper};
use candle_core::Device;
use tokenizers::Tokenizer;

use crate::Error;
use crate::networks::{RECOGNISER, Source};
use crate::recipe::settings;
use crate::transcript::Cue;

/// In shorter sounds there is no word; the network would invent one.
const SHORTEST: Seconds = Seconds(0.1);

/// Below this mean log-probability a token, Whisper's own transcription counts a window as failed.
const UNSURE: f64 = -1.0;

/// A network that recognises words, ready for any number of recordings.
pub struct Recogniser {
    /// Where it comes from.
    pub bundle: Bundle,
    network: Whisper,
    vocabulary: Vocabulary,
    tokenizer: Tokenizer,
}

/// What was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recognised {
    /// In the order of time, none without words.
    pub segments: Vec<Segment>,
    /// The language, by its code; `None` without words.
    pub language: Option<String>,
    /// Text tokens of all segments.
    tokens: usize,
    /// Sum over them of the log-probability of their windows.
    log_probability: f64,
}

/// Something that makes recognised words doubtful.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Its kind, in a word.
    pub kind: &'static str,
    /// A sentence without its full stop.
    pub text: String,
}

/// Whether `bundle` has a network that recognises words, its files there or not.
pub fn is_in(bundle: &Bundle) -> bool {
    bundle.manifest().networks.contains_key(RECOGNISER)
}

/// Version of front end, decoding rules and windows; part of the recipe of recognised words.
pub(crate) const RULES: &str = "whisper-greedy-v1";

/// What a cache names recognised words by: the recogniser with the digests of its files, the rules, and the `language` where
/// one is given.
///
/// # Errors
/// [`Error::NoRecogniser`]; those of reading the weights, where their digest is not known yet.
pub fn recipe(bundle: &Bundle, language: Option<&str>) -> Result<Vec<String>, Error> {
    check(bundle)?;
    let mut recipe =
        vec![RULES.to_owned(), format!("asr {RECOGNISER} {}", bundle.weights_digest(RECOGNISER)?)];
    recipe.extend(settings(bundle, RECOGNISER)?);
    recipe.extend(language.map(|code| format!("language {code}")));
    Ok(recipe)
}

fn check(bundle: &Bundle) -> Result<(), Error> {
    let none = || Error::NoRecogniser { bundle: bundle.handle().to_owned() };
    is_in(bundle).then_some(()).ok_or_else(none)
}

impl Recogniser {
    /// Loads the network `whisper` of `bundle` with its tokenizer, verified.
    ///
    /// # Errors
    /// [`Error::NoRecogniser`] where the bundle has none; those of its files; [`Error::Whisper`] where the tokenizer does
    /// not fit the weights.
    pub fn load(bundle: &Bundle, device: &Device) -> Result<Self, Error> {
        check(bundle)?;
        bundle.require([RECOGNISER])?;
        let tokenizer = tokenizer(bundle)?;
        let vocabulary = Vocabulary::of(|token| tokenizer.token_to_id(token))?;
        let network = Source::of(bundle, RECOGNISER, device)?.whisper()?;
        let recogniser = Self { bundle: bundle.clone(), network, vocabulary, tokenizer };
        recogniser.knows(None)?;
        Ok(recogniser)
    }

    /// Whether `language`, a code such as `en`, is one of the network's.
    ///
    /// # Errors
    /// [`Error::Whisper`], which lists those that are.
    pub fn knows(&self, language: Option<&str>) -> Result<(), Error> {
        // Settings are looked at before there is sound.
        self.network.recognise(&[], &self.vocabulary, &options(language))?;
        Ok(())
    }

    /// What is said in `waveform` (16 kHz, of any length) in `language`, which is found out where none is given; times
    /// count from its start. Silence, and less than 0.1 s of sound, has no words.
    ///
    /// # Errors
    /// [`Error::Whisper`] for an unknown language, [`Error::NotFinite`], and what candle reports.
    pub fn recognise(&self, waveform: &Waveform, language: Option<&str>) -> Result<Recognised, Error> {
        let mut recognised = Recognised::default();
        if waveform.duration() < SHORTEST || waveform.is_silent() {
            return Ok(recognised);
        }
        let found = self.network.recognise(&waveform.samples, &self.vocabulary, &options(language))?;
        for segment in found.segments {
            let text = self.text(&segment.tokens)?;
            if text.is_empty() {
                continue;
            }
            recognised.tokens += segment.tokens.len();
            recognised.log_probability += segment.log_probability * segment.tokens.len() as f64;
            let affekt_whisper::Segment { start, end, log_probability, no_speech, looped, .. } = segment;
            recognised.segments.push(Segment { start, end, text, log_probability, no_speech, looped });
        }
        recognised.language = found.language.filter(|_| !recognised.segments.is_empty());
        Ok(recognised)
    }

    /// The words of `tokens`, on one line.
    fn text(&self, tokens: &[u32]) -> Result<String, Error> {
        let text = self.tokenizer.decode(tokens, true).map_err(|error| bad_tokenizer(error.to_string()))?;
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

fn options(language: Option<&str>) -> Options {
    Options { language: language.map(str::to_owned) }
}

fn tokenizer(bundle: &Bundle) -> Result<Tokenizer, Error> {
    let path = bundle.network(RECOGNISER)?.tokenizer.as_deref();
    let path = path.ok_or_else(|| bad_tokenizer("the bundle names none".into()))?;
    let read = Tokenizer::from_bytes(bundle.file(path)?);
    read.map_err(|error| bad_tokenizer(format!("{path} is no tokenizer.json: {error}")))
}

fn bad_tokenizer(reason: String) -> Error {
    Error::Tokenizer { network: RECOGNISER.into(), reason }
}

impl Recognised {
    /// The words of all segments; `None` where there are none.
    pub fn text(&self) -> Option<String> {
        let texts: Vec<&str> = self.segments.iter().map(|segment| segment.text.as_str()).collect();
        (!texts.is_empty()).then(|| texts.join(" "))
    }

    /// The words with their times.
    pub fn cues(&self) -> Vec<Cue> {
        let cue =
            |Segment { start, end, text, .. }: &Segment| Cue { start: *start, end: *end, text: text.clone() };
        self.segments.iter().map(cue).collect()
    }

    /// Mean log-probability of a token of the windows, each weighted by its text tokens: 0 is certainty. `None` without
    /// words.
    pub fn log_probability(&self) -> Option<f64> {
        (self.tokens > 0).then(|| self.log_probability / self.tokens as f64)
    }

    /// Takes in what was said in a later stretch, which begins at `start` and ends at `end`.
    pub fn append(&mut self, later: Self, start: Seconds, end: Seconds) {
        self.language = self.language.take().or(later.language);
        self.tokens += later.tokens;
        self.log_probability += later.log_probability;
        let moved = |time: Seconds| Seconds((start.0 + time.0).min(end.0)).rounded();
        self.segments.extend(later.segments.into_iter().map(|segment| Segment {
            start: moved(segment.start),
            end: moved(segment.end),
            ..segment
        }));
    }

    /// What makes the words doubtful.
    pub fn doubts(&self) -> Vec<Doubt> {
        let looped: Vec<&Segment> = self.segments.iter().filter(|segment| segment.looped).collect();
        let looped = looped.first().map(|first| {
            let (count, of, start) = (looped.len(), self.segments.len(), first.start);
            let text =
                format!("the recognised words run into a loop in {count} of {of} segments, first at {start}");
            Doubt { kind: "asr looped", text }
        });
        let unsure = self.log_probability().filter(|mean| *mean < UNSURE).map(|mean| {
            let text = format!(
                "the recognised words are doubtful: the log-probability of a window's tokens is {mean:.2} on average, \
                 and below {UNSURE:.1} Whisper counts a window as failed"
            );
            Doubt { kind: "asr unsure", text }
        });
        looped.into_iter().chain(unsure).collect()
    }

    /// [`Self::doubts`] as sentences.
    pub fn warnings(&self) -> Vec<String> {
        self.doubts().into_iter().map(|doubt| doubt.text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(start: f64, text: &str, log_probability: f64, looped: bool) -> Recognised {
        let tokens = text.split(' ').count();
        let segment = Segment {
            start: Seconds(start),
            end: Seconds(start + 1.0),
            text: text.into(),
            log_probability,
            no_speech: 0.0,
            looped,
        };
        let log_probability = tokens as f64 * log_probability;
        Recognised { segments: vec![segment], language: Some("en".into()), tokens, log_probability }
    }

    #[test]
    fn stretches_join_in_the_time_of_the_recording() {
        let mut all = Recognised::default();
        assert_eq!((all.text(), all.log_probability(), all.doubts()), (None, None, Vec::new()));
        all.append(said(0.5, "one", -0.5, false), Seconds(10.0), Seconds(20.0));
        let later = Recognised { language: Some("de".into()), ..said(9.5, "two three", -2.0, true) };
        all.append(later, Seconds(20.0), Seconds(30.0));
        let times: Vec<(f64, f64)> = all.cues().iter().map(|cue| (cue.start.0, cue.end.0)).collect();
        assert_eq!(times, [(10.5, 11.5), (29.5, 30.0)]);
        assert_eq!((all.text().as_deref(), all.language.as_deref()), (Some("one two three"), Some("en")));
        assert_eq!(all.log_probability(), Some(-1.5));
        let warnings = all.warnings();
        assert!(warnings[0].contains("loop in 1 of 2 segments, first at 29.5"), "{warnings:?}");
        assert!(warnings[1].contains("-1.50"), "{warnings:?}");
    }
}
