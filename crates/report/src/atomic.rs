//! Files that are there as a whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Puts `content` in the place of the file `path`: under a temporary name beside it, synced, renamed. A pipe or a device is
/// written to as it is.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return fs::write(path, content);
    }
    let mut draft = draft(path)?;
    draft.write_all(content)?;
    draft.as_file().sync_all()?;
    draft.persist(path).map(drop).map_err(|error| error.error)
}

/// A file beside `path`, gone when dropped.
pub fn draft(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new();
    draft.prefix(".affekt-report-");
    // As readable as any file that a program makes: a temporary one would be its owner's alone.
    #[cfg(unix)]
    draft.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // The error of the draft names the draft.
    draft.tempfile_in(folder).map_err(|error| error.kind().into())
}
