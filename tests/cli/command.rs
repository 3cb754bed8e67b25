//! Runs the `affekt` binary.

use std::ffi::OsStr;
use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::Value;

/// What a command left behind.
pub struct Ended {
    /// Exit code.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// stdout as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {:?}", self.stdout))
    }

    /// stdout as one JSON value a line.
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Runs `affekt` with `args`, in the folder of the project.
pub fn affekt<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ended {
    let program = assert_cmd::cargo::cargo_bin("affekt");
    assert!(program.exists(), "{} is absent: run `cargo build -p affekt` first", program.display());
    let output = Command::new(program).current_dir(project()).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().expect("a command ends by itself, not by a signal");
    Ended { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The folder of the project.
pub fn project() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The sample clip.
pub const SAMPLE: &str = "models/tiny/sample.mp4";
