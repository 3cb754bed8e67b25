//! The generated corpus, and the networks of the embedded bundle.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{python, setup, shell};

/// The scripts of `models/tiny/train`, each of which makes what it is called after.
const SCRIPTS: [&str; 6] = ["wavlm", "llama", "slam", "manet", "whisper", "bundle"];

/// Makes a corpus by the program `replica`, which takes `arguments`.
pub fn corpus(root: &Path, arguments: &[&str]) -> Result<()> {
    setup::run(root, setup::For::Tests)?;
    // In the user's folder, so that `--out` means what it says there.
    let mut cargo = Command::new(shell::cargo());
    cargo.args(["run", "--release", "--manifest-path"]).arg(root.join("Cargo.toml"));
    shell::run(cargo.args(["--package", "affekt-replica", "--"]).args(arguments))
}

/// Trains or draws a network of the embedded bundle, or puts the bundle together, by the script of that name.
pub fn tiny(root: &Path, arguments: &[&str]) -> Result<()> {
    let Some((network, arguments)) = arguments.split_first().filter(|(name, _)| SCRIPTS.contains(name))
    else {
        let given = arguments.first().map_or("nothing", |name| name);
        bail!("`cargo xtask tiny` takes one of {}, not {given}", SCRIPTS.join(", "));
    };
    setup::run(root, setup::For::Tests)?;
    let mut python = Command::new(python::environment(root)?);
    shell::run(python.arg(root.join(format!("models/tiny/train/{network}.py"))).args(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_networks_are_refused_before_anything_is_installed() {
        for (arguments, given) in [(&["sdumc"][..], "not sdumc"), (&[], "not nothing")] {
            let error = tiny(Path::new("absent"), arguments).unwrap_err().to_string();
            assert!(
                error.contains("wavlm, llama, slam, manet, whisper, bundle") && error.contains(given),
                "{error}"
            );
        }
    }
}
