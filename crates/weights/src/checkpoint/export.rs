//! One safetensors file out of any checkpoint.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use safetensors::Dtype;
use serde_json::{Map, Value, json};

use super::{Checkpoint, Entry, read};
use crate::Error;

/// Tensors may share bytes in a PyTorch file, tied embeddings do. A file in which they share so much that a copy of
/// each would be this many times its size is no checkpoint.
const MOST_SHARING: usize = 8;

struct Plan<'c> {
    name: String,
    entry: &'c Entry,
    bytes: usize,
}

/// Writes the tensors that `rename` names, under these names, by way of a partial file.
pub(super) fn write(
    checkpoint: &Checkpoint,
    path: &Path,
    rename: impl Fn(&str) -> Option<String>,
) -> Result<(), Error> {
    let plan = plan(checkpoint, rename)?;
    let failed = |reason: String| Error::Write { path: path.into(), reason };
    if path.is_dir() {
        return Err(failed("it is a folder".into()));
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = Path::new(&partial);
    let written = write_all(checkpoint, partial, &plan).and_then(|()| std::fs::rename(partial, path));
    written.map_err(|error| {
        // Nothing is lost if it cannot be removed: the error that matters is the first.
        let _ = std::fs::remove_file(partial);
        failed(error.to_string())
    })
}

fn plan(checkpoint: &Checkpoint, rename: impl Fn(&str) -> Option<String>) -> Result<Vec<Plan<'_>>, Error> {
    let mut plan = Vec::new();
    let mut sources = std::collections::BTreeMap::new();
    for (published, entry) in &checkpoint.tensors {
        let Some(name) = rename(published) else { continue };
        if let Some(first) = sources.insert(name.clone(), published) {
            let (file, first, second) = (checkpoint.origin.clone(), first.clone(), published.clone());
            return Err(Error::Ambiguous { file, first, second, name });
        }
        plan.push(Plan { name, entry, bytes: entry.located.row_bytes() });
    }
    let total = plan.iter().try_fold(0usize, |total, part| total.checked_add(part.bytes));
    let held: usize = checkpoint.files.iter().map(|file| file.len()).sum();
    if total.is_none_or(|total| total > held.saturating_mul(MOST_SHARING)) {
        return Err(Error::Malformed {
            file: checkpoint.origin.clone(),
            format: "checkpoint",
            reason: format!(
                "its tensors share bytes so often that copies would fill over {MOST_SHARING} times its size"
            ),
        });
    }
    // Wide types first, so that every tensor starts at a multiple of its element's size.
    plan.sort_by(|a, b| {
        let width = |part: &Plan| part.entry.located.dtype.bitsize();
        width(b).cmp(&width(a)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(plan)
}

fn write_all(checkpoint: &Checkpoint, path: &Path, plan: &[Plan]) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let header = header(plan);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for part in plan {
        let bytes = &checkpoint.files[part.entry.file];
        let size = part.entry.located.dtype.bitsize() / 8;
        let mut result = Ok(());
        read::each_block(bytes, &part.entry.located, size, |block| {
            if result.is_ok() {
                result = file.write_all(block);
            }
        });
        result?;
    }
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
}

fn header(plan: &[Plan]) -> Vec<u8> {
    let mut members = Map::new();
    // Hugging Face's reader asks for it.
    members.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut at = 0;
    for part in plan {
        let dtype = dtype(part.entry.located.dtype);
        let entry =
            json!({"dtype": dtype, "shape": part.entry.located.shape, "data_offsets": [at, at + part.bytes]});
        members.insert(part.name.clone(), entry);
        at += part.bytes;
    }
    let mut header = Value::Object(members).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    header
}

fn dtype(dtype: Dtype) -> Value {
    serde_json::to_value(dtype).expect("a type without fields is a name")
}
