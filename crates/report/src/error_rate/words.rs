//! A text in words, as error rates compare it: see [`crate::error_rate`] for the rules.

use unicode_normalization_alignments::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// What encloses a note of a transcriber.
const BRACKETS: [(char, char); 5] = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>'), ('&', ';')];
/// Letters of the longest entity and of the longest tag.
const ENTITY: usize = 8;
const TAG: usize = 40;
/// Hesitations and sounds: notes where they stand in parentheses.
const SOUNDS: [&str; 39] = [
    "ah",
    "ahh",
    "and",
    "applause",
    "cheering",
    "cheers",
    "clears",
    "cough",
    "coughs",
    "crosstalk",
    "eh",
    "ehh",
    "er",
    "hm",
    "hmm",
    "inaudible",
    "laugh",
    "laughing",
    "laughs",
    "laughter",
    "mhm",
    "mm",
    "mmm",
    "mumble",
    "mumbles",
    "music",
    "noise",
    "pause",
    "sigh",
    "sighs",
    "stutter",
    "stutters",
    "throat",
    "uh",
    "uhh",
    "uhm",
    "um",
    "umhh",
    "umm",
];

/// A text in words.
pub struct Words<'a> {
    words: Vec<Word<'a>>,
}

struct Word<'a> {
    /// As it stands in the text, with the punctuation at its ends.
    shown: &'a str,
    /// What is compared of it; empty where nothing is.
    plain: String,
    /// Whether it is a character of a script that writes no spaces.
    unspaced: bool,
}

impl<'a> Words<'a> {
    /// Divides `text`.
    pub fn of(text: &'a str) -> Self {
        let mut words = Vec::new();
        let mut rest = text;
        while let Some((at, length)) = next_note(rest) {
            words.extend(rest[..at].split_whitespace().flat_map(pieces));
            words.push(Word { shown: &rest[at..at + length], plain: String::new(), unspaced: false });
            rest = &rest[at + length..];
        }
        words.extend(rest.split_whitespace().flat_map(pieces));
        Self { words }
    }

    /// What is compared, word by word.
    pub fn compared(&self) -> Vec<&str> {
        self.spoken().map(|word| word.plain.as_str()).collect()
    }

    /// What is compared, character by character, with a space between two words.
    pub fn characters(&self) -> Vec<char> {
        let mut characters = Vec::new();
        let mut after_unspaced = true;
        for Word { plain, unspaced, .. } in self.spoken() {
            if !(characters.is_empty() || after_unspaced && *unspaced) {
                characters.push(' ');
            }
            characters.extend(plain.chars());
            after_unspaced = *unspaced;
        }
        characters
    }

    /// Each word with its mark of `shared`, which has one for every word that is compared; what is not compared is never
    /// marked.
    pub fn marked(&self, shared: &[bool]) -> Vec<(&'a str, bool)> {
        let mut shared = shared.iter();
        let mut mark = |word: &Word| word.plain.is_empty() || shared.next().is_some_and(|shared| *shared);
        self.words.iter().map(|word| (word.shown, mark(word))).collect()
    }

    fn spoken(&self) -> impl Iterator<Item = &Word<'a>> {
        self.words.iter().filter(|word| !word.plain.is_empty())
    }
}

/// Where the next note begins, and its length, in bytes.
fn next_note(text: &str) -> Option<(usize, usize)> {
    let opens = |(at, letter): (usize, char)| {
        let (open, close) = BRACKETS.into_iter().find(|(open, _)| *open == letter)?;
        // A second opening before the end: the first one was none.
        let inside = &text[at + 1..];
        let end = inside.find([open, close]).filter(|end| inside[*end..].starts_with(close))?;
        is_note(open, &inside[..end]).then_some((at, end + 2))
    };
    text.char_indices().find_map(opens)
}

fn is_note(open: char, inside: &str) -> bool {
    match open {
        '(' => {
            let mut words = inside.split_whitespace().peekable();
            words.peek().is_some() && words.all(|word| SOUNDS.contains(&word.to_ascii_lowercase().as_str()))
        }
        '<' => {
            inside.len() <= TAG
                && inside.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        }
        '&' => {
            let is_name = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'#';
            (1..=ENTITY).contains(&inside.len()) && inside.bytes().all(is_name)
        }
        _ => true,
    }
}

/// What a character does to the words around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Letter,
    Unspaced,
    /// Neither a letter nor the end of a word.
    Silent,
    Divider,
}

/// The words of a text without blanks.
fn pieces(text: &str) -> Vec<Word<'_>> {
    let mut pieces: Vec<Word> = Vec::new();
    let mut push = |shown, unspaced| pieces.push(Word { shown, plain: plain(shown), unspaced });
    let (mut start, mut seen, mut unspaced, mut divided) = (0, false, false, false);
    for (at, cluster) in text.grapheme_indices(true) {
        match role(text, at, cluster) {
            Role::Silent => {}
            Role::Divider => divided = seen,
            role @ (Role::Letter | Role::Unspaced) => {
                if seen && (divided || unspaced || role == Role::Unspaced) {
                    push(&text[start..at], unspaced);
                    start = at;
                }
                (seen, unspaced, divided) = (true, role == Role::Unspaced, false);
            }
        }
    }
    if !text.is_empty() {
        push(&text[start..], unspaced);
    }
    pieces
}

fn role(text: &str, at: usize, cluster: &str) -> Role {
    let letter = cluster.chars().next().unwrap_or(' ');
    match letter {
        letter if is_apostrophe(letter) || is_invisible(letter) => Role::Silent,
        letter if is_unspaced(letter) && letter.is_alphanumeric() => Role::Unspaced,
        letter if letter.is_alphanumeric() => Role::Letter,
        ',' if joins_digits(text, at) => Role::Silent,
        '.' if ends_initial(text, at) => Role::Silent,
        _ => Role::Divider,
    }
}

/// Apostrophes, accents that stand for one, and the sign of what could not be decoded.
fn is_apostrophe(letter: char) -> bool {
    matches!(
        letter,
        '\'' | '`' | '\u{b4}' | '\u{2bc}' | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{ff07}' | '\u{fffd}'
    )
}

/// Soft hyphens, joiners, marks of direction.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// Kana and Han; Thai, Lao, Burmese and Khmer.
fn is_unspaced(letter: char) -> bool {
    matches!(
        letter,
        '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
            | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{323af}' | '\u{e00}'..='\u{eff}'
            | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
    )
}

fn joins_digits(text: &str, at: usize) -> bool {
    let digit = |letter: Option<char>| letter.is_some_and(char::is_numeric);
    digit(text[..at].chars().next_back()) && digit(text[at + 1..].chars().next())
}

/// Whether the full stop follows a single letter that follows none, and a letter follows it: `U.S`, `e.g`.
fn ends_initial(text: &str, at: usize) -> bool {
    let mut before = text[..at].chars().rev();
    let single =
        before.next().is_some_and(char::is_alphabetic) && !before.next().is_some_and(char::is_alphanumeric);
    single && text[at + 1..].starts_with(char::is_alphabetic)
}

/// Letters and digits, case folded, composed.
fn plain(shown: &str) -> String {
    if shown.is_ascii() {
        return shown
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase())
            .collect();
    }
    // To upper case first: that is where ß becomes SS, and both small sigmas one.
    let folded = shown.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    // A fraction such as ½ would fall apart into digits.
    let fraction = |letter| matches!(letter, '\u{bc}'..='\u{be}' | '\u{2150}'..='\u{215f}');
    let composed: String = match shown.contains(fraction) {
        true => folded.nfc().map(|(letter, _)| letter).collect(),
        false => folded.nfkc().map(|(letter, _)| letter).collect(),
    };
    composed.chars().filter(|letter| letter.is_alphanumeric() && !is_apostrophe(*letter)).collect()
}
