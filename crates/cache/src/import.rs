//! `.npy` files of another program into a store.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use affekt_core::{ClipId, Digest, Event, FeatureKind, FeatureSpec, LayerRule, Reporter};

use crate::{Error, Facts, ShardWriter, Status, Store, npy};

/// Bytes of features after which a shard is written.
const SHARD: usize = 64 << 20;
/// The stage that a failed row names.
const STAGE: &str = "import";

/// What the user knows of features that another program has made.
#[derive(Clone, Debug)]
pub struct Description {
    /// Which feature they are.
    pub kind: FeatureKind,
    /// The network, by name.
    pub encoder: String,
    /// Digest of its weights; where it is not known, the digest of the files stands for it.
    pub weights: Option<Digest>,
    /// Which hidden states.
    pub layers: Option<LayerRule>,
    /// What was done to the input, in order.
    pub preprocessing: Vec<String>,
    /// Numbers a row; by default those of the first file that can be read.
    pub width: Option<usize>,
    /// How the numbers shall be kept: `f32`, `f16` or `bf16`.
    pub dtype: String,
    /// What one row stands for: `20ms`, `frame`, `token`.
    pub row: String,
}

/// What was imported.
#[derive(Debug)]
pub struct Imported {
    /// The recipe under which the features lie.
    pub spec: FeatureSpec,
    /// Features that were taken.
    pub written: usize,
    /// Features that were there already.
    pub already: usize,
    /// Files that cannot be taken, and why; each is a failed row.
    pub failed: Vec<(ClipId, String)>,
    /// Files of other kinds, which were left alone.
    pub ignored: usize,
}

/// The `.npy` files of a folder, in the order of their clips.
struct Source {
    files: Vec<(ClipId, PathBuf, Digest)>,
    ignored: usize,
}

/// Takes every `ID.npy` of `folder` into `cache`, under the recipe that `description` and the digest of the files make: see
/// `spec`. What is there already is skipped. Each file that is taken is an input for `reporter`.
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
    let spec = spec(description, width, &files);
    let store = Store::open(cache, &spec)?;
    let mut imported = Imported { spec, written: 0, already: 0, failed: Vec::new(), ignored };
    let mut writer = store.writer()?;
    let count = files.len();
    for (index, (id, path, digest)) in files.into_iter().enumerate() {
        match store.clip(&id).map(|clip| &clip.status) {
            // The recipe names the bytes of every file: what was said of one before still holds.
            Some(Status::Failed { reason, .. } | Status::Absent { reason }) => {
                imported.failed.push((id, reason.clone()));
            }
            Some(Status::Done { .. }) => imported.already += 1,
            None => {
                reporter.report(&Event::Input { name: id.to_string(), index, count });
                take(&mut writer, &mut imported, id, &path, digest)?;
            }
        }
        if writer.pending_bytes() > SHARD {
            std::mem::replace(&mut writer, store.writer()?).commit()?;
        }
    }
    writer.commit()?;
    Ok(imported)
}

fn take(
    writer: &mut ShardWriter,
    imported: &mut Imported,
    id: ClipId,
    path: &Path,
    digest: Digest,
) -> Result<(), Error> {
    let facts = Facts { media: Some(digest), ..Facts::default() };
    let width = imported.spec.width;
    // Without the path: a row that travels with its shard names no place on one machine.
    let taken = npy::read(path).and_then(|matrix| match matrix.width {
        found if found == width => writer.add(id.clone(), facts.clone(), &matrix.numbers),
        found => {
            let reason = format!("its rows have {found} numbers, not {width}");
            Err(Error::BadFeature { clip: id.clone(), reason })
        }
    });
    let taken = taken.map_err(|error| match error {
        Error::BadNpy { reason, .. } | Error::BadFeature { reason, .. } => reason,
        error => error.to_string(),
    });
    match taken {
        Ok(()) => imported.written += 1,
        Err(reason) => {
            writer.add_failure(id.clone(), facts, STAGE, reason.clone())?;
            imported.failed.push((id, reason));
        }
    }
    Ok(())
}

/// The recipe of imported features. Its last step is `imported-` with the SHA-256 of the text `ID DIGEST\n` of all files,
/// in the order of their clips, DIGEST being each file's SHA-256: features of another origin never mix with these, and
/// running again over the same files goes on.
fn spec(description: &Description, width: usize, files: &[(ClipId, PathBuf, Digest)]) -> FeatureSpec {
    let lines: String = files.iter().map(|(id, _, digest)| format!("{id} {digest}\n")).collect();
    let source = Digest::of(lines.as_bytes());
    let Description { kind, encoder, weights, layers, preprocessing, dtype, row, .. } = description.clone();
    let imported = format!("imported-{source}");
    let preprocessing = preprocessing.into_iter().chain([imported]).collect();
    let weights = weights.unwrap_or(source);
    FeatureSpec { kind, encoder, weights, layers, preprocessing, width, dtype, row }
}

fn source(folder: &Path) -> Result<Source, Error> {
    let io = |source| Error::Read { path: folder.into(), source };
    if folder.metadata().map_err(io)?.is_file() {
        return Err(Error::NotFolder { path: folder.into() });
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
