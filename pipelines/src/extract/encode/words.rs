//! The words of a clip: recognised, and read.

use affekt_cache::Facts;
use affekt_core::{FeatureKind, Stage, TextSource, Waveform};

use super::Encoding;
use crate::Error;
use crate::batch::known::digest_of_words;
use crate::batch::ledger::Ledger;
use crate::batch::{Draft, Numbers};
use crate::features::text::{self, Text};

impl Encoding<'_, '_> {
    /// The words that nobody has written down; `false` where the card is lost, and the clip to be dropped.
    pub(super) fn recognise(&self, draft: &mut Draft<'_>, sound: &Waveform) -> bool {
        let Some(recogniser) = &self.encoders.recogniser else { return true };
        match recogniser.recognise(sound, self.encoders.recipes.text.language.as_deref()) {
            Ok(recognised) => draft.recognised = Some(recognised),
            Err(error) => {
                let Some(error) = self.shared.ledger.spare(error) else { return false };
                let error = error.explained(&self.encoders.device, "the words of one clip", None);
                draft.put(FeatureKind::Text, Numbers::failed(Stage::Recognise, &error));
            }
        }
        true
    }

    /// The words that wait.
    pub(super) fn read(&mut self) {
        let heard = std::mem::take(&mut self.texts);
        let texts: Vec<Option<String>> = heard.iter().map(|heard| words(&heard.draft)).collect();
        let sound: Vec<&str> = texts.iter().flatten().map(String::as_str).collect();
        let found = match &self.encoders.words {
            Some(words) if !sound.is_empty() => {
                let read = || self.book.busy(|| words.encode_batch(&sound));
                self.shared.ledger.stage(Stage::Text, sound.len(), read)
            }
            _ => Vec::new(),
        };
        self.tell_sizes();
        let mut found = found.into_iter();
        for (mut heard, text) in heard.into_iter().zip(texts) {
            let found = text.as_ref().and_then(|_| found.next());
            if put_text(&mut heard.draft, text, found, self.shared.ledger).is_some() {
                self.read_or_none(heard);
            }
        }
    }
}

/// What is said in a clip.
fn words(draft: &Draft<'_>) -> Option<String> {
    match &draft.recognised {
        Some(recognised) => recognised.text(),
        None => draft.task.text.clone().filter(|_| !draft.task.recognises),
    }
}

/// Puts the words `text` down, and what the language model made of them; `None` where the card is lost, and the clip to be
/// dropped.
fn put_text(
    draft: &mut Draft<'_>,
    text: Option<String>,
    found: Option<Result<Text, Error>>,
    ledger: &Ledger<'_>,
) -> Option<()> {
    let facts = match &draft.recognised {
        Some(recognised) => Facts {
            text_source: Some(TextSource::Asr),
            // Whether WavLM heard them, too, is nothing to the words.
            samples: None,
            score: recognised.log_probability(),
            language: recognised.language.clone(),
            warnings: draft.facts.warnings.iter().cloned().chain(recognised.warnings()).collect(),
            ..draft.facts.clone()
        },
        // The words come from no media file.
        None => Facts { text_source: text.as_ref().map(|_| TextSource::Transcript), ..Facts::default() },
    };
    let Some((text, found)) = text.zip(found) else {
        let reason = if facts.text_source == Some(TextSource::Asr) {
            "no words were recognised"
        } else {
            "the clip has no transcript"
        };
        draft.put_with(FeatureKind::Text, facts, Numbers::Absent(reason.into()));
        return Some(());
    };
    let facts = Facts { words: Some(digest_of_words(&text)), transcript: Some(text), ..facts };
    match found {
        Ok(Text { feature, tokens, cut }) => {
            let unread = cut.map(|text::Cut { read, given }| {
                format!("only the first {read} of {given} tokens of its words are read: the language model takes no more")
            });
            let warnings = facts.warnings.iter().cloned().chain(unread).collect();
            let facts = Facts { tokens: Some(tokens), warnings, ..facts };
            let numbers = Numbers::of(Ok(feature), Stage::Text, ledger)?;
            draft.put_with(FeatureKind::Text, facts, numbers);
        }
        Err(error) => {
            let error = ledger.spare(error)?;
            draft.put_with(FeatureKind::Text, facts, Numbers::failed(Stage::Text, &error));
        }
    }
    Some(())
}
