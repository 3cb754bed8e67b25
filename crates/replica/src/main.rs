//! Writes a replica of CMU-MOSEI: `cargo xtask replica --clips N --seed S --out DIR`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for the terminal: printing is its work"
)]

use std::fs;
use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;

use affekt_replica::script::{MOST_CLIPS, Order, Script};
use affekt_replica::split::Split;
use affekt_replica::{baselines, card, dataset};
use anyhow::{Context, Result, ensure};
use clap::Parser;
use clap::builder::RangedU64ValueParser;

/// A generated data set of drawn, speaking faces, in the raw layout of CMU-MOSEI. The same seed gives the same files by
/// the same espeak-ng and ffmpeg
#[derive(Parser)]
#[command(name = "cargo xtask replica", bin_name = "cargo xtask replica")]
struct Arguments {
    /// How many clips, at most 100,000
    #[arg(long, default_value_t = 1000, value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST_CLIPS as u64))]
    clips: usize,
    /// What everything is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// All clips of this split: train, valid or test; without it, 70, 10 and 20 in a hundred
    #[arg(long, value_parser = Split::named)]
    split: Option<Split>,
    /// Clips of a video, instead of two to five
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    clips_a_video: Option<usize>,
    /// Folder for the data set: a new or empty one, or one of the same clips and seed, which is gone on with
    #[arg(long)]
    out: PathBuf,
    /// Write script.jsonl and the card only: no sound, no pictures
    #[arg(long)]
    script: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let start = Instant::now();
    let Arguments { clips, seed, split, clips_a_video, .. } = arguments;
    let script = Script::draw(Order { clips, seed, split, clips_a_video })?;
    let out = &arguments.out;
    fs::create_dir_all(out)
        .with_context(|| format!("cannot make the folder {}: name another with --out", out.display()))?;
    write_script(&script, out)?;
    let hours = if arguments.script { None } else { Some(films(&script, out)?) };
    let page = card::card(&script, hours, &baselines::of(&script));
    dataset::replace(&out.join("README.md"), &page)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{}: {} clips in {seconds:.1} s; what it is: README.md", out.display(), script.clips.len());
    Ok(())
}

/// Makes the films: hours of their clips, without the pauses between them.
fn films(script: &Script, out: &Path) -> Result<f64> {
    let shown = std::io::stderr().is_terminal();
    let spoken = dataset::write(script, out, &|done| {
        if shown {
            eprint!("\r{} of {} videos", done.videos, done.of);
        }
    })?;
    if shown {
        eprintln!();
    }
    Ok(spoken.iter().map(|clip| clip.end - clip.start).sum::<f64>() / 3600.0)
}

/// A folder of another script is refused, for its films would stay among the new ones, and one of other files, for they
/// would be lost: it may have a README.md.
fn write_script(script: &Script, out: &Path) -> Result<()> {
    let mut lines = String::new();
    for clip in &script.clips {
        lines += &serde_json::to_string(clip)?;
        lines.push('\n');
    }
    let path = out.join("script.jsonl");
    match fs::read_to_string(&path) {
        Ok(there) => ensure!(
            there == lines,
            "{} holds another corpus: choose another folder with --out, or remove this one",
            out.display()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            ensure!(
                is_free(out).with_context(|| format!("cannot read the folder {}", out.display()))?,
                "{} has files, but no script.jsonl of a corpus: choose a new or empty folder with --out",
                out.display()
            );
            dataset::replace(&path, &lines)?;
        }
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "cannot read {}: choose another folder with --out, or remove this one",
                    path.display()
                )
            });
        }
    }
    Ok(())
}

/// Whether the folder has nothing but what a run leaves that ended while it wrote its script.
fn is_free(folder: &Path) -> std::io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if entry?.file_name() != "script.part" {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(seed: u64) -> Script {
        Script::draw(Order { clips: 2, seed, split: None, clips_a_video: None }).unwrap()
    }

    #[test]
    fn a_folder_is_gone_on_with_and_one_of_another_corpus_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        fs::write(out.join("script.part"), "half").unwrap();
        write_script(&script(1), out).unwrap();
        let written = fs::read(out.join("script.jsonl")).unwrap();
        write_script(&script(1), out).unwrap();
        let error = write_script(&script(2), out).unwrap_err().to_string();
        assert!(error.contains("another corpus") && error.contains("--out"), "{error}");
        assert_eq!(fs::read(out.join("script.jsonl")).unwrap(), written);
        assert_eq!(fs::read_dir(out).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_of_other_files_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("README.md"), "mine").unwrap();
        let error = write_script(&script(1), folder.path()).unwrap_err().to_string();
        assert!(error.contains("no script.jsonl") && error.contains("--out"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn numbers_of_clips_that_no_corpus_has_are_refused() {
        for clips in ["0", "100001", "18446744073709551615"] {
            let arguments = ["replica", "--out", "anywhere", "--clips", clips];
            let error = Arguments::try_parse_from(arguments).err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains(clips)), "{clips}");
        }
    }
}
