//! Headers to facts.

use std::path::Path;

use crate::error::Error;
use crate::info::MediaInfo;
use crate::source::Source;

/// Reads what the media file at `path` holds, without decoding it.
///
/// # Errors
/// All of [`Error`] but [`Error::BadSpan`] and [`Error::Decode`]. A stream that is missing is a fact, not an error,
/// unless both are.
pub fn probe(path: impl AsRef<Path>) -> Result<MediaInfo, Error> {
    Source::open(path.as_ref()).map(|source| source.info)
}
