//! The digest of a media file, while somebody waits.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use affekt_core::Digest;
use affekt_media::Error;

/// SHA-256 of the file at `path`; `goes_on` is called after every piece that was read, and ends the reading where it
/// gives `false`, with `None`.
pub(super) fn digest(path: &Path, goes_on: &mut dyn FnMut() -> bool) -> Result<Option<Digest>, Error> {
    // What cannot be read to an end, a device or a folder, is the decoder's to refuse.
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        affekt_media::probe(path)?;
        return Err(Error::NotMedia { path: path.into(), reason: "it is no file".into() });
    }
    let mut ended = false;
    let watched = File::open(path)
        .and_then(|file| Digest::of_reader(Watched { file, goes_on: &mut *goes_on, ended: &mut ended }));
    match watched {
        Ok((digest, _)) => Ok(Some(digest)),
        Err(_) if ended => Ok(None),
        Err(source) => Err(Error::Unreadable { path: path.into(), source }),
    }
}

/// A file that tells of every reading.
struct Watched<'w> {
    file: File,
    goes_on: &'w mut dyn FnMut() -> bool,
    ended: &'w mut bool,
}

impl Read for Watched<'_> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(piece)?;
        *self.ended = !(self.goes_on)();
        if *self.ended { Err(ErrorKind::Other.into()) } else { Ok(count) }
    }
}
