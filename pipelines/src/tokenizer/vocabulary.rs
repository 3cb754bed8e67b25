//! What a SentencePiece model file says. Field numbers and defaults are those of `sentencepiece_model.proto`.
//!
//! Only what Llama's vocabularies need is taken: merges (BPE) with bytes for unknown characters and text as it is.
//! Everything else is refused by name, since ignoring it would give other tokens silently.

use std::collections::HashMap;

use affekt_weights::protobuf::{Broken, Field, Message};

/// More pieces than any published vocabulary has (the largest has a quarter of it).
const MAX_PIECES: usize = 1 << 20;
/// More bytes than a piece of any published vocabulary has: a piece is cut in all ways.
const MAX_BYTES: usize = 512;

/// Why a model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadModel {
    /// It is damaged, or something else.
    #[error("this is no SentencePiece model ({0})")]
    Broken(#[from] Broken),
    /// It contradicts itself, or asks for what is not built.
    #[error("{0}")]
    Unfit(String),
}

/// What a piece stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Itself.
    Normal,
    /// Nothing that can be read: begin and end of text, unknown text.
    Special,
    /// A byte of UTF-8.
    Byte(u8),
}

/// An entry of the vocabulary.
pub(super) struct Piece<'a> {
    /// As the file spells it, with `▁` for a space.
    pub text: &'a str,
    /// The higher, the earlier its parts are merged.
    pub score: f32,
    /// What it stands for.
    pub kind: Kind,
}

/// A checked vocabulary.
pub(super) struct Vocabulary<'a> {
    /// The pieces by id.
    pub pieces: Vec<Piece<'a>>,
    /// The id of each piece that text is made of: normal ones, and bytes as `<0x0A>`.
    pub ids: HashMap<&'a str, u32>,
    /// The beginning of a text.
    pub bos: u32,
    /// Whether a space is put before every text.
    pub dummy_prefix: bool,
}

/// `TrainerSpec` and `NormalizerSpec`, as far as they decide about tokens.
struct Settings<'a> {
    model_type: u64,
    space_as_suffix: bool,
    bos: &'a str,
    charsmap: bool,
    dummy_prefix: bool,
    trim: bool,
    escape: bool,
}

const BPE: u64 = 2;

impl<'a> Vocabulary<'a> {
    /// Reads and checks the model file `file`.
    pub fn read(file: &'a [u8]) -> Result<Self, BadModel> {
        let mut settings = Settings {
            model_type: 1,
            space_as_suffix: false,
            bos: "<s>",
            charsmap: false,
            dummy_prefix: true,
            trim: true,
            escape: true,
        };
        let mut pieces = Vec::new();
        for field in Message::file(file).fields() {
            let field = field?;
            match field.number {
                1 if pieces.len() == MAX_PIECES => {
                    return Err(BadModel::Unfit(format!("it has more than {MAX_PIECES} pieces")));
                }
                1 => pieces.push(piece(&field, pieces.len())?),
                2 => settings.train(field.message()?)?,
                3 => settings.normalise(field.message()?)?,
                _ => {}
            }
        }
        settings.check()?;
        Self::new(pieces, &settings)
    }

    fn new(pieces: Vec<Piece<'a>>, settings: &Settings) -> Result<Self, BadModel> {
        let mut ids = HashMap::with_capacity(pieces.len());
        let mut bos = None;
        for (id, piece) in (0..).zip(&pieces) {
            let first = match piece.kind {
                Kind::Normal | Kind::Byte(_) => ids.insert(piece.text, id),
                Kind::Special if piece.text == settings.bos => bos.replace(id),
                Kind::Special => None,
            };
            if let Some(first) = first {
                let text = piece.text;
                return Err(BadModel::Unfit(format!("pieces {first} and {id} are both {text:?}")));
            }
        }
        let Some(bos) = bos else {
            return Err(BadModel::Unfit(format!("it has no piece {:?} to begin a text", settings.bos)));
        };
        let bytes: Vec<u8> = pieces.iter().filter_map(|piece| piece.byte()).collect();
        if let Some(byte) = (0..=u8::MAX).find(|byte| !bytes.contains(byte)) {
            return Err(BadModel::Unfit(format!("it has no piece <0x{byte:02X}> for unknown text")));
        }
        check_order(&pieces, &ids)?;
        Ok(Self { pieces, ids, bos, dummy_prefix: settings.dummy_prefix })
    }
}

impl Piece<'_> {
    fn byte(&self) -> Option<u8> {
        if let Kind::Byte(byte) = self.kind { Some(byte) } else { None }
    }

    /// The character of which it is a run.
    fn run(&self) -> Option<char> {
        let first = self.text.chars().next()?;
        self.text.chars().all(|letter| letter == first).then_some(first)
    }
}

/// A list of merges says the order of SentencePiece only where every character that a piece has is a piece, and where
/// equal scores belong to runs of one character.
fn check_order(pieces: &[Piece], ids: &HashMap<&str, u32>) -> Result<(), BadModel> {
    let normal = || pieces.iter().filter(|piece| piece.kind == Kind::Normal);
    let mut letter = [0; 4];
    for piece in normal() {
        if let Some(lone) = piece.text.chars().find(|c| !ids.contains_key(&*c.encode_utf8(&mut letter))) {
            let text = piece.text;
            return Err(BadModel::Unfit(format!("it has the piece {text:?} and none for {lone:?}")));
        }
    }
    let mut merged: Vec<&Piece> = normal().filter(|piece| piece.text.chars().nth(1).is_some()).collect();
    merged.sort_by(|one, other| one.score.total_cmp(&other.score));
    for pair in merged.windows(2) {
        let (one, other) = (pair[0], pair[1]);
        if one.score == other.score && (one.run().is_none() || one.run() != other.run()) {
            return Err(BadModel::Unfit(format!(
                "its pieces {:?} and {:?} have the same score; take its tokenizer.json",
                one.text, other.text
            )));
        }
    }
    Ok(())
}

fn piece<'a>(field: &Field<'a>, id: usize) -> Result<Piece<'a>, BadModel> {
    let (mut text, mut score, mut kind) = ("", 0.0, 1);
    for field in field.message()?.fields() {
        let field = field?;
        match field.number {
            1 => text = field.text()?,
            2 => score = field.float()?,
            3 => kind = field.integer()?,
            _ => {}
        }
    }
    if text.len() > MAX_BYTES {
        return Err(BadModel::Unfit(format!("piece {id} has {} bytes, more than {MAX_BYTES}", text.len())));
    }
    let unfit = |what: &str| Err(BadModel::Unfit(format!("piece {id} ({text:?}) {what}")));
    if text.is_empty() || !score.is_finite() {
        return unfit("is empty, or its score is no number");
    }
    let kind = match kind {
        1 => Kind::Normal,
        2 | 3 => Kind::Special,
        4 => return unfit("is defined by hand, which is not built"),
        5 => return unfit("is unused, which is not built"),
        6 => match byte(text) {
            Some(byte) => Kind::Byte(byte),
            None => return unfit("should be a byte such as <0x0A>"),
        },
        _ => return unfit("is of a kind that SentencePiece does not have"),
    };
    // Of two zeros, neither is lower.
    Ok(Piece { text, score: score + 0.0, kind })
}

/// The byte that `<0x0A>` stands for.
fn byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok().filter(|byte| format!("{byte:02X}") == digits)
}

impl<'a> Settings<'a> {
    fn train(&mut self, message: Message<'a>) -> Result<(), Broken> {
        for field in message.fields() {
            let field = field?;
            match field.number {
                3 => self.model_type = field.integer()?,
                24 => self.space_as_suffix = field.integer()? != 0,
                46 => self.bos = field.text()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn normalise(&mut self, message: Message) -> Result<(), Broken> {
        for field in message.fields() {
            let field = field?;
            match field.number {
                2 => self.charsmap = !field.bytes()?.is_empty(),
                3 => self.dummy_prefix = field.integer()? != 0,
                4 => self.trim = field.integer()? != 0,
                5 => self.escape = field.integer()? != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), BadModel> {
        let unfit =
            |what: &str| Err(BadModel::Unfit(format!("{what}; only vocabularies like Llama's are read")));
        if self.model_type != BPE {
            return unfit("its model is of another type than BPE");
        }
        if self.charsmap || self.trim || !self.escape || self.space_as_suffix {
            return unfit(
                "it rewrites the text before it is cut (normalisation, extra spaces, or spaces as suffixes)",
            );
        }
        Ok(())
    }
}
