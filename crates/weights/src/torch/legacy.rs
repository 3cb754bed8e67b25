//! The form before torch 1.6: pickles one after another (a magic number, a version, facts about the machine, the
//! object, the keys of the storages), then every storage: its number of elements in 8 bytes, its elements.

use std::collections::HashMap;
use std::ops::Range;

use super::value::{Object, Pickled, Storage, Value};
use super::{Flaw, dictionary, pickle};
use crate::checkpoint::Contents;

/// The pickle of torch's magic number, with which the form begins.
pub(crate) const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The only version of the form that there was.
const VERSION: i64 = 1001;

/// Reads the tensors.
pub(crate) fn read(bytes: &[u8]) -> Result<Contents, Flaw> {
    let mut at = MAGIC.len();
    let mut next = || {
        let pickled = pickle::load(&bytes[at..])?;
        at += pickled.end;
        Ok::<_, Flaw>(pickled)
    };
    let version = next()?;
    if version.root != Value::Int(VERSION) {
        return Err(Flaw::malformed("its version is not 1001, the only one of this form"));
    }
    check_machine(&next()?)?;
    let object = next()?;
    let keys = next()?;
    let places = places(bytes, at, &keys, &object)?;
    dictionary::contents(&object, |storage| {
        let place = places.get(storage.key).cloned();
        place.ok_or_else(|| Flaw::malformed(format!("storage {:?} is not in it", storage.key)))
    })
}

fn check_machine(facts: &Pickled) -> Result<(), Flaw> {
    let Some(Object::Dict(facts)) = facts.object(facts.root) else {
        return Err(Flaw::malformed("it says nothing about its machine"));
    };
    let little = facts.iter().find(|(key, _)| *key == Value::Text("little_endian"));
    if matches!(little, Some((_, Value::Bool(false)))) { Err(Flaw::big_endian()) } else { Ok(()) }
}

/// Where each storage lies: they follow one another from byte `at`, in the order of `keys`.
fn places<'p>(
    bytes: &[u8],
    mut at: usize,
    keys: &Pickled<'p>,
    object: &Pickled<'p>,
) -> Result<HashMap<&'p str, Range<usize>>, Flaw> {
    let Some(Object::List(order)) = keys.object(keys.root) else {
        return Err(Flaw::malformed("it has no list of storages"));
    };
    let mut widths: HashMap<&str, usize> = HashMap::new();
    for storage in object.objects.iter().filter_map(storage) {
        if *widths.entry(storage.key).or_insert(storage.width()) != storage.width() {
            return Err(Flaw::malformed(format!("storage {:?} has two types", storage.key)));
        }
    }
    let mut places = HashMap::new();
    for key in order {
        let Value::Text(key) = *key else { return Err(Flaw::malformed("the key of a storage is no text")) };
        let width = widths.get(key);
        let width = width.ok_or_else(|| Flaw::malformed(format!("nothing uses storage {key:?}")))?;
        let truncated = || Flaw::malformed(format!("it ends inside storage {key:?}: it is truncated"));
        let count = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or_else(truncated)?;
        let length = usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|n| n.checked_mul(*width));
        let end = length.and_then(|length| (at + 8).checked_add(length)).filter(|&end| end <= bytes.len());
        let end = end.ok_or_else(truncated)?;
        if places.insert(key, at + 8..end).is_some() {
            return Err(Flaw::malformed(format!("storage {key:?} is there twice")));
        }
        at = end;
    }
    Ok(places)
}

fn storage<'o, 'p>(object: &'o Object<'p>) -> Option<&'o Storage<'p>> {
    match object {
        Object::Storage(storage) => Some(storage),
        _ => None,
    }
}
