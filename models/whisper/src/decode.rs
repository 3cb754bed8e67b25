//! Greedy decoding of one window of 30 s.

use affekt_generate::looped;
use candle_core::Tensor;

use crate::error::Error;
use crate::model::Whisper;
use crate::rules::{Choice, Rules, log_sum_exp};
use crate::vocabulary::Vocabulary;

/// A window in which the network finds no speech with more than this probability is silent ...
const NO_SPEECH: f64 = 0.6;
/// ... unless it is as sure of its words as this, on average a token.
const SURE: f64 = -1.0;

/// What was written for a window.
pub struct Written {
    /// Text and timestamps in order, without `<|endoftext|>`.
    pub choices: Vec<Choice>,
    /// Mean log-probability a token: text, timestamps and the end. A text that was cut short counts the end too, as in
    /// openai/whisper (`avg_logprob`).
    pub log_probability: f64,
    /// Probability of `<|nospeech|>` in place of a language; 0 where the vocabulary has no such token.
    pub no_speech: f64,
    /// Whether the text runs into a loop.
    pub looped: bool,
}

impl Written {
    /// Whether the window is taken for silence, and its text for an invention.
    pub fn is_silence(&self) -> bool {
        self.no_speech > NO_SPEECH && self.log_probability < SURE
    }
}

impl Whisper {
    /// The language with the likeliest token, after the start of a transcript of the encoded window (1, 1500, d_model).
    pub(crate) fn detect<'a>(&self, encoded: &Tensor, vocabulary: &'a Vocabulary) -> Result<&'a str, Error> {
        let logits = self.decoder(encoded.clone())?.logits(&[vocabulary.start], 0)?.get(0)?; // (vocab_size)
        let logits = logits.to_vec1::<f32>()?;
        let logit = |token: u32| logits[token as usize];
        let likelier = |best: (&'a str, u32), (code, &token): (&'a String, &u32)| {
            // Of equally likely ones, the token with the lower number.
            let (new, old) = (logit(token), logit(best.1));
            if new > old || (new == old && token < best.1) { (code.as_str(), token) } else { best }
        };
        let mut languages = vocabulary.languages.iter();
        let first = languages.next().map(|(code, &token)| (code.as_str(), token));
        Ok(first.map_or("en", |first| languages.fold(first, likelier).0))
    }

    /// Writes down the encoded window (1, 1500, d_model), after `prompt`.
    pub(crate) fn write(
        &self,
        encoded: &Tensor,
        prompt: &[u32],
        vocabulary: &Vocabulary,
    ) -> Result<Written, Error> {
        let rules = Rules::new(vocabulary, &self.config().suppress_tokens);
        let mut decoder = self.decoder(encoded.clone())?;
        let (mut tokens, mut choices) = (prompt.to_vec(), Vec::new());
        let (mut no_speech, mut sum) = (0.0, 0.0);
        while choices.len() < self.config().window_tokens()
            && tokens.len() < self.config().max_target_positions
        {
            let first = if choices.is_empty() { 0 } else { tokens.len() - 1 };
            let logits = decoder.logits(&tokens, first)?; // (prompt, vocab_size), then (1, vocab_size)
            if choices.is_empty() {
                no_speech = probability(&logits.get(0)?, vocabulary.no_speech)?;
            }
            let mut last = logits.get(logits.dim(0)? - 1)?.to_vec1::<f32>()?;
            let choice = rules.choose(&mut last, &tokens[prompt.len()..]);
            sum += choice.log_probability;
            if choice.token == vocabulary.end {
                break;
            }
            tokens.push(choice.token);
            choices.push(choice);
        }
        let text: Vec<u32> =
            choices.iter().map(|choice| choice.token).filter(|&token| token < vocabulary.end).collect();
        let log_probability = sum / (choices.len() + 1) as f64;
        Ok(Written { choices, log_probability, no_speech, looped: looped(&text) })
    }
}

/// Probability of `token` by `logits` (vocab_size).
fn probability(logits: &Tensor, token: Option<u32>) -> Result<f64, Error> {
    let Some(token) = token else { return Ok(0.0) };
    let logits = logits.to_vec1::<f32>()?;
    Ok((f64::from(logits[token as usize]) - log_sum_exp(&logits)).exp())
}
