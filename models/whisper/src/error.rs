//! What can be wrong with vocabularies and settings.

use affekt_core::{ErrorKind, Explain};
use affekt_nn::finite::NotFinite;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tokenizer that lacks a special token.
    #[error("the tokenizer has no token {token}, which Whisper's vocabularies have")]
    NoToken {
        /// Its text.
        token: String,
    },
    /// Special tokens in an order that no published vocabulary has.
    #[error("the tokenizer's token {token} has the number {id}, but {wanted}")]
    Order {
        /// Its text.
        token: String,
        /// Its number.
        id: u32,
        /// What it has to be.
        wanted: String,
    },
    /// A vocabulary that belongs to other weights.
    #[error("the tokenizer's {token} has the number {id}, but the weights know only {vocab_size} tokens")]
    Vocabulary {
        /// Its text.
        token: &'static str,
        /// Its number.
        id: u32,
        /// Tokens of the network.
        vocab_size: usize,
    },
    /// A language that the network was not trained on.
    #[error("{language:?} is no language of this Whisper, which knows {known}")]
    Language {
        /// What was asked for.
        language: String,
        /// The codes that it knows.
        known: String,
    },
    /// The tensor library's word.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoToken { .. } | Self::Order { .. } | Self::Vocabulary { .. } => ErrorKind::BadModel,
            Self::Language { .. } => ErrorKind::BadConfig,
            Self::Tensor(error) => match NotFinite::of(error) {
                Some(found) if found.in_input() => ErrorKind::BadInput,
                Some(_) => ErrorKind::BadModel,
                None => ErrorKind::Internal,
            },
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoToken { .. } | Self::Order { .. } | Self::Vocabulary { .. } => {
                Some("use the tokenizer.json that was published with these Whisper weights".into())
            }
            Self::Language { .. } => {
                Some("give a code such as en or de, or none: then a multilingual Whisper finds out".into())
            }
            Self::Tensor(_) => None,
        }
    }
}
