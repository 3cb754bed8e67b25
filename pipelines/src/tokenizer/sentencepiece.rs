//! SentencePiece's BPE: the `tokenizers` library merges, by the order that the scores of a `tokenizer.model` say.
//!
//! SentencePiece merges, of all neighbours that make a piece together, those of the highest score first and of equals the
//! leftmost. The library merges by a list of pairs. Both come to the same where no two pieces share a score, or all that
//! do are runs of one character, as Llama's runs of spaces are: there the pair with the longer left part stands first, so
//! that a run grows from the left. `Vocabulary` refuses all others. The list says nothing of one piece that two
//! overlapping pairs make at once (`lol` in `lolol`); no text was found in which that tells, among 100 000
//! random ones that were made to overlap.
//!
//! Readings are made here. The library's decoder gives up all neighbouring byte tokens when one of them is no UTF-8.
//!
//! Source: T. Kudo, J. Richardson, "SentencePiece", EMNLP 2018 (demonstrations), section 3.1.

use std::cmp::Reverse;
use std::collections::HashMap;

use tokenizers::Model;
use tokenizers::models::bpe::{BPE, Merges, Vocab};

use super::vocabulary::{BadModel, Kind, Piece, Vocabulary};

/// What pieces have for a space.
const SPACE: &str = "▁";

/// A vocabulary at work.
pub(super) struct SentencePiece {
    /// What each id reads as.
    surfaces: Vec<Surface>,
    merging: BPE,
    bos: u32,
    dummy_prefix: bool,
}

enum Surface {
    Text(Box<str>),
    Byte(u8),
    Nothing,
}

impl SentencePiece {
    /// Reads a `tokenizer.model`.
    pub fn read(file: &[u8]) -> Result<Self, BadModel> {
        let Vocabulary { pieces, ids, bos, dummy_prefix } = &Vocabulary::read(file)?;
        let surfaces = pieces.iter().map(|piece| match piece.kind {
            Kind::Normal => Surface::Text(piece.text.replace(SPACE, " ").into()),
            Kind::Byte(byte) => Surface::Byte(byte),
            Kind::Special => Surface::Nothing,
        });
        let vocabulary: Vocab = ids.iter().map(|(text, id)| ((*text).to_owned(), *id)).collect();
        let merging = BPE::builder().vocab_and_merges(vocabulary, merges(pieces, ids));
        // A cache would keep whole texts, which hardly ever come twice.
        let merging = merging.byte_fallback(true).cache_capacity(0).build();
        let merging = merging.map_err(|error| BadModel::Unfit(error.to_string()))?;
        Ok(Self { surfaces: surfaces.collect(), merging, bos: *bos, dummy_prefix: *dummy_prefix })
    }

    /// The token that begins a text.
    pub fn bos(&self) -> u32 {
        self.bos
    }

    /// How many tokens there are.
    pub fn tokens(&self) -> usize {
        self.surfaces.len()
    }

    /// Whether `token` is there and stands for no text.
    pub fn is_special(&self, token: u32) -> bool {
        matches!(self.surfaces.get(token as usize), Some(Surface::Nothing))
    }

    /// The tokens of `text`. Spelled-out special tokens are text like any other.
    pub fn encode(&self, text: &str) -> tokenizers::Result<Vec<u32>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let prefix = if self.dummy_prefix { SPACE } else { "" };
        let text = format!("{prefix}{}", text.replace(' ', SPACE));
        Ok(self.merging.tokenize(&text)?.iter().map(|token| token.id).collect())
    }

    /// The text of `tokens`, without the space that [`Self::encode`] puts first. Special tokens, and ids that the
    /// vocabulary does not have, read as nothing; bytes that are no UTF-8, as U+FFFD each.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let mut bytes: Vec<u8> = Vec::new();
        let mut begun = false;
        for &token in tokens {
            match self.surfaces.get(token as usize) {
                Some(Surface::Text(text)) => {
                    let strip = self.dummy_prefix && !begun;
                    let text = if strip { text.strip_prefix(' ').unwrap_or(text) } else { text };
                    bytes.extend(text.as_bytes());
                }
                Some(&Surface::Byte(byte)) => bytes.push(byte),
                Some(Surface::Nothing) | None => continue,
            }
            begun = true;
        }
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        }
        text
    }
}

/// Every way to make a piece of two pieces, the ways that come first foremost.
fn merges(pieces: &[Piece], ids: &HashMap<&str, u32>) -> Merges {
    let mut ways = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.kind == Kind::Normal) {
        let cuts = piece.text.char_indices().skip(1).map(|(cut, _)| piece.text.split_at(cut));
        let known = cuts.filter(|(left, right)| ids.contains_key(left) && ids.contains_key(right));
        ways.extend(known.map(|(left, right)| (piece.score, left, right)));
    }
    ways.sort_by(|(score, left, _), (other, others_left, _)| {
        other.total_cmp(score).then(Reverse(left.len()).cmp(&Reverse(others_left.len())))
    });
    ways.into_iter().map(|(_, left, right)| (left.to_owned(), right.to_owned())).collect()
}
