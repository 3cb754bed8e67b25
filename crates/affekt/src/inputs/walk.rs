//! Folders, read in natural order.

use std::cmp::Ordering;
use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::slice::Iter;

use super::{InputError, Kinds};

/// The files of `kinds` in `folder` and below, without hidden ones. Links to folders are not followed, so that there are
/// no loops; links to files are files. A folder that cannot be read is an error in its place.
pub(super) fn folder(folder: &Path, kinds: Kinds) -> Vec<Result<PathBuf, InputError>> {
    let mut found = Vec::new();
    collect(folder, kinds, &mut found);
    if found.is_empty() {
        found.push(Err(InputError::NothingInside { path: folder.into(), kinds }));
    }
    found
}

fn collect(folder: &Path, kinds: Kinds, found: &mut Vec<Result<PathBuf, InputError>>) {
    let entries = match entries(folder) {
        Ok(entries) => entries,
        Err(error) => return found.push(Err(error)),
    };
    for path in entries.into_iter().filter(|path| !is_hidden(path)) {
        if is_own_folder(&path) {
            collect(&path, kinds, found);
        } else if kinds.include(&path) && can_be_input(&path) {
            found.push(Ok(path));
        }
    }
}

/// What is directly in `folder`, in natural order; an empty path is the current folder.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, InputError> {
    let unreadable = |source| InputError::Unreadable { path: folder.into(), source };
    let at = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(at).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>, std::io::Error>>()
    });
    let mut names = names.map_err(unreadable)?;
    names.sort_by(|a, b| natural(a.as_encoded_bytes(), b.as_encoded_bytes()));
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// A folder that is no link.
pub(super) fn is_own_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Files, and links that lead nowhere, which have to be told. Pipes, sockets and devices are for those who name them.
fn can_be_input(path: &Path) -> bool {
    path.metadata().map_or(true, |metadata| metadata.is_file())
}

/// Folder by folder, names in natural order.
pub(super) fn in_order(a: &Path, b: &Path) -> Ordering {
    let mut orders = a.iter().zip(b).map(|(a, b)| natural(a.as_encoded_bytes(), b.as_encoded_bytes()));
    orders.find(|order| order.is_ne()).unwrap_or_else(|| a.iter().count().cmp(&b.iter().count()))
}

/// `clip2` before `clip10`: digits count as numbers, all else as bytes.
fn natural(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (x, y) = (number(&mut left), number(&mut right));
                x.len().cmp(&y.len()).then_with(|| x.cmp(&y))
            }
            // Names that differ only in leading zeros have an order, too.
            (None, None) => return a.cmp(b),
            _ => left.next().cmp(&right.next()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The digits that come next, without leading zeros.
fn number(letters: &mut Peekable<Iter<'_, u8>>) -> Vec<u8> {
    let mut digits = Vec::new();
    while let Some(digit) = letters.next_if(|letter| letter.is_ascii_digit()) {
        if *digit != b'0' || !digits.is_empty() {
            digits.push(*digit);
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_numbers() {
        let names = ["a", "a0", "a00", "a1b", "a01b", "a2", "a10", "a10b2", "a10b10", "b", "é"];
        for (at, first) in names.iter().enumerate() {
            for (place, second) in names.iter().enumerate() {
                let order = natural(first.as_bytes(), second.as_bytes());
                // "a01b" sorts before "a1b" by its bytes, where all numbers are equal.
                let expected = match (*first, *second) {
                    ("a1b", "a01b") => Ordering::Greater,
                    ("a01b", "a1b") => Ordering::Less,
                    _ => at.cmp(&place),
                };
                assert_eq!(order, expected, "{first} {second}");
            }
        }
    }
}
