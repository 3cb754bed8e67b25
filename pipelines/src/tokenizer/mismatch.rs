//! Whether a tokenizer and a language model were made for each other.

use affekt_core::{ErrorKind, Explain};

use super::Tokenizer;

/// Rows that published models append to their embeddings so that these divide well: a few hundred; DeepSeek's 7B has
/// 2385 on top of 100 015 tokens.
const FEW: usize = 1024;
/// More rows than that, and than this part of the tokens, belong to tokens that another tokenizer has.
const PART: usize = 16;

/// What a language model's configuration says of its tokens.
#[derive(Clone, Debug)]
pub struct Promised {
    /// What messages call the configuration.
    pub file: String,
    /// Tokens that the network has an embedding for.
    pub vocabulary: usize,
    /// The token that begins a text.
    pub bos: u32,
    /// Tokens that end one.
    pub eos: Vec<u32>,
}

/// A tokenizer that is not the language model's: its words would be others to the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Tokens that the network does not have.
    #[error(
        "{tokenizer} has tokens up to {}, and {model} has embeddings up to {} only",
        tokens - 1,
        vocabulary - 1
    )]
    TooManyTokens {
        /// The tokenizer's file.
        tokenizer: String,
        /// One more than its highest id.
        tokens: usize,
        /// The network's configuration.
        model: String,
        /// Its embeddings.
        vocabulary: usize,
    },
    /// Far fewer tokens than the network has.
    #[error("{tokenizer} has {tokens} tokens, far fewer than the {vocabulary} of {model}")]
    TooFewTokens {
        /// The tokenizer's file.
        tokenizer: String,
        /// One more than its highest id.
        tokens: usize,
        /// The network's configuration.
        model: String,
        /// Its embeddings.
        vocabulary: usize,
    },
    /// They name different tokens for the beginning of a text.
    #[error(
        "a text begins with token {named} by {tokenizer}, and with {configured} by {model} (bos_token_id)"
    )]
    Begin {
        /// The tokenizer's file.
        tokenizer: String,
        /// The id of its beginning-of-text token.
        named: u32,
        /// The network's configuration.
        model: String,
        /// The id there.
        configured: u32,
    },
    /// What ends a text by the configuration is a word, the beginning, or nothing by the tokenizer.
    #[error("a text ends with token {end} by {model} (eos_token_id), which by {tokenizer} {is}")]
    End {
        /// The tokenizer's file.
        tokenizer: String,
        /// What it is there.
        is: &'static str,
        /// The network's configuration.
        model: String,
        /// The id.
        end: u32,
    },
}

impl Explain for Mismatch {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadModel
    }

    fn hint(&self) -> Option<String> {
        let own = "take the tokenizer that was published with these weights";
        Some(match self {
            Self::TooManyTokens { .. } | Self::TooFewTokens { .. } => own.into(),
            Self::Begin { named, model, .. } => {
                format!("{own}, or if it is that one, write \"bos_token_id\": {named} into {model}")
            }
            Self::End { model, .. } => {
                format!("{own} (tokenizer.json, where there is one), or mend eos_token_id in {model}")
            }
        })
    }
}

impl Tokenizer {
    /// Whether this can be the tokenizer of a language model of which `promised` is known.
    ///
    /// Some rows more than tokens are usual, and reading and writing work with them. A configuration may let a text end
    /// with other tokens than the file's own end token, as models of conversations do: any that stands for no text.
    pub fn check(&self, promised: &Promised) -> Result<(), Mismatch> {
        let (tokenizer, model) = (self.path.clone(), promised.file.clone());
        let (tokens, vocabulary) = (self.tokens, promised.vocabulary);
        if tokens > vocabulary {
            return Err(Mismatch::TooManyTokens { tokenizer, tokens, model, vocabulary });
        }
        if vocabulary - tokens > FEW.max(tokens / PART) {
            return Err(Mismatch::TooFewTokens { tokenizer, tokens, model, vocabulary });
        }
        if self.bos != promised.bos {
            return Err(Mismatch::Begin { tokenizer, named: self.bos, model, configured: promised.bos });
        }
        for &end in &promised.eos {
            let is = match end {
                _ if end as usize >= tokens => "is no token",
                _ if end == self.bos && self.names_bos => "begins one",
                _ if !self.is_special(end) => "stands for text",
                _ => continue,
            };
            return Err(Mismatch::End { tokenizer, is, model, end });
        }
        Ok(())
    }
}
