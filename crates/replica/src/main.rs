//! Writes a replica of CMU-MOSEI: `cargo xtask replica --clips N --seed S --out DIR`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for the terminal: printing is its work"
)]

use std::fs;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use affekt_replica::script::{Order, Script};
use affekt_replica::split::Split;
use affekt_replica::{baselines, card, dataset};
use anyhow::{Context, Result, ensure};
use clap::Parser;
use clap::builder::RangedU64ValueParser;

/// A generated data set of drawn, speaking faces, in the raw layout of CMU-MOSEI. The same seed gives the same files
#[derive(Parser)]
#[command(name = "cargo xtask replica")]
struct Arguments {
    /// How many clips
    #[arg(long, default_value_t = 1000, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
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
    /// Folder for the data set: a new one, or one of the same clips and seed, which is gone on with
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
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    write_script(&script, out)?;
    let hours = if arguments.script { None } else { Some(films(&script, out)?) };
    let page = card::card(&script, hours, &baselines::of(&script));
    write(&out.join("README.md"), page.as_bytes())?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{}: {} clips in {seconds:.1} s; what it is: README.md", out.display(), script.clips.len());
    Ok(())
}

/// Hours of film.
fn films(script: &Script, out: &Path) -> Result<f64> {
    let videos = script.videos().count();
    let shown = std::io::stderr().is_terminal();
    let spoken = dataset::write(script, out, &|done| {
        if shown {
            eprint!("\r{done} of {videos} videos");
        }
    })?;
    if shown {
        eprintln!();
    }
    Ok(spoken.iter().map(|clip| clip.end - clip.start).sum::<f64>() / 3600.0)
}

/// A folder of another script is refused: its films would stay among the new ones.
fn write_script(script: &Script, out: &Path) -> Result<()> {
    let mut lines = Vec::new();
    for clip in &script.clips {
        serde_json::to_writer(&mut lines, clip)?;
        lines.push(b'\n');
    }
    let path = out.join("script.jsonl");
    match fs::read(&path) {
        Ok(there) => ensure!(
            there == lines,
            "{} holds another corpus: choose another folder with --out, or remove this one",
            out.display()
        ),
        Err(_) => write(&path, &lines)?,
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file =
        BufWriter::new(fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?);
    file.write_all(bytes)
        .and_then(|()| file.flush())
        .with_context(|| format!("cannot write {}", path.display()))
}
