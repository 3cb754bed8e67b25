//! The words of each window.

use affekt_core::{Seconds, Span, Stage, TextSource};

use super::Request;
use super::clock::Clock;
use super::judge::Caution;
use super::recording::{Clip, Job, speech};
use crate::Error;
use crate::recognise::{Recognised, Recogniser};
use crate::transcript::Transcript;
use crate::windows::Cutter;

/// The language of the speakers from whom published fusion models have learned.
const ENGLISH: &str = "en";

/// Where the words of a recording come from.
#[derive(Clone, Debug, Default)]
pub enum Words {
    /// There are none.
    #[default]
    None,
    /// They are known.
    Given(Transcript),
    /// They are recognised, window by window, by the bundle's network `whisper`.
    Recognised {
        /// Code of the language, such as `en`; `None`: that of the first words holds for the recording.
        language: Option<String>,
    },
}

impl Words {
    /// What a result names them by, where there are any.
    pub fn source(&self) -> Option<TextSource> {
        match self {
            Self::None => None,
            Self::Given(_) => Some(TextSource::Transcript),
            Self::Recognised { .. } => Some(TextSource::Asr),
        }
    }
}

/// The words of a window.
#[derive(Default)]
pub struct Said {
    /// `None` where there are none.
    pub text: Option<String>,
    /// What makes them doubtful.
    pub cautions: Vec<Caution>,
}

/// Seconds behind the end of a recording whose words still belong to it.
const OVERTIME: f64 = 1.0;

/// Gives each window its words.
pub struct WordsOf<'a> {
    request: &'a Request,
    job: &'a Job<'a>,
    recogniser: Option<&'a Recogniser>,
    /// The language of the words that were recognised first.
    language: Option<String>,
    /// The parts of a text without times, once it had to be divided.
    parts: Option<Vec<Option<String>>>,
    /// Whether they were divided by what is heard.
    by_speech: bool,
}

impl<'a> WordsOf<'a> {
    /// For the windows of `request`; words to be recognised need a `recogniser`, and a language that it knows.
    pub fn new(
        request: &'a Request,
        job: &'a Job<'a>,
        recogniser: Option<&'a Recogniser>,
    ) -> Result<Self, Error> {
        if let Words::Recognised { language } = &request.words {
            let recogniser = recogniser.ok_or_else(|| Error::Setting {
                name: "words".into(),
                reason: "they are to be recognised, but no recogniser is loaded".into(),
            })?;
            recogniser.knows(language.as_deref())?;
        }
        Ok(Self { request, job, recogniser, language: None, parts: None, by_speech: false })
    }

    /// The words of `clip`.
    pub fn of(&mut self, clip: &Clip, clock: &mut Clock<'_>) -> Result<Said, Error> {
        let request = self.request;
        match (&request.words, self.recogniser) {
            (Words::Given(transcript), _) => {
                let text = clock.wait(|| self.given(transcript, clip));
                Ok(Said { text, cautions: Vec::new() })
            }
            (Words::Recognised { language }, Some(recogniser)) => {
                let known = language.as_deref().or(self.language.as_deref());
                let recognised = clock.stage(Stage::Recognise, |_| match &clip.waveform {
                    Some(waveform) => recogniser.recognise(waveform, known),
                    None => Ok(Recognised::default()),
                })?;
                Ok(self.recognised(recognised))
            }
            _ => Ok(Said::default()),
        }
    }

    fn recognised(&mut self, recognised: Recognised) -> Said {
        let doubts = recognised.doubts().into_iter();
        let mut cautions: Vec<Caution> =
            doubts.map(|doubt| Caution { kind: doubt.kind, text: doubt.text }).collect();
        if let Some(code) = recognised.language.as_deref().filter(|code| *code != ENGLISH) {
            let text =
                format!("the recognised language is {code}: published fusion models learned from English");
            cautions.push(Caution { kind: "asr language", text });
        }
        let text = recognised.text();
        self.language = self.language.take().or(recognised.language);
        Said { text, cautions }
    }

    /// The words that were given. A text without times goes to the windows by how much of each is speech; the first window of
    /// several has that measured, by going over the sound once.
    fn given(&mut self, transcript: &Transcript, clip: &Clip) -> Option<String> {
        // Subtitles may stay a moment longer than the recording lasts; the words were said in it all the same.
        let overtime = if clip.last && self.request.span.end.is_none() { OVERTIME } else { 0.0 };
        let span = Span { start: clip.start, end: Some(Seconds(clip.end.0 + overtime)) };
        let text = match transcript {
            Transcript::Timed(_) => return transcript.words_for(span),
            Transcript::Plain(text) => text,
        };
        if !clip.several && clip.index == 0 {
            return transcript.within(span);
        }
        let parts = match &mut self.parts {
            Some(parts) => parts,
            // A window behind the first one that was the whole of the sound: the words are given away.
            None if clip.index > 0 => return None,
            None => {
                let speech = self.speech();
                self.by_speech = speech.iter().any(|speech| *speech > Seconds::ZERO);
                self.parts.insert(Transcript::divide(text, &speech))
            }
        };
        parts.get_mut(clip.index).and_then(Option::take)
    }

    /// Seconds of speech by window; none in each where there is no sound, or none that can be decoded.
    fn speech(&self) -> Vec<Seconds> {
        if self.job.info.audio.is_some()
            && let Ok(speech) = speech(self.job)
        {
            return speech;
        }
        let length = self.job.declared_end().map(|end| end - self.job.span.start.0);
        let windows = length.map_or(1.0, |length| (length / Cutter::MOST.0).ceil().max(1.0));
        vec![Seconds::ZERO; windows as usize]
    }

    /// What a user should know of how the words were dealt out.
    pub fn warnings(&self, span: Span, read: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        let transcript = match &self.request.words {
            Words::None => return warnings,
            Words::Recognised { .. } => {
                let none = (!read).then(|| "no words were recognised: it is judged without text".into());
                warnings.extend(none);
                return warnings;
            }
            Words::Given(transcript) => transcript,
        };
        if !read {
            warnings.push("the transcript has no words in this span: it is judged without text".into());
        }
        let end = span.end.map(|end| Seconds(end.0 + OVERTIME));
        let outside = transcript.outside(Span { end, ..span });
        if read && outside > 0 && self.request.span == Span::ALL {
            warnings.push(format!("{outside} words of the transcript lie behind the end of the recording"));
        }
        if let Some(parts) = self.parts.as_ref().filter(|parts| parts.len() > 1) {
            let windows = parts.len();
            let how = if self.by_speech {
                "by how long each has speech"
            } else {
                "evenly, since no speech is heard"
            };
            warnings.push(format!(
                "the transcript has no times: its words are divided over {windows} windows {how}"
            ));
        }
        warnings
    }
}
