//! From words to token ids and back.
//!
//! A vocabulary is published as `tokenizer.json`, or only as SentencePiece's `tokenizer.model`; which one a file is,
//! is told by its content.
//!
//! | module | holds |
//! |---|---|
//! | `vocabulary` | what a SentencePiece model file says |
//! | `sentencepiece` | its encoding, by the `tokenizers` library, and decoding |
//! | `mismatch` | [`Mismatch`]: a tokenizer that is not the language model's |

mod mismatch;
mod sentencepiece;
mod vocabulary;

use affekt_weights::Bundle;

use crate::Error;
pub use mismatch::{Mismatch, Promised};
use sentencepiece::SentencePiece;

/// What the beginning-of-text token is called in the vocabularies of Llama 1 and 2 and Mistral, and of Llama 3.
const BOS: [&str; 2] = ["<s>", "<|begin_of_text|>"];

/// A language model's tokenizer.
pub struct Tokenizer {
    form: Form,
    bos: u32,
    /// Whether the file itself says which token begins a text.
    names_bos: bool,
    /// One more than its highest id.
    tokens: usize,
    network: String,
    /// What messages call the file.
    path: String,
}

/// The forms in which tokenizers are published.
enum Form {
    Json(Box<tokenizers::Tokenizer>),
    SentencePiece(Box<SentencePiece>),
}

impl Tokenizer {
    /// The tokenizer of `network` in `bundle`, for a language model of which `promised` is known.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], and [`Error::Mismatch`] where the two do not belong together.
    pub fn of(bundle: &Bundle, network: &str, promised: &Promised) -> Result<Self, Error> {
        let path = bundle.network(network)?.tokenizer.as_deref();
        let path = path.ok_or_else(|| failed(network, "the bundle names none".into()))?;
        let tokenizer = Self::from_bytes(network, path, &bundle.file(path)?, promised.bos)?;
        tokenizer.check(promised)?;
        Ok(tokenizer)
    }

    /// The tokenizer in the file that is called `path` and holds `bytes`: `tokenizer.json` as Hugging Face's tokenizers
    /// write it, or `tokenizer.model` as SentencePiece does. `bos` begins a text where the file has no token of a known
    /// name for it.
    pub fn from_bytes(network: &str, path: &str, bytes: &[u8], bos: u32) -> Result<Self, Error> {
        let failed = |reason: &dyn std::fmt::Display| failed(network, format!("{path}: {reason}"));
        let (network, path) = (network.into(), path.into());
        if !bytes.trim_ascii_start().starts_with(b"{") {
            let library = SentencePiece::read(bytes).map_err(|error| failed(&error))?;
            let (bos, tokens) = (library.bos(), library.tokens());
            return Ok(Self {
                form: Form::SentencePiece(library.into()),
                bos,
                names_bos: true,
                tokens,
                network,
                path,
            });
        }
        let mut library = tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| failed(&error))?;
        // Files carry what they were last used with: neither cuts nor fills a text here.
        library.with_truncation(None).map_err(|error| failed(&error))?;
        library.with_padding(None);
        let highest = library.get_vocab(true).into_values().max();
        let tokens = highest.map_or(0, |highest| highest as usize + 1);
        let named = BOS.iter().find_map(|name| library.token_to_id(name));
        if named.is_none() && library.id_to_token(bos).is_none() {
            let [first, second] = BOS;
            return Err(failed(&format!("it has neither the token {first} nor {second} nor a token {bos}")));
        }
        let (bos, names_bos) = (named.unwrap_or(bos), named.is_some());
        Ok(Self { form: Form::Json(library.into()), bos, names_bos, tokens, network, path })
    }

    /// The beginning-of-text token and the tokens of `text`.
    pub fn with_bos(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut tokens = vec![self.bos];
        match &self.form {
            // Special tokens are added here and not by the file's template: published files disagree about them.
            Form::Json(library) => {
                tokens.extend(library.encode(text, false).map_err(|error| self.failed(&*error))?.get_ids());
            }
            Form::SentencePiece(library) => {
                tokens.extend(library.encode(text).map_err(|error| self.failed(&*error))?);
            }
        }
        Ok(tokens)
    }

    /// The words of `tokens`, special ones left out, and those that the vocabulary does not have.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, Error> {
        match &self.form {
            Form::Json(library) => library.decode(tokens, true).map_err(|error| self.failed(&*error)),
            Form::SentencePiece(library) => Ok(library.decode(tokens)),
        }
    }

    /// Whether `token` was added for what is no text, such as an end.
    fn is_special(&self, token: u32) -> bool {
        match &self.form {
            Form::Json(library) => {
                library.get_added_vocabulary().get_added_tokens_decoder().contains_key(&token)
            }
            Form::SentencePiece(library) => library.is_special(token),
        }
    }

    fn failed(&self, error: &dyn std::error::Error) -> Error {
        failed(&self.network, error.to_string())
    }
}

fn failed(network: &str, reason: String) -> Error {
    Error::Tokenizer { network: network.into(), reason }
}
