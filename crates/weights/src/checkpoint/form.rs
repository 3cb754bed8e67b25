//! What a file is, told by its first bytes and never by its name.

use safetensors::SafeTensors;

use super::Located;
use crate::{Error, onnx, torch};

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Tensors, in any order.
    pub tensors: Vec<Located>,
    /// Names of entries beside the tensors and what they are, for messages.
    pub others: Vec<(String, String)>,
}

/// Reads the directory of a weights file of any published form. `name` is what messages call the file.
pub(crate) fn read(name: &str, bytes: &[u8]) -> Result<Contents, Error> {
    let file = || name.to_owned();
    let malformed = |format, reason: String| Error::Malformed { file: file(), format, reason };
    if looks_like_safetensors(bytes) {
        let tensors = safetensors(bytes).map_err(|reason| malformed("safetensors", reason))?;
        return Ok(Contents { tensors, others: Vec::new() });
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return torch::zipped(bytes).map_err(|flaw| flaw.in_file(name));
    }
    if bytes.starts_with(torch::MAGIC) {
        return torch::legacy(bytes).map_err(|flaw| flaw.in_file(name));
    }
    // The first field of an ONNX file is its version.
    if bytes.first() == Some(&0x08) {
        let tensors = onnx::locate(name, bytes)?;
        return Ok(Contents { tensors, others: Vec::new() });
    }
    let (is, remedy) = foreign(bytes);
    Err(Error::NotWeights { file: file(), is: is.to_owned(), remedy })
}

/// A length of 8 bytes, then JSON. A length that lies is still meant to be one.
fn looks_like_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

fn safetensors(bytes: &[u8]) -> Result<Vec<Located>, String> {
    let length = u64::from_le_bytes(*bytes.first_chunk().expect("a brace follows the length"));
    let rest = bytes.len() - 8;
    if usize::try_from(length).map_or(true, |length| length > rest) {
        return Err(format!("its header claims {length} bytes, but only {rest} follow: it is truncated"));
    }
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| match error {
        safetensors::SafeTensorError::MetadataIncompleteBuffer => {
            "its tensors end before or after the file does: it is truncated, or something was appended".into()
        }
        other => other.to_string(),
    })?;
    let located = metadata.tensors().into_iter().map(|(name, info)| {
        let (from, to) = info.data_offsets;
        Located::rows(name, info.dtype, info.shape.clone(), 8 + header + from, to - from)
    });
    Ok(located.collect())
}

/// What a file that holds no weights is, and what to do.
fn foreign(bytes: &[u8]) -> (&'static str, &'static str) {
    const AGAIN: &str = "get the file again, from the link that hands out the file itself";
    const CONVERT: &str =
        "save the state dictionary with `torch.save` or safetensors; those are the forms that are read";
    let start = bytes[..bytes.len().min(512)].trim_ascii_start().to_ascii_lowercase();
    let is = |magic: &[u8]| bytes.starts_with(magic);
    match () {
        () if bytes.is_empty() => ("empty", "get the file again: the download did not start"),
        () if is(b"version https://git-lfs") => {
            ("a Git LFS pointer, which only names the weights", "run `git lfs pull` where it was cloned")
        }
        () if start.starts_with(b"<!doctype") || start.starts_with(b"<html") => {
            ("a web page; the site did not hand out the file", AGAIN)
        }
        () if is(b"GGUF") => {
            ("a GGUF file, which only `llama` and `generate` read", "take the safetensors or PyTorch form")
        }
        () if bytes.get(257..262) == Some(b"ustar") => (
            "a tar archive (PyTorch wrote checkpoints as such before 0.1.11)",
            "unpack it, or save it anew with a later PyTorch",
        ),
        () if is(b"\x1f\x8b") || is(b"7z\xbc\xaf") || is(b"Rar!") || is(b"\xfd7zXZ") || is(b"BZh") => {
            ("a compressed archive", "unpack it and give the file inside")
        }
        () if is(b"\x80") => (
            "a pickle that torch.save did not write",
            "pickles are read only as torch.save writes them; save its tensors as safetensors",
        ),
        () if is(b"\x89HDF") => ("an HDF5 file", CONVERT),
        () if is(b"\x93NUMPY") => ("a NumPy array", CONVERT),
        () if start.starts_with(b"{") => {
            ("JSON", "give the weights, or the folder that holds them and this file")
        }
        () if std::str::from_utf8(&start).is_ok() && !start.contains(&0) => ("text", AGAIN),
        () => ("of no form that is read here (safetensors, PyTorch, ONNX)", CONVERT),
    }
}
