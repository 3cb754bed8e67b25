//! One array of all clips, and the table that names them.

use std::fmt::Write as _;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use affekt_core::{Digest, Reporter};

use super::index::Entry;
use super::{Description, Imported, Index, Intake};
use crate::npy::Stack;
use crate::{Error, Facts};

/// Numbers that are read at a time.
const BLOCK: usize = 4 << 20;

/// Takes the array in the file `npy` into `cache`: of shape (clips, width), each clip a feature of one row, or of shape (clips,
/// rows, width). `index` names the clips. The recipe is that of `description`; its last step is `imported-` with the
/// SHA-256 of the text `DIGEST\n`, the file's SHA-256, followed by a line `ID ROW LENGTH\n` for each clip, in the order of the
/// rows. So what else stands in the index may change. What is there already is skipped; a clip with a NaN or an infinity
/// among its rows is a failed one. Each clip that is taken is an input for `reporter`.
///
/// The array is read in blocks, and may be larger than memory.
///
/// # Errors
/// Of the array: [`Error::Read`], [`Error::BadNpy`]; of the index: [`Error::Read`], [`Error::NotFile`], [`Error::Columns`],
/// [`Error::BadIndex`], [`Error::Mismatch`], each before anything is written.
pub fn import_table(
    cache: &Path,
    npy: &Path,
    index: &Index,
    description: &Description,
    reporter: &dyn Reporter,
) -> Result<Imported, Error> {
    let mut array = Stack::open(npy)?;
    if let Some(width) = description.width.filter(|width| *width != array.width) {
        let reason = format!("its rows have {} numbers, not {width}", array.width);
        return Err(Error::BadNpy { path: npy.into(), reason });
    }
    let entries = index.read(&array, npy)?;
    let io = |source| Error::Read { path: npy.into(), source };
    let (digest, _) = File::open(npy).and_then(Digest::of_reader).map_err(io)?;
    let spec = description.spec(array.width, &source(&digest, &entries), array.rows == 1);
    let mut intake = Intake::open(cache, spec, entries.len(), reporter)?;
    let facts = Facts { media: Some(digest), ..Facts::default() };
    let step = (BLOCK / array.numbers_a_clip()).max(1);
    for first in (0..entries.len()).step_by(step) {
        block(&mut intake, &mut array, &entries, first..entries.len().min(first + step), &facts)?;
        intake.flush()?;
    }
    intake.close()
}

/// Digest of what is taken from array and index.
fn source(array: &Digest, entries: &[Entry]) -> Digest {
    let mut text = format!("{array}\n");
    for (row, Entry { id, length }) in entries.iter().enumerate() {
        writeln!(text, "{id} {row} {length}").expect("a text takes what it is given");
    }
    Digest::of(text.as_bytes())
}

/// Takes those `clips` that the store does not know.
fn block(
    intake: &mut Intake,
    array: &mut Stack,
    entries: &[Entry],
    clips: Range<usize>,
    facts: &Facts,
) -> Result<(), Error> {
    let unknown: Vec<usize> = clips.clone().filter(|&clip| !intake.knows(&entries[clip].id)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let numbers = array.read(clips.clone())?; // (clips, rows, width)
    let each = array.numbers_a_clip();
    for clip in unknown {
        let Entry { id, length } = &entries[clip];
        intake.announce(id, clip);
        let own = &numbers[(clip - clips.start) * each..][..length * array.width];
        let own = if own.is_empty() { Err("its length is 0".to_owned()) } else { Ok(own) };
        intake.take(id.clone(), facts.clone(), own)?;
    }
    Ok(())
}
