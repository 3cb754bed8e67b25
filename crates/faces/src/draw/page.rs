//! A picture that grows downwards while it is drawn.

use affekt_core::RgbImage;

use super::canvas::{Colour, LETTER, fill, text};

/// Width of a page in pixels.
pub(super) const WIDTH: usize = 1232;
/// Space between things, and around them.
pub(super) const GAP: usize = 8;

pub(super) const PAPER: Colour = [24, 26, 30];
pub(super) const INK: Colour = [235, 235, 235];
pub(super) const FAINT: Colour = [150, 155, 160];

/// A page in the making.
pub(super) struct Page {
    pub(super) image: RgbImage,
}

impl Page {
    /// An empty page.
    pub(super) fn new() -> Self {
        let mut page = Self { image: RgbImage::black(WIDTH, 0) };
        page.extend(GAP);
        page
    }

    /// Adds `height` rows; returns the first.
    pub(super) fn extend(&mut self, height: usize) -> usize {
        let top = self.image.height;
        self.image.height += height;
        self.image.data.extend(PAPER.iter().cycle().take(3 * WIDTH * height));
        top
    }

    /// Writes a paragraph with letters of 8 x 8 pixels times `scale`.
    pub(super) fn paragraph(&mut self, scale: usize, colour: Colour, words: &str) {
        for line in wrapped(words, (WIDTH - 2 * GAP) / (LETTER * scale)) {
            let y = self.extend(LETTER * scale + GAP / 2);
            text(&mut self.image, GAP as i64, y as i64, scale as i64, colour, &line);
        }
        self.extend(GAP / 2);
    }

    /// Writes pieces side by side, each after a square of its colour.
    pub(super) fn legend(&mut self, pieces: &[(Colour, &str)]) {
        let square = LETTER * 3 / 2;
        let y = self.extend(square + GAP) as i64;
        let mut x = GAP as i64;
        for (colour, piece) in pieces {
            fill(&mut self.image, x, y, square as i64, square as i64, *colour);
            x += (square + GAP / 2) as i64;
            text(&mut self.image, x, y + 2, 1, FAINT, piece);
            x += (piece.chars().count() * LETTER + 3 * GAP) as i64;
        }
    }
}

/// `words` in lines of at most `columns` letters.
fn wrapped(words: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split_whitespace() {
        let word = shortened(word, columns);
        let line = lines.last_mut().expect("there is one from the beginning");
        let length = line.chars().count();
        if length > 0 && length + 1 + word.chars().count() > columns {
            lines.push(word);
        } else {
            line.push_str(if length > 0 { " " } else { "" });
            line.push_str(&word);
        }
    }
    lines
}

/// `word` in at most `columns` letters: dots stand for its middle.
pub(super) fn shortened(word: &str, columns: usize) -> String {
    let letters: Vec<char> = word.chars().collect();
    if letters.len() <= columns {
        return word.to_owned();
    }
    let kept = columns.saturating_sub(3);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let part = |range: std::ops::Range<usize>| letters[range].iter().collect::<String>();
    part(0..head) + "..." + &part(letters.len() - tail..letters.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_what_fits() {
        assert_eq!(wrapped("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrapped("", 9), [""]);
        assert_eq!(wrapped("abcdefghijklmnop q", 9), ["abc...nop", "q"]);
        assert_eq!(shortened("abcdefgh", 8), "abcdefgh");
        assert_eq!(shortened("\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}", 4), "\u{e4}...");
    }

    #[test]
    fn a_page_grows_with_what_is_on_it() {
        let mut page = Page::new();
        page.paragraph(3, INK, &"word ".repeat(100));
        page.legend(&[(INK, "x"), (FAINT, &"y".repeat(500))]);
        assert_eq!(page.image.data.len(), 3 * WIDTH * page.image.height);
        assert!(page.image.height > 200);
    }
}
