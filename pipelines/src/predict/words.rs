//! The words of each window.

use affekt_core::{Seconds, Span};
use affekt_media::MediaInfo;

use super::Request;
use super::recording::{Clip, speech};
use crate::Error;
use crate::transcript::Transcript;
use crate::windows::Cutter;

/// Seconds behind the end of a recording whose words still belong to it.
const OVERTIME: f64 = 1.0;

/// Gives each window its words.
pub struct WordsOf<'a> {
    request: &'a Request,
    info: &'a MediaInfo,
    /// The parts of a text without times, once it had to be divided.
    parts: Option<Vec<Option<String>>>,
}

impl<'a> WordsOf<'a> {
    /// For the windows of `request`.
    pub fn new(request: &'a Request, info: &'a MediaInfo) -> Self {
        Self { request, info, parts: None }
    }

    /// The words of `clip`. A text without times goes to the windows by how much of each is speech; the first window of
    /// several has that measured, by going over the sound once.
    pub fn of(&mut self, clip: &Clip) -> Result<Option<String>, Error> {
        let Some(transcript) = &self.request.transcript else { return Ok(None) };
        // Subtitles may stay a moment longer than the recording lasts; the words were said in it all the same.
        let overtime = if clip.last && self.request.span.end.is_none() { OVERTIME } else { 0.0 };
        let span = Span { start: clip.start, end: Some(Seconds(clip.end.0 + overtime)) };
        let text = match transcript {
            Transcript::Timed(_) => return Ok(transcript.words_for(span)),
            Transcript::Plain(text) => text,
        };
        if !clip.several && clip.index == 0 {
            return Ok(transcript.within(span));
        }
        let parts = match &mut self.parts {
            Some(parts) => parts,
            // A window behind the first one that was the whole of the sound: the words are given away.
            None if clip.index > 0 => return Ok(None),
            None => {
                let speech = self.speech()?;
                self.parts.insert(Transcript::divide(text, &speech))
            }
        };
        Ok(parts.get_mut(clip.index).and_then(Option::take))
    }

    /// Seconds of speech by window; equal ones where nothing is to be heard.
    fn speech(&self) -> Result<Vec<Seconds>, Error> {
        if self.info.audio.is_some() {
            return speech(&self.request.media, self.request.span);
        }
        let (start, end) = (self.request.span.start, self.request.span.end.or(self.info.duration));
        let windows = end.map_or(1.0, |end| ((end.0 - start.0) / Cutter::MOST.0).ceil().max(1.0));
        Ok(vec![Cutter::MOST; windows as usize])
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
        if let Some(parts) = &self.parts {
            let windows = parts.len();
            warnings.push(format!(
                "the transcript has no times: its words are divided over {windows} windows by how long each has speech"
            ));
        }
        warnings
    }
}
