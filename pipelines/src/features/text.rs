//! The words: transcript -> LLM hidden states.

use std::sync::Arc;

use affekt_core::FeatureKind;
use affekt_generate::{Batch, CausalLm};
use affekt_nn::kv_cache::Group;
use affekt_weights::Bundle;
use candle_core::{DType, Tensor};

use super::Width;
use crate::Error;
use crate::fitting::{self, Limit};
use crate::networks::LanguageModel;
use crate::recipe::{Recipes, TextRecipe};

/// Tokens of a forward pass beyond which another text has to wait for the next one. On a CPU with two cores a pass is
/// bound by arithmetic from some dozens of rows on.
const MOST_ROWS: usize = 256;
/// The same on a card, which needs more to be bound by arithmetic.
const CARD_ROWS: usize = 2048;

/// The feature of a transcript.
pub struct Text {
    /// (tokens + 1, width), one row a token, the beginning-of-text token's first.
    pub feature: Tensor,
    /// Tokens of the words that were read.
    pub tokens: usize,
    /// How much was read, where not all of it was.
    pub cut: Option<Cut>,
}

/// A transcript longer than the language model's context, in tokens, that of the beginning among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How many were read.
    pub read: usize,
    /// How many there are.
    pub given: usize,
}

/// The language model as it reads words.
pub struct Encoder {
    language: Arc<LanguageModel>,
    recipe: TextRecipe,
    /// Rows of a forward pass.
    limit: Limit,
    width: Width,
}

/// A transcript as the network takes it.
struct Words {
    embeddings: Tensor, // (t, width)
    given: usize,
}

impl Words {
    fn rows(&self) -> usize {
        self.embeddings.dims()[0]
    }
}

impl Encoder {
    /// What `recipes` want of the loaded `language`.
    pub fn new(bundle: &Bundle, recipes: &Recipes, language: Arc<LanguageModel>) -> Result<Self, Error> {
        let recipe = recipes.text.clone();
        recipe.layers.resolve(language.network.hidden_entries())?;
        let width = Width::of(bundle, recipes, FeatureKind::Text, language.width)?;
        let limit = Limit::new(if language.device.is_cpu() { MOST_ROWS } else { CARD_ROWS });
        Ok(Self { language, recipe, limit, width })
    }

    /// Numbers a row.
    pub fn width(&self) -> usize {
        self.width.numbers
    }

    /// Rows of a forward pass, at most.
    pub fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Encodes a transcript; of one with more tokens than the language model has positions the first ones.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], [`Error::NotFinite`], and what candle reports.
    pub fn encode(&self, transcript: &str) -> Result<Text, Error> {
        let mut texts = self.encode_batch(&[transcript]);
        texts.pop().expect("one answer a transcript")
    }

    /// Encodes transcripts together, each as if it were alone, to the last bit: one answer a transcript in the given
    /// order. The tokens of several make one forward pass, row after row, and no row sees those of another text; so
    /// nothing is padded, whatever their lengths.
    ///
    /// # Errors
    /// As [`Encoder::encode`]; an error of one transcript is its own.
    pub fn encode_batch(&self, transcripts: &[&str]) -> Vec<Result<Text, Error>> {
        let words: Vec<Result<Words, Error>> = transcripts.iter().map(|text| self.words(text)).collect();
        let sound: Vec<&Words> = words.iter().filter_map(|words| words.as_ref().ok()).collect();
        let mut states = Vec::with_capacity(sound.len());
        let device = &self.language.device;
        let rows = |texts: &[&Words]| texts.iter().map(|words| words.rows()).sum();
        let makes_room = |error: &Error| error.makes_room(device);
        // One text shall not cost its neighbours.
        for (count, read) in fitting::run(&sound, &self.limit, rows, makes_room, |pass| self.read(pass)) {
            match read {
                Ok(read) => states.extend(read.into_iter().map(Ok)),
                Err(error) => {
                    debug_assert_eq!(count, 1, "only one text fails at a time");
                    states.push(Err(error.explained(device, "the words of one clip", None)));
                }
            }
        }
        let mut states = states.into_iter();
        let answer = |words: Result<Words, Error>| {
            let words = words?;
            let feature = self.width.held(states.next().expect("one for each sound text")?)?;
            let (read, given) = (words.rows(), words.given);
            Ok(Text { feature, tokens: read - 1, cut: (given > read).then_some(Cut { read, given }) })
        };
        words.into_iter().map(answer).collect()
    }

    fn words(&self, transcript: &str) -> Result<Words, Error> {
        let (embeddings, given) = self.language.embed(transcript)?;
        Ok(Words { embeddings: embeddings.squeeze(0)?, given })
    }

    /// One forward pass over some texts: the states of each, (t, width).
    fn read(&self, texts: &[&Words]) -> Result<Vec<Tensor>, Error> {
        let network = &self.language.network;
        let layers = self.recipe.layers.resolve(network.hidden_entries())?;
        let embeddings: Vec<&Tensor> = texts.iter().map(|text| &text.embeddings).collect();
        let embeddings = Tensor::cat(&embeddings, 0)?; // (n, width)
        let rows = embeddings.dim(0)?;
        let slots: Vec<u32> = (0..rows as u32).collect();
        let mut batch = Batch { slots: slots.clone(), ..Batch::default() };
        let mut first = 0;
        for text in texts {
            let own = &slots[first..first + text.rows()];
            batch.positions.extend(0..own.len() as u32);
            let own = (1..=own.len()).map(|seen| &own[..seen]).collect();
            batch.groups.push(Group { shared: &[], own });
            first += text.rows();
        }
        let mut memory = network.new_cache(rows)?;
        let states = network.step(&embeddings, &batch, &mut memory, &layers)?.hidden.to_dtype(DType::F32)?; // (n, width)
        let mut first = 0;
        let rows_of = |text: &&Words| {
            let rows = states.narrow(0, first, text.rows())?;
            first += text.rows();
            // A view would keep the whole batch in memory for as long as one of its texts is kept.
            if texts.len() == 1 { Ok(rows) } else { Ok(rows.copy()?) }
        };
        texts.iter().map(rows_of).collect()
    }
}
