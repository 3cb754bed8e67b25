//! Published checkpoints into a bundle.

use std::fs;
use std::path::Path;

use affekt_core::Digest;
use affekt_pipelines::Error;
use affekt_pipelines::networks::{self, Form};
use affekt_pipelines::train::checkpoint;
use affekt_weights::Error as WeightsError;
use affekt_weights::bundle::change::file_name;
use affekt_weights::bundle::{Bundle, Imported, NetworkFiles};

/// What was taken in.
#[derive(Clone, Debug)]
pub struct TakenIn {
    /// Path inside the bundle.
    pub file: String,
    /// SHA-256 of what is there now.
    pub sha256: Digest,
    /// SHA-256 of what it was made from.
    pub source_sha256: Digest,
    /// Tensors; `None` for a file that was copied as it is.
    pub tensors: Option<usize>,
}

/// Takes `source` into `bundle` as `target`: the name of a network, or a file that `bundle.toml` lists.
///
/// Weights of a network may have any published form (a checkpoint file, an index of shards, a folder as Hugging Face
/// saves one, an ONNX file for the face detector). The network is built from them with the bundle's configuration first:
/// what does not fit to the last key and shape is refused. Then they are written as safetensors under their published
/// names; a GGUF file is checked in the same way and copied. A checkpoint of `affekt train`, or the folder of its run, keeps
/// its card: its settings count, and its features are held against the bundle's at each prediction. Any other file is
/// copied as it is; where its digest is known it must be right.
pub fn import(bundle: &mut Bundle, target: &str, source: &Path) -> Result<TakenIn, Error> {
    if !source.exists() {
        return Err(WeightsError::NotFound { path: source.into() }.into());
    }
    match weights_of(bundle, target) {
        Some(network) => weights(bundle, &network, source),
        None => copy(bundle, target, source),
    }
}

/// The network whose weights `target` means: by its name, by the safetensors file that an import writes, or by its one
/// GGUF file.
fn weights_of(bundle: &Bundle, target: &str) -> Option<String> {
    let networks = &bundle.manifest().networks;
    let means = |name: &String, files: &NetworkFiles| {
        let quantised = is_one_gguf(&files.weights) && files.weights[0] == target;
        name == target || files.converted() == target || quantised
    };
    networks.iter().find(|(name, files)| means(name, files)).map(|(name, _)| name.clone())
}

fn weights(bundle: &mut Bundle, network: &str, source: &Path) -> Result<TakenIn, Error> {
    let config = bundle.network(network)?.config.clone();
    // What stands in the way in any case is told before gigabytes are read.
    bundle.place(&bundle.network(network)?.weights[0])?;
    if let Some(config) = &config {
        bundle.file(config)?;
    }
    let form = Form::open(source)?;
    let listed = bundle.network(network)?.weights.clone();
    if let (Form::Gguf(_), false) = (&form, is_one_gguf(&listed)) {
        let reason = format!(
            "{} is a GGUF file, but bundle {} has {network} as {}; use a bundle that has it quantised",
            source.display(),
            bundle.name(),
            listed.join(", ")
        );
        return Err(Error::Setting { name: "PATH".into(), reason });
    }
    networks::check(bundle, network, &form)?;
    let source = &checkpoint::file(source).unwrap_or_else(|_| source.into());
    let (checkpoint, trained) = match form {
        Form::Checkpoint(checkpoint) => (checkpoint, false),
        Form::Trained(checkpoint, _) => (checkpoint, true),
        Form::Gguf(_) => return copy(bundle, &listed[0], source),
    };
    let pinned =
        |path: &String| bundle.manifest().files.get(path).is_some_and(|facts| facts.sha256.is_some());
    if listed.len() == 1 && listed[0].ends_with(".safetensors") && pinned(&listed[0]) && source.is_file() {
        // Its bytes are known: only the very file will do.
        return copy(bundle, &listed[0], source);
    }
    let source_sha256 = checkpoint.digest();
    let imported = Imported { name: file_name(source), sha256: source_sha256.clone() };
    let write = |path: &Path| match trained {
        // With the card in it.
        true => fs::copy(source, path)
            .map(|_| ())
            .map_err(|error| WeightsError::Write { path: path.into(), reason: error.to_string() }),
        false => checkpoint.write(path, |name| Some(name.to_owned())),
    };
    let (file, sha256) = bundle.take_weights(network, imported, write)?;
    let tensors = Some(checkpoint.shapes().count());
    Ok(TakenIn { file, sha256, source_sha256, tensors })
}

fn is_one_gguf(files: &[String]) -> bool {
    matches!(files, [only] if only.ends_with(".gguf"))
}

fn copy(bundle: &mut Bundle, target: &str, source: &Path) -> Result<TakenIn, Error> {
    if !bundle.manifest().files.contains_key(target) {
        let networks = bundle.manifest().networks.keys().cloned().collect::<Vec<_>>().join(", ");
        let reason = format!(
            "bundle {} has neither a network {target:?} nor such a file; its networks are {networks}",
            bundle.name()
        );
        return Err(Error::Setting { name: "NETWORK|FILE".into(), reason });
    }
    if source.is_dir() {
        let reason = format!("{} is a folder; {target} is a file", source.display());
        return Err(Error::Setting { name: "PATH".into(), reason });
    }
    let sha256 = bundle.take_copy(target, source)?;
    Ok(TakenIn { file: target.into(), source_sha256: sha256.clone(), sha256, tensors: None })
}
