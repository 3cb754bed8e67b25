//! The card among the notes of a safetensors file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use affekt_core::FeatureKind;
use affekt_weights::tensors::{notes, notes_in};

use super::{Card, Error};
use crate::train::data::Standard;

/// The note with the card, as JSON.
const CARD: &str = "card";
/// The note with the version of its form.
const FORMAT: &str = "format";

/// Version of the form of cards that is written.
const WRITTEN: u32 = 1;

/// The notes of a file with this card.
pub fn seal(card: &Card) -> BTreeMap<String, String> {
    let text = serde_json::to_string(card).expect("a card is plain data");
    BTreeMap::from([(FORMAT.to_owned(), WRITTEN.to_string()), (CARD.to_owned(), text)])
}

/// The card of the file at `path`; `None` for a file of another form, and for one without a card.
pub fn unseal(path: &Path) -> Result<Option<Card>, Error> {
    if is_safetensors(path) { card(path, &notes(path)?) } else { Ok(None) }
}

/// The card of the safetensors file in `bytes`, which messages call `name`; `None` for one without a card.
pub fn unseal_in(name: &str, bytes: &[u8]) -> Result<Option<Card>, Error> {
    card(Path::new(name), &notes_in(name, bytes)?)
}

fn card(file: &Path, notes: &BTreeMap<String, String>) -> Result<Option<Card>, Error> {
    let Some(text) = notes.get(CARD) else { return Ok(None) };
    let damaged = |reason: String| Error::Damaged { file: file.into(), reason };
    let format = notes.get(FORMAT).and_then(|format| format.parse::<u32>().ok());
    let format = format.ok_or_else(|| damaged("its card does not say which form it has".into()))?;
    if format > WRITTEN {
        return Err(Error::Newer { file: file.into(), format, known: WRITTEN });
    }
    let card: Card = serde_json::from_str(text).map_err(|error| damaged(format!("its card: {error}")))?;
    match unfit(&card) {
        Some(reason) => Err(damaged(reason)),
        None => Ok(Some(card)),
    }
}

/// A standard on the card that does not belong to a feature on it.
fn unfit(card: &Card) -> Option<String> {
    let fits = |(kind, standard): &(&FeatureKind, &Standard)| {
        card.specs.iter().any(|spec| spec.kind == **kind && standard.fits(spec.width))
    };
    let (kind, _) = card.standards.iter().find(|found| !fits(found))?;
    Some(format!("its card: the standards of {} are not for the feature of the training", kind.name()))
}

/// Whether a header in JSON follows on a length of 8 bytes. What cannot be read is told by those who read all of it.
fn is_safetensors(path: &Path) -> bool {
    let mut start = [0; 9];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start[8] == b'{'
}
