//! A tool kit from PyPI: enough to compile and link, in a folder of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::toolkit::{Toolkit, target};
use crate::shell;

/// The compiler and what it consists of, headers, and the libraries that are linked with: all of one release.
const WHEELS: [&str; 8] = [
    "nvidia-cuda-nvcc==13.0.*",
    "nvidia-cuda-runtime==13.0.*",
    "nvidia-cuda-cccl==13.0.*",
    "nvidia-nvvm==13.0.*",
    "nvidia-cuda-crt==13.0.*",
    "nvidia-cublas==13.0.*",
    "nvidia-cuda-nvrtc==13.0.*",
    "nvidia-curand",
];
const CUDNN: &str = "nvidia-cudnn-cu13";
/// Where the environment has the tool kit.
const KIT: &str = "nvidia/cu13";

/// `cargo xtask cuda-toolkit [--cudnn]`.
pub fn run(root: &Path, flags: &[&str]) -> Result<()> {
    let cudnn = match flags {
        [] => false,
        ["--cudnn"] => true,
        other => bail!("cuda-toolkit takes --cudnn, not `{}`", other.join(" ")),
    };
    install(root, cudnn)?;
    println!("CUDA builds of xtask take the tool kit in {}", target(root).join("toolkit").display());
    Ok(())
}

/// The tool kit of this machine, or one from PyPI.
pub fn found_or_installed(root: &Path) -> Result<Toolkit> {
    if let Ok(found) = Toolkit::find(root) {
        return Ok(found);
    }
    println!("This machine has no CUDA tool kit: one goes to target/cuda/wheels, about 1.5 GB, once.");
    install(root, false)?;
    Toolkit::find(root)
}

/// Puts the wheels into an environment of their own and its tool kit where [`Toolkit::find`] looks.
pub fn install(root: &Path, cudnn: bool) -> Result<()> {
    let folder = target(root).join("wheels");
    if !folder.join("bin/pip").exists() {
        shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
            .context("no Python environment: on Debian and Ubuntu, `apt-get install python3-venv`")?;
    }
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet"]).args(WHEELS).args(cudnn.then_some(CUDNN));
    shell::run(&mut pip)?;
    let versions = fs::read_dir(folder.join("lib")).context("the Python environment has no lib")?;
    let kits = versions.flatten().map(|version| version.path().join("site-packages").join(KIT));
    let kit = kits.into_iter().find(|kit| kit.join("bin/nvcc").exists());
    let kit = kit.with_context(|| format!("the wheels brought no {KIT}/bin/nvcc"))?;
    let link = target(root).join("toolkit");
    // An older one may lead elsewhere.
    let _ = fs::remove_file(&link);
    super::toolkit::make_link(&kit, &link)
}
