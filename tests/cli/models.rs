//! `affekt models`: bundles, the hub, imports.

mod hub;
mod import;
mod ls;
mod pull;
mod verify;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

use crate::bundles::drawn;
use crate::command::{Ended, project};
use crate::tree::copy_folder;

/// A place of its own for everything that the command keeps or reads from the environment.
struct Place {
    folder: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let env =
            vec![("HF_HOME", path("hf")), ("AFFEKT_HOME", path("affekt")), ("NO_PROXY", "127.0.0.1".into())];
        Self { folder, env }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a bundle called `bundle` with this `bundle.toml` (after the members that every bundle has).
    fn bundle(&self, rest: &str) -> String {
        let folder = self.path("bundle");
        fs::create_dir_all(&folder).unwrap();
        let head = "name = \"b\"\ndescription = \"of a test\"\ntrained = false\n[features]\n";
        let rest = if rest.contains("[networks") { rest.to_owned() } else { format!("[networks]\n{rest}") };
        fs::write(folder.join("bundle.toml"), format!("{head}{rest}")).unwrap();
        folder.to_str().unwrap().to_owned()
    }

    /// A copy of the folder of the tiny bundle with drawn weights.
    fn tiny(&self) -> PathBuf {
        let folder = self.path("tiny");
        copy_folder(Path::new(drawn()), &folder);
        folder
    }

    fn affekt<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ended {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("affekt"));
        for (name, _) in std::env::vars() {
            let name = name.to_uppercase();
            if name.starts_with("HF_") || name.ends_with("_PROXY") {
                command.env_remove(&name).env_remove(name.to_lowercase());
            }
        }
        command.current_dir(project()).args(args).envs(self.env.iter().cloned());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("a command ends by itself, not by a signal");
        Ended { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Every file below `folder`, by its path from there.
fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
