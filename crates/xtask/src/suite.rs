//! Everything that has to pass before a change is taken.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{demo, setup, shell, tidy};

type Step = (&'static str, fn(&Path) -> Result<()>);

/// Quick steps first. Every build is of the dev profile: what one step has built, the next one finds.
const STEPS: [Step; 11] = [
    ("setup", |root| setup::run(root, setup::For::Tests)),
    ("format", |root| cargo(root, &["fmt", "--all", "--check"])),
    ("tidy", tidy::run),
    ("licences", licences),
    ("lints", |root| cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("without media", |root| cargo(root, &["check", "--package", "affekt", "--no-default-features"])),
    ("docs", docs),
    // Before the tests, since some of them run the `affekt` binary.
    ("build", |root| cargo(root, &["build", "--workspace", "--all-targets"])),
    ("tests", |root| cargo(root, &["test", "--workspace"])),
    ("cuda kernels", cuda_kernels),
    ("end to end", end_to_end),
];

/// Runs the steps in order and stops at the first that fails.
pub fn run(root: &Path) -> Result<()> {
    let mut times = Vec::new();
    for (index, (name, step)) in STEPS.iter().enumerate() {
        println!("\n== {name} ({} of {}) ==", index + 1, STEPS.len());
        let start = Instant::now();
        step(root).with_context(|| format!("step `{name}` failed after {}", seconds(start.elapsed())))?;
        times.push((name, start.elapsed()));
        println!("== {name}: passed in {} ==", seconds(start.elapsed()));
    }
    println!("\nAll {} steps passed:", times.len());
    for (name, time) in &times {
        println!("  {name:<14} {:>9}", seconds(*time));
    }
    println!("  {:<14} {:>9}", "total", seconds(times.iter().map(|(_, time)| time).sum()));
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    shell::run(Command::new(shell::cargo()).args(arguments).current_dir(root))
}

/// The tests of all networks once more, with our kernels for NVIDIA cards, compiled as C++, in place of those for the CPU.
fn cuda_kernels(root: &Path) -> Result<()> {
    const NETWORKS: [&str; 7] = ["nn", "wavlm", "manet", "llama", "generate", "sdumc", "train"];
    let mut command = Command::new(shell::cargo());
    command.args(["test", "--features", "affekt-nn/emulator"]).env("AFFEKT_EMULATE_CUDA", "1");
    for network in NETWORKS {
        command.args(["--package", &format!("affekt-{network}")]);
    }
    shell::run(command.current_dir(root))
}

fn docs(root: &Path) -> Result<()> {
    let mut command = Command::new(shell::cargo());
    command.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    shell::run(command.current_dir(root))
}

fn licences(root: &Path) -> Result<()> {
    if !shell::succeeds(Command::new(shell::cargo()).args(["deny", "--version"])) {
        println!("left out: cargo-deny is not installed (`cargo install cargo-deny`)");
        return Ok(());
    }
    cargo(root, &["deny", "check", "bans", "licenses", "sources"])
}

/// The binary of the build step on the sample clip, heard through its JSON.
fn end_to_end(root: &Path) -> Result<()> {
    // This program and `affekt` lie in one folder, wherever CARGO_TARGET_DIR points.
    let affekt = std::env::current_exe()?.with_file_name(format!("affekt{}", std::env::consts::EXE_SUFFIX));
    let arguments = ["predict", demo::CLIP, "--transcript", demo::WORDS, "--json"];
    println!("$ affekt {}", arguments.join(" "));
    let said = shell::capture(Command::new(affekt).args(arguments).current_dir(root))?;
    for valence in valences(&said)? {
        println!("{} = {}", valence.0, valence.1);
    }
    Ok(())
}

/// The two numbers of `predict --json`: the one object that is all of `said`.
fn valences(said: &str) -> Result<[(&'static str, f64); 2]> {
    let json: serde_json::Value =
        serde_json::from_str(said).with_context(|| format!("not one JSON object: {said}"))?;
    let number = |field: &'static str| -> Result<(&'static str, f64)> {
        let Some(number) = json["valence"][field].as_f64() else {
            bail!("`valence.{field}` is not a number in {said}");
        };
        ensure!(number.is_finite(), "`valence.{field}` is {number}");
        Ok((field, number))
    };
    Ok([number("with_text")?, number("without_text")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_valences_have_to_be_numbers() {
        let said = r#"{"valence": {"with_text": 0.5, "without_text": -1}}"#;
        assert_eq!(valences(said).unwrap(), [("with_text", 0.5), ("without_text", -1.0)]);
        for bad in ["", "valence: 1", r#"{"valence": {"with_text": null, "without_text": 1}}"#] {
            assert!(valences(bad).is_err(), "{bad}");
        }
    }
}
