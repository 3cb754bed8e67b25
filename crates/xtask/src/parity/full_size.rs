//! The whole system at its published size, with drawn weights: `affekt predict`, its time by stage and its memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::options::Options;
use super::programs::{Programs, publish};
use super::table;
use crate::demo::{CLIP, WORDS};
use crate::shell;

/// Under `target`: 4 GB, the language model. The other networks' weights are links to those of the parity commands.
const FOLDER: &str = "target/full-size";
/// Seconds of the clip: the sample, from its start again after its end.
const SECONDS: &str = "8";
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Aims of issue 6, of a prediction.
const AIM: (f64, f64) = (60.0, 8.0);

/// What the system says of the memory of a process, in GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Memory {
    /// Everything that was resident at once.
    peak: f64,
    /// The largest part of it that is the process's own; the rest are pages of mapped files, which the system takes back
    /// where others need the memory.
    own: f64,
}

/// `cargo xtask full-size [--max-new-tokens N] [--threads N] [--keep]`.
pub fn run(root: &Path, flags: &[&str]) -> Result<()> {
    let keep = flags.contains(&"--keep");
    let rest: Vec<&str> = flags.iter().copied().filter(|flag| *flag != "--keep").collect();
    let options = Options::parse(&rest, &["--threads", "--max-new-tokens"])?;
    let programs = Programs::with_weights(root, &options, &["wavlm", "manet", "slam", "sdumc"])?;
    let folder = root.join(FOLDER);
    println!("drawing the language model: 4 GB in {FOLDER}");
    let tokens = options.max_new_tokens.to_string();
    let text = programs
        .bundle(FOLDER, &tokens)
        .and_then(|()| clip(root, &folder))
        .and_then(|clip| predict(&programs, &options, &clip));
    if keep {
        println!("the bundle stays in {FOLDER}");
    } else if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| FOLDER.to_owned())?;
    }
    publish(root, "full-size.md", &text?)
}

/// The sample clip at the length of an utterance.
fn clip(root: &Path, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("clip.mp4");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-y", "-v", "error", "-stream_loop", "-1", "-i", CLIP, "-t", SECONDS]);
    shell::capture(ffmpeg.arg(&path).current_dir(root))?;
    Ok(path)
}

fn predict(programs: &Programs, options: &Options, clip: &Path) -> Result<String> {
    // Once a bundle is verified, its lock file says so: a prediction does not read all weights for their digests.
    shell::capture(programs.command().args(["models", "verify", FOLDER]))?;
    let mut command = programs.command();
    command
        .args(["predict", "--json", "--device", "cpu", "--models", FOLDER, "--transcript", WORDS])
        .arg(clip);
    let (said, memory) = measured(&mut command)?;
    report(&said, memory, options.threads).with_context(|| format!("not a prediction: {said}"))
}

/// Runs the command; what it writes to stdout, and its memory.
fn measured(command: &mut Command) -> Result<(Value, Memory)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut memory = Memory::default();
    // One JSON object and a few lines fit a pipe: nothing has to be read meanwhile.
    while child.try_wait()?.is_none() {
        memory.look(&fs::read_to_string(&status).unwrap_or_default());
        sleep(LOOK);
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "affekt predict: {}", String::from_utf8_lossy(&output.stderr).trim());
    let said = serde_json::from_slice(&output.stdout).context("affekt predict: not JSON")?;
    Ok((said, memory))
}

impl Memory {
    /// Takes in what `/proc/PID/status` says.
    fn look(&mut self, status: &str) {
        let gib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.split_whitespace().next()?.parse::<f64>().ok()? / f64::from(1 << 20))
        };
        self.peak = self.peak.max(gib("VmHWM:").unwrap_or(0.0));
        self.own = self.own.max(gib("RssAnon:").unwrap_or(0.0));
    }
}

fn report(said: &Value, memory: Memory, threads: usize) -> Option<String> {
    let timing = said["timing_s"].as_object()?;
    let total = timing["total"].as_f64()?;
    let rows: Vec<Vec<String>> = timing
        .iter()
        .filter_map(|(stage, seconds)| Some(vec![stage.clone(), format!("{:.1}", seconds.as_f64()?)]))
        .collect();
    let (seconds, gib) = AIM;
    let held = |holds: bool| if holds { "held" } else { "MISSED" };
    let text = format!(
        "{threads} threads; clip of {:.2} s, {} tokens generated\n\n{}\npeak memory {:.2} GiB, mapped weights included; \
         at most {:.2} GiB of it are the process's own\naims: under {seconds} s {}, under {gib} GiB {}\n",
        said["duration_s"].as_f64()?,
        said["simulated"]["tokens"].as_u64()?,
        table::render(&["stage", "seconds"], &rows),
        memory.peak,
        memory.own,
        held(total < seconds),
        held(memory.peak < gib),
    );
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_keeps_the_largest_that_it_has_seen() {
        let mut memory = Memory::default();
        memory.look("VmHWM:\t 2097152 kB\nRssAnon:\t 1048576 kB\n");
        memory.look("VmHWM:\t 4194304 kB\nRssAnon:\t  524288 kB\n");
        memory.look("");
        assert_eq!(memory, Memory { peak: 4.0, own: 1.0 });
    }

    #[test]
    fn a_report_names_stages_and_aims() {
        let said =
            r#"{"duration_s": 8.0, "simulated": {"tokens": 200}, "timing_s": {"load": 1.5, "total": 61.0}}"#;
        let memory = Memory { peak: 7.5, own: 3.0 };
        let text = report(&serde_json::from_str(said).unwrap(), memory, 2).unwrap();
        assert!(text.contains("| load  | 1.5     |") && text.contains("200 tokens"), "{text}");
        assert!(text.contains("60 s MISSED") && text.contains("8 GiB held"), "{text}");
    }
}
