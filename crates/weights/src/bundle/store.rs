//! Where the files of a bundle lie: in the program, in a folder, or partly in each.

use std::borrow::Cow;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::EmbeddedFile;
use crate::Error;

/// Files by their path inside the bundle. An embedded one counts before one in the folder.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) embedded: &'static [EmbeddedFile],
    pub(super) folder: Option<PathBuf>,
}

/// One file that is there.
pub(super) enum Found {
    Embedded(&'static [u8]),
    File(PathBuf, Metadata),
}

impl Store {
    /// The file, `None` where it is absent. A link that leads nowhere counts as absent.
    pub fn find(&self, path: &str) -> Result<Option<Found>, Error> {
        if let Some((_, bytes)) = self.embedded.iter().find(|(name, _)| *name == path) {
            return Ok(Some(Found::Embedded(bytes)));
        }
        let Some(folder) = &self.folder else { return Ok(None) };
        let path = folder.join(path);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(Found::File(path, metadata))),
            Ok(_) => Err(Error::Malformed {
                file: path.display().to_string(),
                format: "bundle",
                reason: "a folder or a device stands where a file should".into(),
            }),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(Error::Io { path, source }),
        }
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// The bytes of a file.
pub(super) fn read(path: &Path) -> Result<Cow<'static, [u8]>, Error> {
    fs::read(path).map(Cow::Owned).map_err(|source| Error::Io { path: path.into(), source })
}
