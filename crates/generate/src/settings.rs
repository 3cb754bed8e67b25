//! How to generate.

use affekt_core::LayerRule;

use crate::Error;

/// Which release of transformers' `generate` decides how hypotheses are scored and when a search stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scorer {
    /// 5.x: score = sum / length, the end token counted. Stops when the best running beam is no better than the worst
    /// hypothesis kept.
    #[default]
    Hf5,
    /// 4.35, which made the published features: score = sum / length, the end token not counted. Stops when the best
    /// of all candidates, ended ones included, is no better than the worst hypothesis kept.
    Hf4,
}

/// Settings of a beam search. Every penalty is 1, nothing is sampled, early stopping is off.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Beams; 1 is greedy decoding.
    pub beams: usize,
    /// Most tokens to generate, the end token counted.
    pub max_new_tokens: usize,
    /// Tokens that end a text; may be none.
    pub eos: Vec<u32>,
    /// Scores and stop rule.
    pub scorer: Scorer,
    /// The hidden states whose sum is returned.
    pub layers: LayerRule,
}

impl Default for Settings {
    /// SLAM-ASR's decoding with a Llama-2 vocabulary: 4 beams, at most 200 tokens, `</s>` = 2, hidden states of entry
    /// -4.
    fn default() -> Self {
        Self {
            beams: 4,
            max_new_tokens: 200,
            eos: vec![2],
            scorer: Scorer::default(),
            layers: LayerRule::entry(-4),
        }
    }
}

impl Settings {
    /// Candidates looked at in a step: enough that `beams` of them go on even if every end token is among them.
    pub(crate) fn candidates(&self) -> usize {
        self.beams * (1 + self.eos.len()).max(2)
    }

    /// Refuses what no search can run with, given a vocabulary of `vocab` tokens.
    pub(crate) fn check(&self, vocab: usize) -> Result<(), Error> {
        if self.beams == 0 {
            return Err(Error::BadSetting { name: "beams", value: 0, wanted: "1 or more" });
        }
        if self.max_new_tokens == 0 {
            return Err(Error::BadSetting { name: "max_new_tokens", value: 0, wanted: "1 or more" });
        }
        if self.candidates() > self.beams * vocab {
            return Err(Error::BadSetting {
                name: "vocabulary size",
                value: vocab,
                wanted: "more tokens than end tokens",
            });
        }
        Ok(())
    }
}
