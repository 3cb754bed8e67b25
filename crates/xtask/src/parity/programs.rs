//! The two programs that take the same flags: `affekt run`, and `reference.py` on PyTorch.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cases::Case;
use super::options::Options;
use crate::{python, shell};

const SCRIPTS: &str = "crates/testkit/parity";
/// Weights and inputs, drawn once; outputs.
const FOLDER: &str = "target/parity";
/// Names the program to use in place of a release build.
const GIVEN: &str = "AFFEKT_BINARY";

/// Both programs, ready to run.
pub struct Programs {
    root: PathBuf,
    python: PathBuf,
    affekt: PathBuf,
    threads: String,
}

/// What a program says about its passes.
#[derive(Debug)]
pub struct Measured {
    /// One a pass.
    pub seconds: Vec<f64>,
    /// Peak of the whole process, in MiB.
    pub memory: f64,
    /// Of `affekt run generate`: how the last search went.
    pub search: Option<Search>,
}

/// How many clips went through the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    pub clips: f64,
    pub tokens: f64,
    pub passes: f64,
    pub beam_rows: f64,
    pub prompt_rows: f64,
    /// Clips in flight, mean over the passes.
    pub in_flight: f64,
    /// Most of the cache that was in use.
    pub cache_bytes: f64,
}

/// What the machine can do, by PyTorch.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Gigabytes read once in a second.
    pub read: f64,
    /// 10^9 floating-point operations of a large product in a second.
    pub products: f64,
}

/// What a training step takes at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// 10^9 floating-point operations of its projections.
    pub gflop: f64,
    /// What affekt's plain products reach.
    pub gflop_per_s: f64,
    pub seconds: f64,
}

/// How far one group of output tensors is from its reference.
pub struct Compared {
    pub name: String,
    /// Members of the group.
    pub tensors: u64,
    /// The member that is furthest.
    pub worst: String,
    /// Whether they are integers, which have to be equal.
    pub integers: bool,
    /// Largest difference over the root mean square; `None` where nothing can be compared.
    pub error: Option<f64>,
}

impl Programs {
    /// Builds `affekt`, sees to Python, and draws the weights of `cases`.
    pub fn prepare(root: &Path, options: &Options, cases: &[&Case]) -> Result<Self> {
        let mut networks: Vec<&str> =
            cases.iter().filter_map(|case| case.weights.split('/').next()).collect();
        networks.dedup();
        Self::with_weights(root, options, &networks)
    }

    /// The same with the weights of `networks`.
    pub fn with_weights(root: &Path, options: &Options, networks: &[&str]) -> Result<Self> {
        let python = python::environment(root)?;
        let affekt = match std::env::var_os(GIVEN) {
            Some(given) => given.into(),
            None => build(root)?,
        };
        let threads = options.threads.to_string();
        let programs = Self { root: root.to_owned(), python, affekt, threads };
        for network in networks {
            let folder = Path::new(FOLDER).join(network);
            shell::capture(programs.script("make.py").arg(network).arg(folder))?;
        }
        Ok(programs)
    }

    /// Runs a case in `affekt`; its outputs go to `output`.
    pub fn affekt(&self, case: &Case, dtype: &str, repeat: usize, output: &Path) -> Result<Measured> {
        let mut command = Command::new(&self.affekt);
        command.arg("run").arg(case.names.affekt).args(["--device", "cpu"]);
        self.run(&mut command, case, dtype, repeat, output)
    }

    /// Runs it in PyTorch.
    pub fn torch(&self, case: &Case, dtype: &str, repeat: usize, output: &Path) -> Result<Measured> {
        self.run(self.script("reference.py").arg(case.names.torch), case, dtype, repeat, output)
    }

    fn run(
        &self,
        command: &mut Command,
        case: &Case,
        dtype: &str,
        repeat: usize,
        output: &Path,
    ) -> Result<Measured> {
        let folder = Path::new(FOLDER);
        let repeat = repeat.to_string();
        command.args(["--repeat", &repeat, "--dtype", dtype]).args(&case.flags);
        command.arg("--weights").arg(folder.join(case.weights));
        command.arg("--input").arg(folder.join(case.input)).arg("--output").arg(output);
        if let Some(config) = case.config {
            command.arg("--config").arg(folder.join(config));
        }
        command.env("RAYON_NUM_THREADS", &self.threads).env("OMP_NUM_THREADS", &self.threads);
        let said = shell::capture(command.current_dir(&self.root))?;
        measured(&said).with_context(|| format!("not seconds and memory: {said}"))
    }

    /// Writes a bundle of the whole system to `folder`, whose generations end at `tokens`.
    pub fn bundle(&self, folder: &str, tokens: &str) -> Result<()> {
        shell::capture(self.script("bundle.py").args([FOLDER, folder, tokens])).map(drop)
    }

    /// `affekt` on the same number of threads, for other work than a case's.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.affekt);
        command.env("RAYON_NUM_THREADS", &self.threads).current_dir(&self.root);
        command
    }

    /// Asks PyTorch what this machine can do.
    pub fn probe(&self) -> Result<Probe> {
        let said = shell::capture(self.script("probe.py").env("OMP_NUM_THREADS", &self.threads))?;
        let json: Value = serde_json::from_str(&said)?;
        let rate = |name: &str| json[name].as_f64().with_context(|| format!("no {name} in {said}"));
        Ok(Probe { read: rate("read_gb_s")?, products: rate("gflop_s")? })
    }

    /// Training steps of SDUMC in PyTorch.
    pub fn torch_steps(&self, steps: usize) -> Result<Measured> {
        let mut command = self.script("sdumc_step.py");
        command.env("OMP_NUM_THREADS", &self.threads);
        let said = shell::capture(command.args(["--steps", &steps.to_string()]))?;
        measured(&said).with_context(|| format!("not seconds and memory: {said}"))
    }

    /// The same in `affekt bench train`.
    pub fn affekt_steps(&self, steps: usize) -> Result<(Measured, Floor)> {
        let mut command = self.command();
        command.args(["bench", "train", "--json", "--device", "cpu", "--steps", &steps.to_string()]);
        let said = shell::capture(&mut command)?;
        measured(&said).zip(floor(&said)).with_context(|| format!("not seconds and memory: {said}"))
    }

    /// A file under the folder of weights and inputs, as JSON.
    pub fn json(&self, name: &str) -> Result<Value> {
        let path = self.root.join(FOLDER).join(name);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Holds the outputs `got` against `reference`.
    pub fn compare(&self, reference: &Path, got: &Path) -> Result<Vec<Compared>> {
        let said = shell::capture(self.script("compare.py").arg(reference).arg(got))?;
        let groups: Option<Vec<Compared>> = said.lines().map(compared).collect();
        groups.with_context(|| format!("not a comparison: {said}"))
    }

    /// A file for outputs.
    pub fn output(&self, name: &str) -> PathBuf {
        self.root.join(FOLDER).join(format!("{name}.safetensors"))
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(Path::new(SCRIPTS).join(name)).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("TRANSFORMERS_VERBOSITY", "error").env("HF_HUB_DISABLE_PROGRESS_BARS", "1");
        command.current_dir(&self.root);
        command
    }
}

/// Writes what was found beside the weights, for the book to quote, and prints it.
pub fn publish(root: &Path, name: &str, text: &str) -> Result<()> {
    let path = Path::new(FOLDER).join(name);
    std::fs::create_dir_all(root.join(FOLDER)).context(FOLDER)?;
    std::fs::write(root.join(&path), text).with_context(|| path.display().to_string())?;
    println!("\n{text}\n(also in {})", path.display());
    Ok(())
}

fn build(root: &Path) -> Result<PathBuf> {
    println!("The release build takes some minutes the first time.");
    let mut cargo = Command::new(shell::cargo());
    shell::run(cargo.args(["build", "--release", "--package", "affekt"]).current_dir(root))?;
    // This program lies in the folder of the dev profile, beside that of the release, wherever CARGO_TARGET_DIR points.
    let this = std::env::current_exe()?;
    let target = this.ancestors().nth(2).context("xtask lies in no target folder")?;
    let affekt = target.join("release").join(format!("affekt{}", std::env::consts::EXE_SUFFIX));
    ensure!(affekt.is_file(), "the build made no {}", affekt.display());
    Ok(affekt)
}

fn measured(said: &str) -> Option<Measured> {
    let json: Value = serde_json::from_str(said).ok()?;
    let seconds = json["seconds"].as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?;
    Some(Measured { seconds, memory: json["peak_rss_mb"].as_f64()?, search: search(&json["search"]) })
}

fn floor(said: &str) -> Option<Floor> {
    let json: Value = serde_json::from_str(said).ok()?;
    let number = |name: &str| json[name].as_f64();
    Some(Floor { gflop: number("gflop")?, gflop_per_s: number("gflop_per_s")?, seconds: number("floor_s")? })
}

fn search(json: &Value) -> Option<Search> {
    let number = |name: &str| json[name].as_f64();
    Some(Search {
        clips: number("clips")?,
        tokens: number("tokens")?,
        passes: number("passes")?,
        beam_rows: number("beam_rows")?,
        prompt_rows: number("prompt_rows")?,
        in_flight: number("mean_in_flight")?,
        cache_bytes: number("peak_cache_bytes")?,
    })
}

fn compared(line: &str) -> Option<Compared> {
    let json: Value = serde_json::from_str(line).ok()?;
    Some(Compared {
        name: json["name"].as_str()?.to_owned(),
        tensors: json["tensors"].as_u64()?,
        worst: json["worst"].as_str()?.to_owned(),
        integers: json["kind"] == "integers",
        error: json["error"].as_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_programs_say_is_read() {
        let said = measured(r#"{"seconds": [1.5, 2], "peak_rss_mb": 3.25}"#).unwrap();
        assert_eq!((said.seconds.as_slice(), said.memory, said.search), (&[1.5, 2.0][..], 3.25, None));
        assert!(measured(r#"{"seconds": [1], "peak_rss_mb": null}"#).is_none());
        let floor = floor(r#"{"gflop": 123.5, "gflop_per_s": 247.0, "floor_s": 0.5}"#);
        assert_eq!(floor, Some(Floor { gflop: 123.5, gflop_per_s: 247.0, seconds: 0.5 }));
        let line = r#"{"name": "r", "kind": "numbers", "tensors": 2, "worst": "r.1", "error": null}"#;
        let found = compared(line).unwrap();
        assert!(found.error.is_none() && !found.integers && found.tensors == 2);
    }
}
