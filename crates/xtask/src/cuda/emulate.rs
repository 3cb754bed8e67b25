//! The CUDA build of `affekt`, run on the CPU with the test bed in place of the driver.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::testbed;
use super::toolkit::{self, Toolkit};
use crate::shell;

/// `cuda-emulate [--media] -- ARGUMENTS...`, or `--test [FILTER...]` in place of them.
pub fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let (flags, given) = match arguments.iter().position(|argument| *argument == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[][..]),
    };
    let (mut media, mut test) = (false, false);
    for flag in flags {
        match *flag {
            "--media" => media = true,
            "--test" => test = true,
            other => bail!(
                "cuda-emulate takes --media and --test, then -- and what affekt is given, not `{other}`"
            ),
        }
    }
    let libraries = testbed::build(root)?;
    let binary = build(root, media)?;
    let mut command = if test { tests(&binary, given) } else { Command::new(&binary) };
    if !test {
        command.args(given);
    }
    shell::run(command.env("LD_LIBRARY_PATH", search(&libraries)?).current_dir(root))
}

/// The binary that AFFEKT_BINARY names, or a CUDA build. Its speed is of no interest, that of the build is.
fn build(root: &Path, media: bool) -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os("AFFEKT_BINARY") {
        return Ok(binary.into());
    }
    let kit = Toolkit::find(root)?;
    let mut arguments = vec!["build", "--release", "--package", "affekt", "--features", "cuda"];
    if !media {
        arguments.push("--no-default-features");
    }
    let mut cargo = kit.cargo(root, &arguments);
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    shell::run(&mut cargo)?;
    Ok(toolkit::target(root).join("release/affekt"))
}

/// The whole-command tests, of that binary: they leave the device to `auto`, which takes the first card.
fn tests(binary: &Path, filters: &[&str]) -> Command {
    let mut cargo = Command::new(shell::cargo());
    cargo.args(["test", "--package", "affekt-tests", "--test", "cli", "--"]).args(filters);
    cargo.env("CARGO_BIN_EXE_affekt", binary);
    cargo
}

/// The test bed in front of all other libraries.
fn search(libraries: &Path) -> Result<OsString> {
    let set = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let rest = std::env::split_paths(&set).filter(|path| !path.as_os_str().is_empty());
    Ok(std::env::join_paths(std::iter::once(libraries.to_path_buf()).chain(rest))?)
}
