//! Reference tensors made anew by PyTorch, in a Python environment of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::{python, shell, tidy};

/// Runs every `tests/golden*.py`, then tells which files differ from the committed ones.
pub fn run(root: &Path) -> Result<()> {
    let scripts: Vec<PathBuf> = tidy::sources(root)?.into_iter().filter(|path| is_generator(path)).collect();
    let python = python::environment(root)?;
    for script in &scripts {
        // One thread, so that sums are taken in one order on every machine.
        let mut command = Command::new(&python);
        command.arg(script).env("OMP_NUM_THREADS", "1");
        shell::run(command.current_dir(root))?;
    }
    report(root, &scripts)
}

/// Whether `path` is `tests/golden*.py`.
fn is_generator(path: &Path) -> bool {
    let named = |name: &str| name.starts_with("golden") && name.ends_with(".py");
    path.parent().is_some_and(|folder| folder.ends_with("tests"))
        && path.file_name().and_then(|name| name.to_str()).is_some_and(named)
}

fn report(root: &Path, scripts: &[PathBuf]) -> Result<()> {
    let folders = scripts.iter().filter_map(|script| script.parent());
    let mut git = Command::new("git");
    let changed = git.args(["status", "--short", "--"]).args(folders).current_dir(root);
    let changed = shell::capture(changed)?;
    if changed.is_empty() {
        println!("{} generators ran: every file is as committed", scripts.len());
    } else {
        println!("{} generators ran; these differ from what is committed:\n{changed}", scripts.len());
    }
    Ok(())
}
