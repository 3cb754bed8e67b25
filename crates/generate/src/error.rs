//! What can be wrong with a generation.

use affekt_core::feature::BadLayerRule;
use affekt_core::{ErrorKind, Explain};
use affekt_nn::finite::NotFinite;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that no search can run with.
    #[error("{name} is {value}, wanted {wanted}")]
    BadSetting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: usize,
        /// What it should be.
        wanted: &'static str,
    },
    /// Hidden states that the network does not have.
    #[error(transparent)]
    Layers(#[from] BadLayerRule),
    /// A prompt that is not one sequence of at least one position.
    #[error("a prompt of shape {got:?}, wanted (1, t, {width}) with t at least 1")]
    BadPrompt {
        /// Its shape.
        got: Vec<usize>,
        /// Numbers in an embedding of the model.
        width: usize,
    },
    /// A clip that could need more than the whole cache.
    #[error("the cache of one clip can take {needed} bytes, the memory budget is {budget} bytes")]
    OverBudget {
        /// Bytes of its prompt and of the longest text that it may generate.
        needed: usize,
        /// Bytes of the budget.
        budget: usize,
    },
    /// A cache that the card cannot give.
    #[error("the cache takes {wanted} bytes, the card has {free} bytes left beside the weights")]
    CacheMemory {
        /// Bytes of the cache.
        wanted: usize,
        /// Bytes that the card could still give.
        free: usize,
    },
    /// A pass that does not fit on the card, however small it is made.
    #[error(
        "the card has no memory left for a forward pass over the {rows} rows of one clip, beside a cache of {cache} bytes"
    )]
    PassMemory {
        /// Rows of the pass.
        rows: usize,
        /// Bytes of the cache.
        cache: usize,
    },
    /// Scores that are not numbers.
    #[error("the language model's scores are not numbers (NaN or infinite) at step {step}{}", layer(found.as_ref()))]
    NotFinite {
        /// The step, from 0.
        step: usize,
        /// The layer that made the first of them, where the model says so.
        found: Option<NotFinite>,
    },
    /// The tensor library's word.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

fn layer(found: Option<&NotFinite>) -> String {
    found.map_or_else(String::new, |found| format!(": {found}"))
}

impl Error {
    /// The error of a forward pass at `step`.
    pub(crate) fn at(step: usize) -> impl Fn(candle_core::Error) -> Self {
        move |error| match NotFinite::of(&error) {
            Some(found) => Self::NotFinite { step, found: Some(found.clone()) },
            None => Self::Tensor(error),
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::BadSetting { .. }
            | Self::OverBudget { .. }
            | Self::CacheMemory { .. }
            | Self::PassMemory { .. }
            | Self::Layers(_) => ErrorKind::BadConfig,
            Self::BadPrompt { .. } => ErrorKind::BadInput,
            Self::NotFinite { .. } => ErrorKind::BadModel,
            Self::Tensor(_) => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFinite { .. } => {
                Some("check the weights and the input for NaN; in f16, try --dtype f32 or bf16".into())
            }
            Self::Layers(_) => Some("entries run from 0, the embeddings, or back from -1, the last".into()),
            Self::CacheMemory { free, .. } => Some(format!(
                "give the cache at most {} bytes: a tenth of what is left is wanted for the passes",
                free / 10 * 9
            )),
            Self::PassMemory { cache, .. } => Some(format!(
                "give the cache at most {} bytes, search with fewer beams, or end other programs on the card",
                cache / 10 * 9
            )),
            Self::OverBudget { .. } => {
                Some("give the cache more memory, or the clip fewer new tokens or beams".into())
            }
            Self::BadSetting { .. } | Self::BadPrompt { .. } | Self::Tensor(_) => None,
        }
    }
}
