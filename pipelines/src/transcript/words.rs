//! Where a text may be parted: at spaces and, in scripts that put none between words, between characters.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Blocks of scripts that put no spaces between words.
const WITHOUT_SPACES: [(char, char); 13] = [
    ('\u{0e00}', '\u{0eff}'),   // Thai, Lao
    ('\u{0f00}', '\u{0fff}'),   // Tibetan
    ('\u{1000}', '\u{109f}'),   // Myanmar
    ('\u{1780}', '\u{17ff}'),   // Khmer
    ('\u{2e80}', '\u{2fdf}'),   // radicals
    ('\u{3000}', '\u{30ff}'),   // punctuation, Hiragana, Katakana
    ('\u{3100}', '\u{312f}'),   // Bopomofo
    ('\u{31a0}', '\u{31ff}'),   // more of both
    ('\u{3400}', '\u{4dbf}'),   // Han
    ('\u{4e00}', '\u{9fff}'),   // Han
    ('\u{f900}', '\u{faff}'),   // Han
    ('\u{ff00}', '\u{ff9f}'),   // full and half width forms
    ('\u{20000}', '\u{3ffff}'), // Han
];

/// The smallest parts that are kept whole, as ranges of bytes in order: what lies between them are spaces or nothing.
pub fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    for token in text.split_whitespace() {
        // `split_whitespace` hands out slices of `text`.
        let start = token.as_ptr() as usize - text.as_ptr() as usize;
        characters(token, start, &mut words);
    }
    words
}

fn characters(token: &str, start: usize, words: &mut Vec<Range<usize>>) {
    if !token.chars().any(is_without_spaces) {
        words.push(start..start + token.len());
        return;
    }
    let mut before: Option<&str> = None;
    for (at, cluster) in token.grapheme_indices(true) {
        let range = start + at..start + at + cluster.len();
        match (before, words.last_mut()) {
            (Some(before), Some(word)) if !may_part(before, cluster) => word.end = range.end,
            _ => words.push(range),
        }
        before = Some(cluster);
    }
}

/// Between two characters of which one belongs to a script without spaces, but not between a bracket or a sign and what it
/// belongs to: a full stop must not begin a window.
fn may_part(before: &str, after: &str) -> bool {
    let (Some(first), Some(last), Some(next)) =
        (before.chars().next(), before.chars().next_back(), after.chars().next())
    else {
        return false;
    };
    let somewhere = is_without_spaces(first) || is_without_spaces(next);
    somewhere && !opens(first) && !leads(last) && !follows(next) && (!is_mark(next) || opens(next))
}

fn opens(letter: char) -> bool {
    "([{「『（【《〈〔“‘".contains(letter)
}

/// Thai and Lao write some vowels before the consonant that they follow in speech; Khmer and Myanmar have a sign that
/// puts the next consonant below.
fn leads(letter: char) -> bool {
    matches!(letter, '\u{0e40}'..='\u{0e44}' | '\u{0ec0}'..='\u{0ec4}' | '\u{17d2}' | '\u{1039}')
}

/// Vowels and signs behind a consonant, where Unicode counts them as characters of their own; small kana.
fn follows(letter: char) -> bool {
    let thai = matches!(letter, '\u{0e2f}' | '\u{0e30}' | '\u{0e32}' | '\u{0e33}' | '\u{0e45}' | '\u{0e46}');
    let lao = matches!(letter, '\u{0eaf}' | '\u{0eb0}' | '\u{0eb2}' | '\u{0eb3}' | '\u{0ec6}');
    let myanmar =
        matches!(letter, '\u{102b}'..='\u{103e}' | '\u{1062}'..='\u{106d}' | '\u{1083}'..='\u{108f}');
    thai || lao || myanmar || "々ーｰぁぃぅぇぉっゃゅょァィゥェォッャュョ".contains(letter)
}

/// Punctuation, which belongs to what stands before it.
fn is_mark(letter: char) -> bool {
    letter.is_ascii_punctuation() || "、。，．！？：；…‥・」』）】》〉〕”’–—་།".contains(letter)
}

fn is_without_spaces(letter: char) -> bool {
    WITHOUT_SPACES.iter().any(|&(first, last)| (first..=last).contains(&letter))
}

/// Whether a sentence ends with this word, quotes and brackets behind it aside.
pub fn ends_sentence(word: &str) -> bool {
    let word = word.trim_end_matches(|letter: char| "\"'”’»)]}」』）】》".contains(letter));
    word.ends_with(|letter: char| ".!?…。！？．؟۔।॥།".contains(letter))
}
