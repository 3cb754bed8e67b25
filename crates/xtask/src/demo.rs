//! The release build and a prediction on the sample clip.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{setup, shell};

/// The clip that comes with the embedded bundle, and its words.
pub const CLIP: &str = "models/tiny/sample.mp4";
pub const WORDS: &str = "@models/tiny/sample.txt";

const NEXT: &str = "
Next, with a video of your own (`cargo run --release -p affekt --` stands for `affekt`):
  affekt predict VIDEO                           from voice and face alone
  affekt predict VIDEO --transcript @WORDS.txt   and with the words
  affekt predict VIDEO --json                    the same as one JSON object
  affekt predict VIDEO --report PAGE.html        and as a page to look at
  affekt faces VIDEO --draw FOLDER               look at the face that was found
  affekt doctor                                  what this machine can do
The book starts at docs/src/index.md.";

/// Sets up, builds and predicts.
pub fn run(root: &Path) -> Result<()> {
    setup::run(root, setup::For::Build)?;
    println!("\nThe release build takes some minutes the first time.");
    let mut cargo = Command::new(shell::cargo());
    cargo.args(["run", "--release", "--package", "affekt", "--", "predict", CLIP, "--transcript", WORDS]);
    shell::run(cargo.current_dir(root))?;
    println!("{NEXT}");
    Ok(())
}
