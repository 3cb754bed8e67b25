//! The Python environment of the reference implementations: PyTorch and transformers at pinned versions.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell;

const REQUIREMENTS: &str = "crates/testkit/requirements.txt";
const ENVIRONMENT: &str = "target/goldens-venv";
/// Names a Python that already has the requirements.
const GIVEN: &str = "AFFEKT_PYTHON";

/// A Python with the requirements: the one that `AFFEKT_PYTHON` names, else that of an environment of our own, which
/// is made where it is absent, and made anew after a change of the requirements.
pub fn environment(root: &Path) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os(GIVEN) {
        let imports = "import safetensors, torch, transformers";
        ensure!(
            shell::succeeds(Command::new(&given).args(["-c", imports])),
            "{GIVEN}={} is no Python with the packages of {REQUIREMENTS}",
            given.display()
        );
        return Ok(given.into());
    }
    let wanted = std::fs::read_to_string(root.join(REQUIREMENTS)).context(REQUIREMENTS)?;
    let folder = root.join(ENVIRONMENT);
    let python = folder.join("bin/python");
    let stamp = folder.join("requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|made_for| made_for == wanted) {
        return Ok(python);
    }
    println!(
        "PyTorch and transformers go to {ENVIRONMENT}: about 1 GB, once. To use a Python that has the packages of \
         {REQUIREMENTS}, name it in {GIVEN}."
    );
    shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .context("no Python environment: on Debian and Ubuntu, `apt-get install python3-venv`")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS]);
    shell::run(pip.current_dir(root))?;
    std::fs::write(&stamp, wanted)?;
    Ok(python)
}
