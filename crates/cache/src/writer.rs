//! Clips into one new shard, atomically.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use affekt_core::{ClipId, Digest, FeatureSpec};
use safetensors::tensor::{Metadata, TensorInfo};

use crate::header::Header;
use crate::{Clip, Error, Number, Status};

/// Collects clips in memory and writes them as one shard.
///
/// A shard is written under a temporary name, synced and renamed: it is there whole or not at all, and a writer that
/// dies leaves nothing but a temporary file, which readers do not see. Its name is a digest of its content, so that
/// writers need not agree on names.
pub struct ShardWriter {
    folder: PathBuf,
    spec: FeatureSpec,
    number: Number,
    clips: Vec<Clip>,
    data: Vec<Vec<u8>>,
}

impl ShardWriter {
    /// For shards of `spec` in `folder`, which must exist.
    pub(crate) fn new(folder: &Path, spec: &FeatureSpec) -> Result<Self, Error> {
        let number = Number::of(spec)?;
        Ok(Self { folder: folder.into(), spec: spec.clone(), number, clips: Vec::new(), data: Vec::new() })
    }

    /// Adds the feature of a clip: `numbers` of shape (rows, width), row by row, all finite. Hypothesis and face mask
    /// can be set on the row that it gives back.
    pub fn add(&mut self, id: ClipId, media: Digest, numbers: &[f32]) -> Result<&mut Clip, Error> {
        let bytes = self.number.encode(numbers);
        if let Some(reason) = self.objection(&id, numbers.len(), &bytes) {
            return Err(Error::BadFeature { clip: id, reason });
        }
        let status = Status::Done { rows: numbers.len() / self.spec.width, digest: Digest::of(&bytes) };
        self.data.push(bytes);
        Ok(self.push(id, media, status))
    }

    /// Adds a clip that failed, with the reason.
    pub fn add_failure(&mut self, id: ClipId, media: Digest, reason: impl Into<String>) -> &mut Clip {
        self.push(id, media, Status::Failed { reason: reason.into() })
    }

    /// Bytes of features that wait to be written.
    pub fn pending_bytes(&self) -> usize {
        self.data.iter().map(Vec::len).sum()
    }

    /// Writes what was added and gives the shard's path; `None` where nothing was added.
    pub fn commit(self) -> Result<Option<PathBuf>, Error> {
        if self.clips.is_empty() {
            return Ok(None);
        }
        let header = Header::new(self.spec.clone(), self.clips.clone());
        let path = self.folder.join(format!("part-{}.safetensors", &header.checksum().as_str()[..16]));
        let (temporary, file) = self.temporary()?;
        let written = self
            .write(&header, file)
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| sync_folder(&self.folder));
        if let Err(source) = written {
            // Best effort: the error that matters is the first one.
            let _ = fs::remove_file(&temporary);
            return Err(Error::Write { path, source });
        }
        Ok(Some(path))
    }

    fn push(&mut self, id: ClipId, media: Digest, status: Status) -> &mut Clip {
        self.clips.push(Clip { id, media, status, hypothesis: None, face_mask: None });
        self.clips.last_mut().expect("one has just been added")
    }

    fn objection(&self, id: &ClipId, count: usize, bytes: &[u8]) -> Option<String> {
        let width = self.spec.width;
        if id.as_str() == "__metadata__" {
            Some("safetensors keeps this name to itself".to_owned())
        } else if self.clips.iter().any(|clip| clip.id == *id) {
            Some("it was added before".to_owned())
        } else if width == 0 || count == 0 || !count.is_multiple_of(width) {
            Some(format!("{count} numbers are not one or more rows of {width}"))
        } else {
            let index = self.number.decode(bytes).position(|number| !number.is_finite())?;
            Some(format!("row {} holds a NaN or an infinity as {}", index / width, self.spec.dtype))
        }
    }

    /// A file that no other writer has.
    fn temporary(&self) -> Result<(PathBuf, File), Error> {
        for count in 0_u32.. {
            let path = self.folder.join(format!(".part-{}-{count}.tmp", std::process::id()));
            match File::create_new(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::Write { path, source }),
            }
        }
        unreachable!("a folder does not hold four thousand million files")
    }

    fn write(&self, header: &Header, file: File) -> std::io::Result<()> {
        let metadata =
            Metadata::new(Some(header.to_metadata()), self.infos()).map_err(std::io::Error::other)?;
        let mut json = serde_json::to_vec(&metadata)?;
        // Tensors begin at a multiple of 8, as the format advises.
        json.resize(json.len().next_multiple_of(8), b' ');
        let mut file = BufWriter::new(file);
        file.write_all(&(json.len() as u64).to_le_bytes())?;
        file.write_all(&json)?;
        for bytes in &self.data {
            file.write_all(bytes)?;
        }
        file.into_inner()?.sync_all()
    }

    fn infos(&self) -> Vec<(String, TensorInfo)> {
        let mut end = 0;
        let done = self.clips.iter().filter(|clip| clip.is_done());
        done.zip(&self.data)
            .map(|(clip, bytes)| {
                let start = end;
                end += bytes.len();
                let rows = bytes.len() / self.number.size() / self.spec.width;
                let shape = vec![rows, self.spec.width];
                let info = TensorInfo { dtype: self.number.dtype(), shape, data_offsets: (start, end) };
                (clip.id.to_string(), info)
            })
            .collect()
    }
}

/// A rename is on the disk only once its folder is.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
