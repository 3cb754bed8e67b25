//! A file that is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::Error;

/// The steps of [`commit`], each named as what is true after it. A program may die after any of them, or before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The temporary file is there, without bytes.
    Created,
    /// Half of the bytes are written.
    Begun,
    /// All bytes are written, perhaps not to the disk.
    Written,
    /// They are on the disk.
    Synced,
    /// The file has its name, perhaps not on the disk.
    Renamed,
    /// The name is on the disk.
    Kept,
}

/// Called after each step: where tests let a writer die, or the disk be full.
pub(crate) type Watch = fn(Step) -> io::Result<()>;

/// What the product does after a step: go on.
pub(crate) fn go_on(_: Step) -> io::Result<()> {
    Ok(())
}

/// Writes `parts` one after the other as the file `path`: under a temporary name beside it, synced, renamed, and its
/// folder synced. Where that fails nothing of it stays, but for a file whose folder could not be synced.
pub(crate) fn commit(path: &Path, parts: &[&[u8]], watch: Watch) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.into(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    let (temporary, file) = temporary(folder).map_err(failed)?;
    let written = write(file, parts, watch).and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&temporary);
        return Err(failed(source));
    }
    watch(Step::Renamed).and_then(|()| sync_folder(folder)).and_then(|()| watch(Step::Kept)).map_err(failed)
}

/// Whether files can be written into `folder`: writes an empty one and removes it.
pub(crate) fn probe(folder: &Path) -> Result<(), Error> {
    let tried = temporary(folder).and_then(|(path, _)| fs::remove_file(path));
    tried.map_err(|source| Error::Write { path: folder.into(), source })
}

/// A file that no other writer has.
fn temporary(folder: &Path) -> io::Result<(PathBuf, File)> {
    for count in 0_u32.. {
        let path = folder.join(format!(".part-{}-{count}.tmp", std::process::id()));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("a folder does not hold four thousand million files")
}

/// Whether `name` is that of a writer's temporary file.
pub(crate) fn is_temporary(name: &str) -> bool {
    let numbers = name.strip_prefix(".part-").and_then(|name| name.strip_suffix(".tmp"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers
        .and_then(|numbers| numbers.split_once('-'))
        .is_some_and(|(process, count)| digits(process) && digits(count))
}

fn write(file: File, parts: &[&[u8]], watch: Watch) -> io::Result<()> {
    watch(Step::Created)?;
    let mut file = BufWriter::new(file);
    let total: usize = parts.iter().map(|part| part.len()).sum();
    let (mut first_half, mut begun) = (total / 2, false);
    for part in parts {
        let (first, second) = part.split_at(first_half.min(part.len()));
        file.write_all(first)?;
        first_half -= first.len();
        if first_half == 0 && !begun {
            begun = true;
            file.flush()?;
            watch(Step::Begun)?;
        }
        file.write_all(second)?;
    }
    let file = file.into_inner()?;
    watch(Step::Written)?;
    file.sync_all()?;
    watch(Step::Synced)
}

/// Makes `folder` where it is missing, so that it stays.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    let failed = |source| Error::Write { path: folder.into(), source };
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_folder(parent)?;
    }
    match fs::create_dir(folder) {
        // Another writer has been quicker.
        Err(_) if folder.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::NotFolder { path: folder.into() })
        }
        made => made.and_then(|()| sync_folder(parent.unwrap_or(Path::new(".")))).map_err(failed),
    }
}

/// A new name is on the disk only once its folder is.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests;
