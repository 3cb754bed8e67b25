//! Puts the SeetaFace model that ships inside the `rustface` package where `include_bytes!` finds it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The model, relative to the root of the `rustface` package.
const MODEL: &str = "model/seeta_fd_frontal_v1.0.bin";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.toml");
    let Err(reason) = embed() else { return };
    println!("cargo::error=the face model `{MODEL}` of the `rustface` package cannot be embedded: {reason}");
}

fn embed() -> Result<(), String> {
    let (root, version) = find_rustface()?;
    let model = root.join(MODEL);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::copy(&model, out.join("seeta.bin")).map_err(|error| format!("{}: {error}", model.display()))?;
    println!("cargo::rustc-env=RUSTFACE_VERSION={version}");
    println!("cargo::rerun-if-changed={}", model.display());
    Ok(())
}

/// Folder and version of the `rustface` package that this build links, as Cargo itself resolves it: right for a
/// registry, a vendored copy and a path override alike.
fn find_rustface() -> Result<(PathBuf, String), String> {
    // The network only as a last resort: Cargo describes whole workspaces, and a first build has fetched but a part.
    let metadata = metadata(&["--offline"]).or_else(|_| metadata(&[]))?;
    let package = metadata["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|package| package["name"] == "rustface"))
        .ok_or("`cargo metadata` names no such package")?;
    let text = |key: &str| package[key].as_str().ok_or_else(|| format!("its metadata has no `{key}`"));
    let root = Path::new(text("manifest_path")?).parent().ok_or("its manifest has no folder")?.to_path_buf();
    Ok((root, text("version")?.to_owned()))
}

fn metadata(extra: &[&str]) -> Result<serde_json::Value, String> {
    let variable = |name: &str| env::var(name).map_err(|error| format!("{name}: {error}"));
    let output = Command::new(variable("CARGO")?)
        .args(["metadata", "--format-version", "1", "--filter-platform", &variable("TARGET")?])
        .arg("--manifest-path")
        .arg(Path::new(&variable("CARGO_MANIFEST_DIR")?).join("Cargo.toml"))
        .args(extra)
        .output()
        .map_err(|error| format!("`cargo metadata` does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`cargo metadata` printed no JSON: {error}"))
}
