//! From words to token ids and back.
//!
//! A vocabulary is published as `tokenizer.json`, or only as SentencePiece's `tokenizer.model`; which one a file is,
//! is told by its content.
//!
//! | module | holds |
//! |---|---|
//! | `vocabulary` | what a SentencePiece model file says |
//! | `sentencepiece` | its encoding and decoding |

mod sentencepiece;
mod vocabulary;

use affekt_weights::Bundle;

use crate::Error;
use sentencepiece::SentencePiece;

/// The beginning-of-text token of Llama's vocabularies, where the file does not name its own.
const BOS: &str = "<s>";

/// A language model's tokenizer.
pub struct Tokenizer {
    form: Form,
    bos: u32,
    network: String,
}

/// The forms in which tokenizers are published.
enum Form {
    Json(Box<tokenizers::Tokenizer>),
    SentencePiece(Box<SentencePiece>),
}

impl Tokenizer {
    /// The tokenizer of `network` in `bundle`.
    pub fn of(bundle: &Bundle, network: &str) -> Result<Self, Error> {
        let path = bundle.network(network)?.tokenizer.as_deref();
        let path = path.ok_or_else(|| failed(network, "the bundle names none".into()))?;
        Self::from_bytes(network, path, &bundle.file(path)?)
    }

    /// The tokenizer in the file that is called `path` and holds `bytes`: `tokenizer.json` as Hugging Face's tokenizers
    /// write it, or `tokenizer.model` as SentencePiece does.
    pub fn from_bytes(network: &str, path: &str, bytes: &[u8]) -> Result<Self, Error> {
        let failed = |reason: &dyn std::fmt::Display| failed(network, format!("{path}: {reason}"));
        let (form, bos) = if bytes.trim_ascii_start().starts_with(b"{") {
            let tokenizer = tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| failed(&error))?;
            let bos = tokenizer.token_to_id(BOS);
            (Form::Json(Box::new(tokenizer)), bos.ok_or_else(|| failed(&format!("it has no token {BOS}")))?)
        } else {
            let tokenizer = SentencePiece::read(bytes).map_err(|error| failed(&error))?;
            let bos = tokenizer.bos();
            (Form::SentencePiece(Box::new(tokenizer)), bos)
        };
        Ok(Self { form, bos, network: network.into() })
    }

    /// The beginning-of-text token and the tokens of `text`.
    pub fn with_bos(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut tokens = vec![self.bos];
        match &self.form {
            // Special tokens are added here and not by the file's template: published files disagree about them.
            Form::Json(tokenizer) => {
                tokens.extend(tokenizer.encode(text, false).map_err(|error| self.failed(&*error))?.get_ids());
            }
            Form::SentencePiece(tokenizer) => tokens.extend(tokenizer.encode(text)),
        }
        Ok(tokens)
    }

    /// The words of `tokens`, special ones left out.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, Error> {
        match &self.form {
            Form::Json(tokenizer) => tokenizer.decode(tokens, true).map_err(|error| self.failed(&*error)),
            Form::SentencePiece(tokenizer) => Ok(tokenizer.decode(tokens)),
        }
    }

    fn failed(&self, error: &dyn std::error::Error) -> Error {
        failed(&self.network, error.to_string())
    }
}

fn failed(network: &str, reason: String) -> Error {
    Error::Tokenizer { network: network.into(), reason }
}
