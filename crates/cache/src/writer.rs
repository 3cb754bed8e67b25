//! Clips into one new shard, atomically.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use affekt_core::{ClipId, Digest, FeatureSpec};
use safetensors::tensor::TensorInfo;
use serde_json::{Map, Value, json};

use crate::commit::{Watch, commit, go_on};
use crate::header::{CHECKSUM, Header, KEY};
use crate::{Clip, Error, Facts, Number, Status};

/// What safetensors keeps to itself among the names of tensors; no [`ClipId`] is called so.
const METADATA: &str = "__metadata__";

/// Collects clips in memory and writes them as one shard.
///
/// A shard is written under a temporary name, synced and renamed: it is there whole or not at all, and a writer that
/// dies leaves nothing but a temporary file, which readers do not see. Its name is a digest of its content, so that
/// writers need not agree on names; equal content gives equal bytes.
pub struct ShardWriter {
    folder: PathBuf,
    spec: FeatureSpec,
    number: Number,
    clips: Vec<Clip>,
    ids: HashSet<ClipId>,
    data: Vec<Vec<u8>>,
    watch: Watch,
}

impl ShardWriter {
    /// For shards of `spec` in `folder`, which must exist.
    pub(crate) fn new(folder: &Path, spec: &FeatureSpec) -> Result<Self, Error> {
        Ok(Self {
            folder: folder.into(),
            spec: spec.clone(),
            number: Number::of(spec)?,
            clips: Vec::new(),
            ids: HashSet::new(),
            data: Vec::new(),
            watch: go_on,
        })
    }

    /// Lets a test stand behind every step of the commit.
    #[cfg(test)]
    pub(crate) fn watched(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// Adds the feature of a clip: `numbers` of shape (rows, width), row by row, all finite.
    pub fn add(&mut self, id: ClipId, facts: Facts, numbers: &[f32]) -> Result<(), Error> {
        let (bytes, width) = (self.number.encode(numbers), self.spec.width);
        if let Some(reason) = self.unstorable(numbers.len(), &bytes) {
            return Err(Error::BadFeature { clip: id, reason });
        }
        let rows = numbers.len() / width;
        self.push(id, facts, Status::Done { rows, digest: Digest::of(&bytes) })?;
        self.data.push(bytes);
        Ok(())
    }

    /// Adds a clip that has no such feature, with the reason: nothing has gone wrong, and nothing is to be tried again.
    pub fn add_absent(&mut self, id: ClipId, facts: Facts, reason: impl Into<String>) -> Result<(), Error> {
        self.push(id, facts, Status::Absent { reason: reason.into() })
    }

    /// Adds a clip that failed, with the stage of the work and the reason.
    pub fn add_failure(
        &mut self,
        id: ClipId,
        facts: Facts,
        stage: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<(), Error> {
        self.push(id, facts, Status::Failed { stage: stage.into(), reason: reason.into() })
    }

    /// How many clips wait to be written.
    pub fn pending(&self) -> usize {
        self.clips.len()
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
        let Self { folder, spec, number, clips, data, watch, .. } = self;
        let tensors = infos(&spec, number, &clips, &data);
        let (text, checksum) = Header::new(spec, clips).to_text();
        let path = folder.join(format!("part-{}.safetensors", &checksum.as_str()[..16]));
        let header = safetensors_header(&text, &checksum, tensors);
        let length = (header.len() as u64).to_le_bytes();
        let mut parts: Vec<&[u8]> = vec![&length, &header];
        parts.extend(data.iter().map(Vec::as_slice));
        commit(&path, &parts, watch)?;
        Ok(Some(path))
    }

    fn push(&mut self, id: ClipId, facts: Facts, status: Status) -> Result<(), Error> {
        match objection(&facts, &status) {
            None if self.ids.insert(id.clone()) => {
                self.clips.push(Clip { id, facts, status });
                Ok(())
            }
            None => Err(Error::BadFeature { clip: id, reason: "it was added before".to_owned() }),
            Some(reason) => Err(Error::BadFeature { clip: id, reason }),
        }
    }

    fn unstorable(&self, count: usize, bytes: &[u8]) -> Option<String> {
        let width = self.spec.width;
        if width == 0 || count == 0 || !count.is_multiple_of(width) {
            return Some(format!("{count} numbers are not one or more rows of {width}"));
        }
        let index = self.number.decode(bytes).position(|number| !number.is_finite())?;
        Some(format!("row {} holds a NaN or an infinity as {}", index / width, self.spec.dtype))
    }
}

/// Why a row may not stand in a header.
fn objection(facts: &Facts, status: &Status) -> Option<String> {
    let times = [facts.span.map(|span| span.start), facts.span.and_then(|span| span.end), facts.seconds];
    let mut numbers =
        times.into_iter().flatten().map(|time| time.0).chain(facts.score).chain(facts.wer).chain(facts.cer);
    match (status, &facts.face_mask) {
        // JSON has no such numbers: they would come back as none at all.
        _ if numbers.any(|number| !number.is_finite()) => {
            Some("a time, the score or an error rate is a NaN or an infinity".to_owned())
        }
        (Status::Done { rows, .. }, Some(mask)) if mask.0.len() != *rows => {
            Some(format!("its face mask has {} flags for {rows} rows", mask.0.len()))
        }
        _ => None,
    }
}

fn infos(spec: &FeatureSpec, number: Number, clips: &[Clip], data: &[Vec<u8>]) -> Vec<(String, TensorInfo)> {
    let mut end = 0;
    let done = clips.iter().filter(|clip| clip.is_done());
    done.zip(data)
        .map(|(clip, bytes)| {
            let start = end;
            end += bytes.len();
            let shape = vec![bytes.len() / number.size() / spec.width, spec.width];
            let info = TensorInfo { dtype: number.dtype(), shape, data_offsets: (start, end) };
            (clip.id.to_string(), info)
        })
        .collect()
}

/// The JSON at the head of the file. The crate's own writer keeps metadata in no fixed order, and equal shards shall have
/// equal bytes.
fn safetensors_header(text: &str, checksum: &Digest, tensors: Vec<(String, TensorInfo)>) -> Vec<u8> {
    let mut entries = Map::new();
    entries.insert(METADATA.to_owned(), json!({ KEY: text, CHECKSUM: checksum.as_str() }));
    for (name, info) in tensors {
        let info: Value = serde_json::to_value(info).expect("shapes and offsets are plain data");
        entries.insert(name, info);
    }
    let mut json = serde_json::to_vec(&entries).expect("a map of texts is plain data");
    // Tensors begin at a multiple of 8, as the format advises.
    json.resize(json.len().next_multiple_of(8), b' ');
    json
}
