//! Reference tensors made anew by PyTorch, in a Python environment of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{shell, tidy};

const REQUIREMENTS: &str = "crates/testkit/requirements.txt";
const ENVIRONMENT: &str = "target/goldens-venv";
const TINY: &str = "models/tiny/generate.py";

/// Which generators run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every `tests/golden.py`.
    Networks,
    /// These, and the seeded weights of the embedded bundle.
    NetworksAndTinyBundle,
}

/// Runs the generators, then tells which files differ from the committed ones.
pub fn run(root: &Path, scope: Scope) -> Result<()> {
    let mut scripts: Vec<PathBuf> =
        tidy::sources(root)?.into_iter().filter(|path| path.ends_with("tests/golden.py")).collect();
    if scope == Scope::NetworksAndTinyBundle {
        scripts.push(TINY.into());
    }
    let python = environment(root)?;
    for script in &scripts {
        // One thread, so that sums are taken in one order on every machine.
        let mut command = Command::new(&python);
        command.arg(script).env("OMP_NUM_THREADS", "1");
        shell::run(command.current_dir(root))?;
    }
    report(root, &scripts)
}

/// The environment's Python; made, or made anew after a change of the requirements.
fn environment(root: &Path) -> Result<PathBuf> {
    let wanted = std::fs::read_to_string(root.join(REQUIREMENTS)).context(REQUIREMENTS)?;
    let folder = root.join(ENVIRONMENT);
    let python = folder.join("bin/python");
    let stamp = folder.join("requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|made_for| made_for == wanted) {
        return Ok(python);
    }
    shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .context("no Python environment: on Debian and Ubuntu, `apt-get install python3-venv`")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS]);
    shell::run(pip.current_dir(root))?;
    std::fs::write(&stamp, wanted)?;
    Ok(python)
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
