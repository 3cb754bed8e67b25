//! Word by word: which words two texts share.

/// Cells of the table of distances beyond which words are not compared: 16 MB, and well under a second.
const MOST_CELLS: usize = 1 << 24;

/// A text in words, each with what is compared: letters and digits in lower case.
struct Words<'a> {
    words: Vec<(&'a str, String)>,
}

/// The shortest way from one text to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alignment<'a> {
    /// Words of the first text, and whether the other one has them at that place.
    pub first: Vec<(&'a str, bool)>,
    /// The same of the second text.
    pub second: Vec<(&'a str, bool)>,
    /// Words to replace, to leave out and to put in.
    pub errors: usize,
    /// Words of the first text that were compared.
    pub words: usize,
}

/// Aligns two texts as the word error rate does; `None` where they are too long for it.
///
/// Upper case and punctuation do not count. Scripts that write no spaces are compared letter by letter.
pub fn align<'a>(first: &'a str, second: &'a str) -> Option<Alignment<'a>> {
    let (first, second) = (Words::of(first), Words::of(second));
    let (a, b) = (first.compared(), second.compared());
    if (a.len() + 1).checked_mul(b.len() + 1)? > MOST_CELLS {
        return None;
    }
    let (errors, in_first, in_second) = shared(&a, &b);
    let (words, first, second) = (a.len(), first.marked(&in_first), second.marked(&in_second));
    Some(Alignment { first, second, errors, words })
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let words = text.split_whitespace().flat_map(pieces).map(|word| (word, plain(word))).collect();
        Self { words }
    }

    fn compared(&self) -> Vec<&str> {
        self.words.iter().map(|(_, plain)| plain.as_str()).filter(|plain| !plain.is_empty()).collect()
    }

    /// Each word with its mark; what is punctuation only is never marked.
    fn marked(&self, shared: &[bool]) -> Vec<(&'a str, bool)> {
        let mut shared = shared.iter();
        let mut mark = |plain: &str| plain.is_empty() || shared.next().is_some_and(|shared| *shared);
        self.words.iter().map(|(word, plain)| (*word, mark(plain))).collect()
    }
}

/// Letters and digits in lower case.
fn plain(word: &str) -> String {
    word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A word, or its letters where the script writes no spaces.
fn pieces(word: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, letter) in word.char_indices().filter(|(_, letter)| unspaced(*letter)) {
        pieces.extend(
            [&word[start..at], &word[at..at + letter.len_utf8()]]
                .into_iter()
                .filter(|piece| !piece.is_empty()),
        );
        start = at + letter.len_utf8();
    }
    pieces.extend(Some(&word[start..]).filter(|piece| !piece.is_empty()));
    pieces
}

/// Kana and Han.
fn unspaced(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// How a cell of the table is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Both,
    First,
    Second,
}

/// Levenshtein's distance in words, and the words on both sides that its path keeps.
fn shared(a: &[&str], b: &[&str]) -> (usize, Vec<bool>, Vec<bool>) {
    let width = b.len() + 1;
    let mut steps = vec![Step::Second; (a.len() + 1) * width];
    let mut above: Vec<usize> = (0..width).collect();
    for (row, word) in a.iter().enumerate() {
        let mut line = vec![row + 1; width];
        steps[(row + 1) * width] = Step::First;
        for (column, other) in b.iter().enumerate() {
            let both = above[column] + usize::from(word != other);
            let (first, second) = (above[column + 1] + 1, line[column] + 1);
            let least = both.min(first).min(second);
            line[column + 1] = least;
            steps[(row + 1) * width + column + 1] = match least {
                least if least == both => Step::Both,
                least if least == first => Step::First,
                _ => Step::Second,
            };
        }
        above = line;
    }
    let (mut in_a, mut in_b) = (vec![false; a.len()], vec![false; b.len()]);
    let (mut row, mut column) = (a.len(), b.len());
    while row > 0 || column > 0 {
        let step = steps[row * width + column];
        (row, column) = (row - usize::from(step != Step::Second), column - usize::from(step != Step::First));
        if step == Step::Both {
            in_a[row] = a[row] == b[column];
            in_b[column] = in_a[row];
        }
    }
    (above[b.len()], in_a, in_b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(words: &[(&str, bool)]) -> Vec<String> {
        words.iter().filter(|(_, shared)| !shared).map(|(word, _)| (*word).to_owned()).collect()
    }

    #[test]
    fn replaced_missing_and_added_words_are_marked() {
        let aligned = align("I really loved it, every minute.", "i loved at every single minute").unwrap();
        assert_eq!(lacking(&aligned.first), ["really", "it,"]);
        assert_eq!(lacking(&aligned.second), ["at", "single"]);
        assert_eq!((aligned.errors, aligned.words), (3, 6));
    }

    #[test]
    fn case_and_punctuation_do_not_count() {
        let aligned = align("Don\u{2019}t \u{2013} STOP!", "don't stop").unwrap();
        assert_eq!((aligned.errors, aligned.words), (0, 2));
        assert!(lacking(&aligned.first).is_empty());
    }

    #[test]
    fn scripts_without_spaces_are_compared_letter_by_letter() {
        let aligned = align("我很高兴", "我不高兴").unwrap();
        assert_eq!((lacking(&aligned.first), aligned.errors, aligned.words), (vec!["很".to_owned()], 1, 4));
    }

    #[test]
    fn empty_and_endless_texts_are_no_trouble() {
        assert_eq!(align("", "").unwrap().errors, 0);
        assert_eq!(align("", "a b").unwrap().errors, 2);
        let endless = "word ".repeat(10_000);
        assert_eq!(align(&endless, &"word ".repeat(200)).unwrap().errors, 9_800);
        assert_eq!(align(&endless, &endless), None);
    }
}
