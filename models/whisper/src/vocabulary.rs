//! The special tokens of Whisper's vocabularies.

use std::collections::BTreeMap;

use crate::config::{Config, SOURCE_POSITIONS};
use crate::error::Error;

/// Codes of all languages that a published Whisper knows (tokenizer.py of openai/whisper; `yue` came with large-v3).
const LANGUAGES: &str = "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi \
    hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro \
    ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh";

/// `<|endoftext|>` in GPT-2's vocabulary, on which the English-only networks (`tiny.en` ...) were trained. Their
/// tokenizers hold the languages' tokens too, but the networks never saw them.
const GPT2_END: u32 = 50_256;

/// The numbers of the special tokens. Those below [`end`](Self::end) are text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// `<|startoftranscript|>`, which begins every prompt.
    pub start: u32,
    /// `<|endoftext|>`.
    pub end: u32,
    /// `<|transcribe|>`: the task; `None` for an English-only network, which has no other.
    pub transcribe: Option<u32>,
    /// `<|nospeech|>`, in early releases `<|nocaptions|>`.
    pub no_speech: Option<u32>,
    /// `<|notimestamps|>`.
    pub no_timestamps: u32,
    /// `<|0.00|>`; 1500 more follow, 0.02 s apart.
    pub first_timestamp: u32,
    /// Code -> token; empty for an English-only network.
    pub languages: BTreeMap<String, u32>,
}

impl Vocabulary {
    /// The special tokens of the tokenizer in which `id` looks up a token's text.
    ///
    /// # Errors
    /// [`Error::NoToken`], [`Error::Order`]: it is no tokenizer of Whisper's.
    pub fn of(id: impl Fn(&str) -> Option<u32>) -> Result<Self, Error> {
        let need = |token: &str| id(token).ok_or_else(|| Error::NoToken { token: token.into() });
        let end = need("<|endoftext|>")?;
        let mut languages = BTreeMap::new();
        if end != GPT2_END {
            let token = |code: &str| Some((code.to_owned(), id(&format!("<|{code}|>"))?));
            languages.extend(LANGUAGES.split_whitespace().filter_map(token));
        }
        let transcribe = if languages.is_empty() { None } else { Some(need("<|transcribe|>")?) };
        let no_timestamps = need("<|notimestamps|>")?;
        let vocabulary = Self {
            start: need("<|startoftranscript|>")?,
            end,
            transcribe,
            no_speech: id("<|nospeech|>").or_else(|| id("<|nocaptions|>")),
            no_timestamps,
            // Older files of tokenizers leave times out: they follow this token in every vocabulary.
            first_timestamp: id("<|0.00|>").unwrap_or_else(|| no_timestamps.saturating_add(1)),
            languages,
        };
        if let Some(last) = id("<|30.00|>") {
            order("<|30.00|>", last, last == vocabulary.last_timestamp(), || {
                "it must be the 1500th after <|0.00|>".into()
            })?;
        }
        let first = vocabulary.first_timestamp;
        order("<|0.00|>", first, first > end, || {
            format!("it must come after <|endoftext|>, which is {end}")
        })?;
        Ok(vocabulary)
    }

    /// `<|30.00|>`.
    pub fn last_timestamp(&self) -> u32 {
        self.first_timestamp.saturating_add(SOURCE_POSITIONS as u32)
    }

    /// Whether the weights that `config` describes know all of these tokens.
    pub(crate) fn check(&self, config: &Config) -> Result<(), Error> {
        let optional = [("<|transcribe|>", self.transcribe), ("<|nospeech|>", self.no_speech)];
        let tokens = [
            ("last timestamp", self.last_timestamp()),
            ("<|startoftranscript|>", self.start),
            ("<|endoftext|>", self.end),
            ("<|notimestamps|>", self.no_timestamps),
        ];
        let languages = self.languages.values().map(|&id| ("token of a language", id));
        let tokens =
            tokens.into_iter().chain(optional.into_iter().filter_map(|(token, id)| Some((token, id?))));
        match tokens.chain(languages).find(|(_, id)| *id as usize >= config.vocab_size) {
            Some((token, id)) => Err(Error::Vocabulary { token, id, vocab_size: config.vocab_size }),
            None => Ok(()),
        }
    }

    /// The code of the language `given`, in any case, as the vocabulary has it. English-only vocabularies know `en`,
    /// but have no token for it.
    pub(crate) fn code(&self, given: &str) -> Result<&str, Error> {
        match self.languages.get_key_value(&given.to_ascii_lowercase()) {
            Some((code, _)) => Ok(code),
            None if self.languages.is_empty() && given.eq_ignore_ascii_case("en") => Ok("en"),
            None => Err(Error::Language { language: given.into(), known: self.known() }),
        }
    }

    fn known(&self) -> String {
        let codes: Vec<&str> = self.languages.keys().map(String::as_str).collect();
        if codes.is_empty() { "only en".into() } else { codes.join(", ") }
    }
}

fn order(token: &str, id: u32, holds: bool, wanted: impl Fn() -> String) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Order { token: token.into(), id, wanted: wanted() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers as in a published vocabulary whose text tokens end before `end`.
    fn published(end: u32, no_speech: &'static str) -> impl Fn(&str) -> Option<u32> {
        let codes: Vec<String> = LANGUAGES.split_whitespace().map(|code| format!("<|{code}|>")).collect();
        let after = end + 2 + codes.len() as u32;
        move |token| {
            let seconds = token.strip_prefix("<|").and_then(|token| token.strip_suffix("|>"));
            if let Some(seconds) = seconds.and_then(|number| number.parse::<f64>().ok()) {
                return Some(after + 3 + (seconds * 50.0).round() as u32);
            }
            let special = ["<|transcribe|>", no_speech, "<|notimestamps|>"];
            match token {
                "<|endoftext|>" => Some(end),
                "<|startoftranscript|>" => Some(end + 1),
                _ => {
                    codes.iter().position(|code| code == token).map(|at| end + 2 + at as u32).or_else(|| {
                        special.iter().position(|special| *special == token).map(|at| after + at as u32)
                    })
                }
            }
        }
    }

    #[test]
    fn a_multilingual_vocabulary_has_languages_and_a_task() {
        for no_speech in ["<|nospeech|>", "<|nocaptions|>"] {
            let found = Vocabulary::of(published(50_257, no_speech)).unwrap();
            assert_eq!((found.end, found.start, found.languages.len()), (50_257, 50_258, 100));
            assert_eq!(found.no_speech, Some(found.no_timestamps - 1));
            assert_eq!(found.transcribe, Some(found.no_timestamps - 2));
            assert_eq!(found.last_timestamp() - found.first_timestamp, 1500);
            assert_eq!((found.code("de").unwrap(), found.code("DE").unwrap()), ("de", "de"));
            let error = found.code("tlh").unwrap_err();
            assert!(
                matches!(&error, Error::Language { language, known } if language == "tlh" && known.contains("zh"))
            );
        }
    }

    #[test]
    fn gpt2_s_vocabulary_is_english_only_whatever_its_tokenizer_lists() {
        let found = Vocabulary::of(published(50_256, "<|nocaptions|>")).unwrap();
        assert!(found.languages.is_empty() && found.transcribe.is_none());
        assert_eq!((found.code("en").unwrap(), found.code("En").unwrap()), ("en", "en"));
        assert!(found.code("de").unwrap_err().to_string().contains("only en"));
    }

    #[test]
    fn other_tokenizers_are_refused_by_what_they_lack() {
        let without = |absent: &'static str| {
            let published = published(300, "<|nospeech|>");
            Vocabulary::of(move |token| if token == absent { None } else { published(token) })
        };
        for absent in ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"] {
            assert!(without(absent).unwrap_err().to_string().contains(absent), "{absent}");
        }
        assert_eq!(without("<|nospeech|>").unwrap().no_speech, None);
        let timeless = published(300, "<|nospeech|>");
        let timeless = |token: &str| timeless(token).filter(|_| !token.ends_with("0|>"));
        assert_eq!(Vocabulary::of(timeless).unwrap(), without("").unwrap());
        let published = published(300, "<|nospeech|>");
        let gap = |token: &str| published(token).map(|id| id + u32::from(token == "<|30.00|>"));
        assert!(matches!(Vocabulary::of(gap), Err(Error::Order { .. })));
    }
}
