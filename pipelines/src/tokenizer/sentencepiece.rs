//! SentencePiece's BPE, exactly: of all neighbours that make a piece together, those of the highest score are merged
//! first, and of equals the leftmost.
//!
//! Written out rather than turned into the list of merges that the `tokenizers` crate takes: there, equal scores and
//! pieces that can be cut in several ways are ordered by the cut and not by the place, and Llama's runs of spaces all
//! have the same score.
//!
//! Source: T. Kudo, J. Richardson, "SentencePiece", EMNLP 2018 (demonstrations), section 3.1.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use super::vocabulary::{BadModel, Kind, Vocabulary};

/// What pieces have for a space.
const SPACE: &str = "▁";

/// A vocabulary at work.
pub(super) struct SentencePiece {
    /// What each id reads as.
    surfaces: Vec<Surface>,
    /// Id and score of each normal piece.
    pieces: HashMap<Box<str>, (u32, f32)>,
    bytes: [u32; 256],
    bos: u32,
    dummy_prefix: bool,
}

enum Surface {
    Text(Box<str>),
    Byte(u8),
    Nothing,
}

/// A stretch of the text that is one piece so far, or an unknown character.
struct Symbol {
    start: usize,
    /// Equal to `start` once it is merged into the one before.
    end: usize,
    before: Option<usize>,
    after: Option<usize>,
}

/// Two neighbours that make a piece together. Ordered by which is merged first.
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of both: when they have changed, the pair is no more.
    len: usize,
}

impl SentencePiece {
    /// Reads a `tokenizer.model`.
    pub fn read(file: &[u8]) -> Result<Self, BadModel> {
        let Vocabulary { pieces, ids, bytes, bos, dummy_prefix } = Vocabulary::read(file)?;
        let surfaces = pieces.iter().map(|piece| match piece.kind {
            Kind::Normal => Surface::Text(piece.text.replace(SPACE, " ").into()),
            Kind::Byte(byte) => Surface::Byte(byte),
            Kind::Special => Surface::Nothing,
        });
        let surfaces = surfaces.collect();
        let scored = |(text, id): (&str, u32)| (Box::from(text), (id, pieces[id as usize].score));
        let pieces = ids.into_iter().map(scored).collect();
        Ok(Self { surfaces, pieces, bytes, bos, dummy_prefix })
    }

    /// The token that begins a text.
    pub fn bos(&self) -> u32 {
        self.bos
    }

    /// The tokens of `text`. Spelled-out special tokens are text like any other.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        if text.is_empty() {
            return Vec::new();
        }
        let prefix = if self.dummy_prefix { " " } else { "" };
        let text = format!("{prefix}{text}").replace(' ', SPACE);
        let mut tokens = Vec::new();
        for symbol in self.merged(&text).iter().filter(|symbol| symbol.start < symbol.end) {
            let part = &text[symbol.start..symbol.end];
            match self.pieces.get(part) {
                Some(&(id, _)) => tokens.push(id),
                None => tokens.extend(part.bytes().map(|byte| self.bytes[usize::from(byte)])),
            }
        }
        tokens
    }

    fn merged(&self, text: &str) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(index, (start, letter))| {
                let end = start + letter.len_utf8();
                let after = (end < text.len()).then_some(index + 1);
                Symbol { start, end, before: index.checked_sub(1), after }
            })
            .collect();
        let mut queue: BinaryHeap<Pair> =
            (1..symbols.len()).filter_map(|right| self.pair(text, &symbols, right - 1, right)).collect();
        while let Some(Pair { left, right, len, .. }) = queue.pop() {
            let Symbol { start, end, after, .. } = symbols[right];
            let merged_before = start == end || symbols[left].start == symbols[left].end;
            if merged_before || end - symbols[left].start != len {
                continue;
            }
            symbols[left].end = end;
            symbols[left].after = after;
            symbols[right].end = start;
            if let Some(after) = after {
                symbols[after].before = Some(left);
                queue.extend(self.pair(text, &symbols, left, after));
            }
            if let Some(before) = symbols[left].before {
                queue.extend(self.pair(text, &symbols, before, left));
            }
        }
        symbols
    }

    /// The pair of two neighbours, where they make a piece.
    fn pair(&self, text: &str, symbols: &[Symbol], left: usize, right: usize) -> Option<Pair> {
        let part = &text[symbols[left].start..symbols[right].end];
        let &(_, score) = self.pieces.get(part)?;
        Some(Pair { score, left, right, len: part.len() })
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

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(Reverse(self.left).cmp(&Reverse(other.left)))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pair {}
