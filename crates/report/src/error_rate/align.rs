//! The shortest way from one text to another: Levenshtein's distance, and what its path keeps.

use super::words::Words;

/// Cells of the table of distances beyond which words are not marked: 16 MB, and well under a second.
const MOST_MARKED: usize = 1 << 24;
/// Cells beyond which nothing is counted: about a second.
const MOST_COUNTED: usize = 1 << 28;

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
pub fn align<'a>(first: &'a str, second: &'a str) -> Option<Alignment<'a>> {
    let (first, second) = (Words::of(first), Words::of(second));
    let (a, b) = (first.compared(), second.compared());
    let (errors, in_first, in_second) = shared(&a, &b)?;
    let (words, first, second) = (a.len(), first.marked(&in_first), second.marked(&in_second));
    Some(Alignment { first, second, errors, words })
}

/// The fewest errors, and of which kind; the rest of them are substitutions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub errors: usize,
    pub deletions: usize,
    pub insertions: usize,
}

/// How a cell of the table is reached: with an item of both sides, or of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Both,
    First,
    Second,
}

/// The rule wherever several ways are equally short: rather replace than leave out, rather leave out than put in.
fn shortest(both: usize, first: usize, second: usize) -> (Step, usize) {
    let least = both.min(first).min(second);
    let step = match least {
        least if least == both => Step::Both,
        least if least == first => Step::First,
        _ => Step::Second,
    };
    (step, least)
}

/// What lies between the beginning and the end that both sides share, and the length of these.
fn differing<'a, T: PartialEq>(a: &'a [T], b: &'a [T]) -> (&'a [T], &'a [T], usize, usize) {
    let head = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[head..], &b[head..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    (&a[..a.len() - tail], &b[..b.len() - tail], head, tail)
}

/// Errors of `b` against `a`, in memory of the length of `b`; `None` beyond [`MOST_COUNTED`].
pub fn count<T: PartialEq>(a: &[T], b: &[T]) -> Option<Count> {
    let (a, b, ..) = differing(a, b);
    if a.is_empty() || b.is_empty() {
        return Some(Count { errors: a.len() + b.len(), deletions: a.len(), insertions: b.len() });
    }
    a.len().checked_mul(b.len()).filter(|cells| *cells <= MOST_COUNTED)?;
    let inserted = |length| Count { errors: length, deletions: 0, insertions: length };
    let mut line: Vec<Count> = (0..=b.len()).map(inserted).collect();
    for (row, item) in a.iter().enumerate() {
        let deleted = Count { errors: row + 1, deletions: row + 1, insertions: 0 };
        let mut diagonal = std::mem::replace(&mut line[0], deleted);
        for (column, other) in b.iter().enumerate() {
            let (above, left) = (line[column + 1], line[column]);
            let (step, errors) =
                shortest(diagonal.errors + usize::from(item != other), above.errors + 1, left.errors + 1);
            line[column + 1] = match step {
                Step::Both => Count { errors, ..diagonal },
                Step::First => Count { errors, deletions: above.deletions + 1, ..above },
                Step::Second => Count { errors, insertions: left.insertions + 1, ..left },
            };
            diagonal = above;
        }
    }
    line.last().copied()
}

/// The fewest errors, and the items on both sides that the way keeps; `None` beyond [`MOST_MARKED`].
fn shared(a: &[&str], b: &[&str]) -> Option<(usize, Vec<bool>, Vec<bool>)> {
    let (mut in_a, mut in_b) = (vec![true; a.len()], vec![true; b.len()]);
    let (a, b, head, _) = differing(a, b);
    let width = b.len() + 1;
    let cells = (a.len() + 1).checked_mul(width).filter(|cells| *cells <= MOST_MARKED)?;
    let mut steps = vec![Step::Second; cells];
    let mut above: Vec<usize> = (0..width).collect();
    for (row, word) in a.iter().enumerate() {
        let mut line = vec![row + 1; width];
        steps[(row + 1) * width] = Step::First;
        for (column, other) in b.iter().enumerate() {
            let both = above[column] + usize::from(word != other);
            let (step, errors) = shortest(both, above[column + 1] + 1, line[column] + 1);
            (steps[(row + 1) * width + column + 1], line[column + 1]) = (step, errors);
        }
        above = line;
    }
    let (mut row, mut column) = (a.len(), b.len());
    while row > 0 || column > 0 {
        let step = steps[row * width + column];
        (row, column) = (row - usize::from(step != Step::Second), column - usize::from(step != Step::First));
        let kept = step == Step::Both && a[row] == b[column];
        if step != Step::Second {
            in_a[head + row] = kept;
        }
        if step != Step::First {
            in_b[head + column] = kept;
        }
    }
    Some((above[b.len()], in_a, in_b))
}

/// Where a text fits into a longer one best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The fewest errors against a stretch of the longer one.
    pub errors: usize,
    /// First item of that stretch.
    pub start: usize,
    /// The item after its last.
    pub end: usize,
}

/// Fits `part` into `whole`, whose items before and after the stretch count nothing; of several stretches that fit equally
/// well the one that begins nearest to `near`. `None` where it would take too long.
pub fn fitted(part: &[&str], whole: &[&str], near: usize) -> Option<Fit> {
    part.len().checked_mul(whole.len()).filter(|cells| *cells <= MOST_MARKED)?;
    let mut line: Vec<(usize, usize)> = (0..=whole.len()).map(|start| (0, start)).collect();
    for (row, word) in part.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut line[0], (row + 1, 0));
        for (column, other) in whole.iter().enumerate() {
            let (above, left) = (line[column + 1], line[column]);
            let (step, errors) = shortest(diagonal.0 + usize::from(word != other), above.0 + 1, left.0 + 1);
            let start = match step {
                Step::Both => diagonal.1,
                Step::First => above.1,
                Step::Second => left.1,
            };
            line[column + 1] = (errors, start);
            diagonal = above;
        }
    }
    let stretches =
        line.iter().enumerate().map(|(end, (errors, start))| Fit { errors: *errors, start: *start, end });
    stretches.min_by_key(|fit| (fit.errors, fit.start.abs_diff(near)))
}
