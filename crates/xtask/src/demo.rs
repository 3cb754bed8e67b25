//! The release build, and predictions of the sample clips beside their labels.
//!
//! | module | holds |
//! |---|---|
//! | [`samples`] | the clips that come with the embedded bundle |
//! | [`table`] | what is predicted of them beside their labels |

mod samples;
mod table;

use std::io::{IsTerminal, stdout};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{setup, shell};
use samples::Sample;

/// The clip of the end-to-end step, and its words.
pub const CLIP: &str = "models/tiny/sample.mp4";
pub const WORDS: &str = "@models/tiny/sample.txt";

const SAMPLES: &str = "models/tiny/samples";
const REPORT: &str = "target/demo/report.html";

const MEANING: &str = "
Three clips of drawn faces that speak, none of them seen in training. Valence goes from -3 (very negative) to 3 (very
positive): `label` is what the corpus gives the clip, the other two are predictions: from voice, face and the words beside them,
and from voice and face alone.";

const NEXT: &str = "
Next, with a video of your own (`cargo run --release -p affekt --` stands for `affekt`):
  affekt predict VIDEO                           from voice and face alone
  affekt predict VIDEO --transcript @WORDS.txt   and with the words
  affekt predict VIDEO --json                    the same as one JSON object
  affekt predict VIDEO --report PAGE.html        and as a page to look at
  affekt faces VIDEO --draw FOLDER               look at the face that was found
  affekt doctor                                  what this machine can do
The book starts at docs/src/index.md.";

/// Sets up, builds, predicts the samples, and writes the page about them.
pub fn run(root: &Path) -> Result<()> {
    setup::run(root, setup::For::Build)?;
    let samples = samples::read(&root.join(SAMPLES))?;
    println!("\nThe release build takes some minutes the first time.");
    let mut build = Command::new(shell::cargo());
    shell::run(build.args(["build", "--release", "--package", "affekt"]).current_dir(root))?;
    let report = root.join(REPORT);
    if let Some(folder) = report.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let said = predict(root, &samples)?;
    println!("{MEANING}\n\n{}", table::text(&samples, &said)?);
    println!("The report: {}", report.display());
    show(&report);
    println!("{NEXT}");
    Ok(())
}

/// One run over all samples: what it says in JSON, a line a sample. With words a prediction has both valences.
fn predict(root: &Path, samples: &[Sample]) -> Result<String> {
    let mut cargo = Command::new(shell::cargo());
    cargo.args(["run", "--quiet", "--release", "--package", "affekt", "--", "predict"]);
    cargo.args(samples.iter().map(|sample| format!("{SAMPLES}/{}.mp4", sample.name)));
    cargo.args(["--transcript", &format!("@{SAMPLES}"), "--json", "--report", REPORT]);
    println!("$ {}", shell::line(&cargo));
    let output = cargo.current_dir(root).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("the samples cannot all be predicted ({}): {}", output.status, said.trim());
    }
    Ok(said)
}

/// Opens the page where somebody sits before a desktop. It is only a convenience: that it cannot be opened is no error.
fn show(report: &Path) {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let Some(opener) = opener(stdout().is_terminal(), cfg!(target_os = "macos"), set) else { return };
    let mut command = Command::new(opener);
    let command = command.arg(report).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if command.spawn().is_ok() {
        println!("(opened by {opener})");
    }
}

/// The program that opens a page in the browser, where there is a desktop: `set` tells whether a variable is.
fn opener(terminal: bool, macos: bool, set: impl Fn(&str) -> bool) -> Option<&'static str> {
    let desktop = macos || set("DISPLAY") || set("WAYLAND_DISPLAY");
    let opener = if macos { "open" } else { "xdg-open" };
    (terminal && desktop && !set("CI")).then_some(opener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_opened_only_before_a_desktop() {
        let only = |names: &'static [&'static str]| move |name: &str| names.contains(&name);
        assert_eq!(opener(true, false, only(&["DISPLAY"])), Some("xdg-open"));
        assert_eq!(opener(true, false, only(&["WAYLAND_DISPLAY"])), Some("xdg-open"));
        assert_eq!(opener(true, true, only(&[])), Some("open"));
        assert_eq!(opener(true, false, only(&[])), None);
        assert_eq!(opener(false, false, only(&["DISPLAY"])), None);
        assert_eq!(opener(true, false, only(&["DISPLAY", "CI"])), None);
        assert_eq!(opener(true, true, only(&["CI"])), None);
    }
}
