//! A folder with a file a clip.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use affekt_core::{ClipId, Digest, Reporter};

use super::{Description, Imported, Intake};
use crate::{Error, Facts, npy};

/// The `.npy` files of a folder, in the order of their clips.
struct Source {
    files: Vec<(ClipId, PathBuf, Digest)>,
    ignored: usize,
}

/// Takes every `ID.npy` of `folder` into `cache`, under the recipe that `description` and the digest of the files make: its
/// last step is `imported-` with the SHA-256 of the text `ID DIGEST\n` of all files, in the order of their clips, DIGEST
/// being each file's SHA-256. What is there already is skipped. Each file that is taken is an input for `reporter`.
pub fn import(
    cache: &Path,
    folder: &Path,
    description: &Description,
    reporter: &dyn Reporter,
) -> Result<Imported, Error> {
    let Source { files, ignored } = source(folder)?;
    let width = match description.width {
        Some(width) => width,
        None => first_width(&files)?,
    };
    let lines: String = files.iter().map(|(id, _, digest)| format!("{id} {digest}\n")).collect();
    let spec = description.spec(width, &Digest::of(lines.as_bytes()), false);
    let mut intake = Intake::open(cache, spec, files.len(), reporter)?;
    intake.imported.ignored = ignored;
    for (index, (id, path, digest)) in files.into_iter().enumerate() {
        if !intake.knows(&id) {
            intake.announce(&id, index);
            take(&mut intake, id, &path, digest, width)?;
            intake.flush()?;
        }
    }
    intake.close()
}

fn take(intake: &mut Intake, id: ClipId, path: &Path, digest: Digest, width: usize) -> Result<(), Error> {
    let facts = Facts { media: Some(digest), ..Facts::default() };
    let read = npy::read(path);
    let numbers = match &read {
        Ok(matrix) if matrix.width == width => Ok(&matrix.numbers[..]),
        Ok(matrix) => Err(format!("its rows have {} numbers, not {width}", matrix.width)),
        // Without the path: a row that travels with its shard names no place on one machine.
        Err(Error::BadNpy { reason, .. }) => Err(reason.clone()),
        Err(error) => Err(error.to_string()),
    };
    intake.take(id, facts, numbers)
}

fn source(folder: &Path) -> Result<Source, Error> {
    let io = |source| Error::Read { path: folder.into(), source };
    if folder.metadata().map_err(io)?.is_file() {
        return Err(Error::NoIndex { path: folder.into() });
    }
    let mut source = Source { files: Vec::new(), ignored: 0 };
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.strip_suffix(".npy") {
            Some(name) if path.is_file() => {
                let bad = |error: &dyn std::fmt::Display| Error::BadNpy {
                    path: path.clone(),
                    reason: error.to_string(),
                };
                if path.to_str().is_none() {
                    return Err(bad(&"its name is not UTF-8"));
                }
                let id = ClipId::new(name).map_err(|error| bad(&error))?;
                let read = |source| Error::Read { path: path.clone(), source };
                let (digest, _) = File::open(&path).and_then(Digest::of_reader).map_err(read)?;
                source.files.push((id, path, digest));
            }
            _ => source.ignored += 1,
        }
    }
    if source.files.is_empty() {
        return Err(Error::NoNpy { path: folder.into() });
    }
    source.files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(source)
}

/// The width of the first file that can be read. Where none can, why not the first.
fn first_width(files: &[(ClipId, PathBuf, Digest)]) -> Result<usize, Error> {
    let mut first_error = None;
    for (_, path, _) in files {
        match npy::read(path) {
            Ok(matrix) => return Ok(matrix.width),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.expect("a source has a file"))
}
