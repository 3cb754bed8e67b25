//! The words of each window.

use affekt_core::{Seconds, Span};

use super::Request;
use super::recording::{Clip, Job, speech};
use crate::transcript::Transcript;
use crate::windows::Cutter;

/// Seconds behind the end of a recording whose words still belong to it.
const OVERTIME: f64 = 1.0;

/// Gives each window its words.
pub struct WordsOf<'a> {
    request: &'a Request,
    job: &'a Job<'a>,
    /// The parts of a text without times, once it had to be divided.
    parts: Option<Vec<Option<String>>>,
    /// Whether they were divided by what is heard.
    by_speech: bool,
}

impl<'a> WordsOf<'a> {
    /// For the windows of `request`.
    pub fn new(request: &'a Request, job: &'a Job<'a>) -> Self {
        Self { request, job, parts: None, by_speech: false }
    }

    /// The words of `clip`. A text without times goes to the windows by how much of each is speech; the first window of
    /// several has that measured, by going over the sound once.
    pub fn of(&mut self, clip: &Clip) -> Option<String> {
        let transcript = self.request.transcript.as_ref()?;
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
        let Some(transcript) = &self.request.transcript else { return Vec::new() };
        let mut warnings = Vec::new();
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
