//! The CUDA tool kit: found, and set up for cargo. A card or its driver is not needed to build.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

use crate::shell;

/// The libraries that `affekt` is linked with, beside the driver's.
const LIBRARIES: [&str; 5] = ["cublas", "cublasLt", "cudart", "curand", "nvrtc"];

const REMEDY: &str = "\
no CUDA tool kit found: `nvcc` is neither in the bin folder of CUDA_HOME nor on PATH. It takes one of 12.x or 13.x; no
card and no driver is needed to build. `cargo xtask cuda-toolkit` sets one up from PyPI, in target/cuda; or install it from
https://developer.nvidia.com/cuda-downloads, and set CUDA_HOME";

/// A tool kit that is there.
#[derive(Debug)]
pub struct Toolkit {
    /// Its folder, which has `bin/nvcc`.
    home: PathBuf,
    /// Where the linker finds libraries that the tool kit has under no plain name.
    links: PathBuf,
}

/// What CUDA builds write: beside the other builds, which have another set of features.
pub fn target(root: &Path) -> PathBuf {
    root.join("target/cuda")
}

impl Toolkit {
    /// The one that CUDA_HOME, CUDA_PATH or CUDA_ROOT names, the one on PATH, or the one where installers put it.
    pub fn find(root: &Path) -> Result<Self> {
        let named =
            ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"].into_iter().filter_map(env::var_os).map(PathBuf::from);
        let on_path = env::var_os("PATH").unwrap_or_default();
        let on_path: Vec<PathBuf> =
            env::split_paths(&on_path).filter_map(|bin| Some(bin.parent()?.into())).collect();
        let usual =
            [PathBuf::from("/usr/local/cuda"), PathBuf::from("/opt/cuda"), target(root).join("toolkit")];
        let mut homes = named.chain(on_path).chain(usual);
        let home = homes.find(|home| home.join("bin/nvcc").exists()).context(REMEDY)?;
        let links = target(root).join("link");
        let kit = Self { home, links };
        kit.link()?;
        Ok(kit)
    }

    /// A cargo that builds with this tool kit into [`target`], at the project's root. What the environment says stays.
    pub fn cargo(&self, root: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(shell::cargo());
        command.args(arguments).current_dir(root).env("CARGO_TARGET_DIR", target(root));
        for name in ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"] {
            command.env(name, &self.home);
        }
        command.env("PATH", before("PATH", &[self.home.join("bin")]));
        // Where there is no driver, not even its stub, the test bed's library is linked with: it has the same names.
        let kits = ["lib64", "lib64/stubs", "lib", "lib/stubs"].map(|folder| self.home.join(folder));
        let libraries =
            [vec![self.links.clone()], kits.to_vec(), vec![target(root).join("testbed")]].concat();
        command.env("LIBRARY_PATH", before("LIBRARY_PATH", &libraries));
        if env::var_os("CUDA_COMPUTE_CAP").is_none() && !has_card() {
            // Of what the documents are about: H100 and H200.
            command.env("CUDA_COMPUTE_CAP", "90");
        }
        command
    }

    /// Libraries from PyPI have only names with a version, which no linker looks for: gives them the others.
    fn link(&self) -> Result<()> {
        fs::create_dir_all(&self.links).with_context(|| format!("cannot make {}", self.links.display()))?;
        for name in LIBRARIES {
            let plain = format!("lib{name}.so");
            let link = self.links.join(&plain);
            let folders = ["lib64", "lib"].map(|folder| self.home.join(folder));
            if link.exists() || folders.iter().any(|folder| folder.join(&plain).exists()) {
                continue;
            }
            let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
            let versioned = files.map(|file| file.path()).find(|path| {
                path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{plain}.")))
            });
            if let Some(versioned) = versioned {
                // A link that leads nowhere any more is in the way.
                let _ = fs::remove_file(&link);
                make_link(&versioned, &link)?;
            }
        }
        Ok(())
    }
}

/// A link, in place of none.
#[cfg(unix)]
pub fn make_link(to: &Path, link: &Path) -> Result<()> {
    std::os::unix::fs::symlink(to, link).with_context(|| format!("cannot link {}", link.display()))
}

#[cfg(not(unix))]
pub fn make_link(_: &Path, link: &Path) -> Result<()> {
    anyhow::bail!("cannot link {}: CUDA builds are for Linux", link.display())
}

/// Folders in front of those that a variable lists.
fn before(variable: &str, folders: &[PathBuf]) -> OsString {
    let listed = env::var_os(variable).unwrap_or_default();
    let rest: Vec<PathBuf> = env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty()).collect();
    env::join_paths(folders.iter().chain(&rest)).unwrap_or(listed)
}

/// Whether the driver's tool shows a card, whose compute capability builds then take.
fn has_card() -> bool {
    shell::succeeds(Command::new("nvidia-smi").arg("-L"))
}
