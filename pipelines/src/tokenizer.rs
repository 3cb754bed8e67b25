//! From words to token ids and back.

use affekt_weights::Bundle;

use crate::Error;

/// The beginning-of-text token of Llama's vocabularies.
const BOS: &str = "<s>";

/// A language model's tokenizer.
pub struct Tokenizer {
    tokenizer: tokenizers::Tokenizer,
    bos: u32,
    network: String,
}

impl Tokenizer {
    /// The tokenizer of `network` in `bundle` (`tokenizer.json`).
    pub fn of(bundle: &Bundle, network: &str) -> Result<Self, Error> {
        let failed = |reason: String| Error::Tokenizer { network: network.into(), reason };
        let path = bundle.network(network)?.tokenizer.as_deref();
        let path = path.ok_or_else(|| failed("the bundle names none".into()))?;
        let tokenizer = tokenizers::Tokenizer::from_bytes(bundle.file(path)?);
        let tokenizer = tokenizer.map_err(|error| failed(format!("{path}: {error}")))?;
        let bos = tokenizer.token_to_id(BOS).ok_or_else(|| failed(format!("{path} has no token {BOS}")))?;
        Ok(Self { tokenizer, bos, network: network.into() })
    }

    /// The beginning-of-text token and the tokens of `text`.
    pub fn with_bos(&self, text: &str) -> Result<Vec<u32>, Error> {
        // Special tokens are added here and not by the file's template: published files disagree about them.
        let encoding = self.tokenizer.encode(text, false).map_err(|error| self.failed(&*error))?;
        Ok(std::iter::once(self.bos).chain(encoding.get_ids().iter().copied()).collect())
    }

    /// The words of `tokens`, special ones left out.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, Error> {
        self.tokenizer.decode(tokens, true).map_err(|error| self.failed(&*error))
    }

    fn failed(&self, error: &dyn std::error::Error) -> Error {
        Error::Tokenizer { network: self.network.clone(), reason: error.to_string() }
    }
}
