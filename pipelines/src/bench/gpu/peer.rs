//! PyTorch, in a process of its own for each stage, so that it has the card to itself.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Plan, Stage};

/// Numbers of an output that are compared.
const SAMPLE: usize = 256;
/// How much of what a failed peer said is repeated.
const LAST_LINES: usize = 4;

/// A Python with PyTorch and transformers, and the script that it runs.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The interpreter.
    pub python: PathBuf,
    /// `torch_peer.py`.
    pub script: PathBuf,
}

/// What the peer says of a stage.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Theirs {
    /// Versions of what ran.
    pub versions: String,
    /// One for each type and batch.
    pub rows: Vec<Row>,
}

/// One measurement of the peer.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    /// Number type.
    pub dtype: String,
    /// Clips, faces, texts or steps at once.
    pub batch: usize,
    /// Of each run; none where it did not fit.
    pub seconds: Vec<f64>,
    /// Why there are none.
    #[serde(default)]
    pub failed: Option<String>,
    /// What is compared.
    #[serde(default)]
    pub sample: Option<Sample>,
}

/// Some numbers of an output: enough to tell one network from another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Evenly spread over the output.
    pub numbers: Vec<f32>,
    /// Of a generation: the first clip's new tokens.
    #[serde(default)]
    pub tokens: Vec<u32>,
}

impl Sample {
    /// Of a tensor of any shape: every so-manieth number, in order.
    pub fn of(x: &Tensor) -> candle_core::Result<Self> {
        let all: Vec<f32> = x.to_device(&Device::Cpu)?.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
        let stride = (all.len() / SAMPLE).max(1);
        Ok(Self { numbers: all.into_iter().step_by(stride).take(SAMPLE).collect(), tokens: Vec::new() })
    }

    /// Root mean square of the difference over that of the other's numbers; infinite where they do not match.
    pub fn differs(&self, other: &Self) -> f64 {
        if self.numbers.len() != other.numbers.len() || self.numbers.is_empty() {
            return f64::INFINITY;
        }
        let square = |x: f32| f64::from(x) * f64::from(x);
        let difference: f64 = self.numbers.iter().zip(&other.numbers).map(|(a, b)| square(a - b)).sum();
        let size: f64 = other.numbers.iter().map(|&b| square(b)).sum();
        let ratio = (difference / size.max(f64::MIN_POSITIVE)).sqrt();
        if ratio.is_finite() { ratio } else { f64::INFINITY }
    }
}

impl Peer {
    /// Asks it to measure a stage; why it did not, where it did not.
    pub(super) fn ask(&self, stage: Stage, plan: &Plan) -> Result<Theirs, String> {
        let order = json!({
            "stage": stage.name(), "device": crate::device::name(plan.device), "runs": plan.runs,
            "sample": SAMPLE, "tf32": crate::device::allows_tf32(), "sizes": plan.scale.told(stage),
        });
        let name = self.python.display();
        let mut command = Command::new(&self.python);
        command.arg(&self.script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (variable, value) in [("PYTHONDONTWRITEBYTECODE", "1"), ("TRANSFORMERS_VERBOSITY", "error")] {
            command.env(variable, value);
        }
        let mut child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        let mut stdin = child.stdin.take().ok_or("it takes no orders")?;
        stdin.write_all(order.to_string().as_bytes()).map_err(|error| format!("{name}: {error}"))?;
        drop(stdin);
        let output = child.wait_with_output().map_err(|error| format!("{name}: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = said.trim().lines().collect();
            let last = lines[lines.len().saturating_sub(LAST_LINES)..].join(" / ");
            return Err(format!("{name} ended with {}: {last}", output.status));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| format!("{name} said {last:?}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_networks_are_told_apart() {
        let sample = |numbers: &[f32]| Sample { numbers: numbers.to_vec(), tokens: Vec::new() };
        let one = sample(&[1.0, -2.0, 3.0]);
        assert_eq!(one.differs(&one), 0.0);
        assert!(one.differs(&sample(&[1.01, -2.0, 3.0])) < 0.01);
        assert!(one.differs(&sample(&[-3.0, 1.0, 2.0])) > 1.0);
        assert_eq!(one.differs(&sample(&[1.0])), f64::INFINITY);
        assert_eq!(one.differs(&sample(&[f32::NAN, 1.0, 2.0])), f64::INFINITY);
    }

    #[test]
    fn a_peer_that_is_not_there_says_so() {
        let peer = Peer { python: "no-such-python-of-ours".into(), script: "script.py".into() };
        let plan = Plan {
            device: &Device::Cpu,
            scale: super::super::Scale::Tiny,
            stages: &[],
            peer: Ok(peer.clone()),
            runs: 1,
        };
        assert!(peer.ask(Stage::Wavlm, &plan).unwrap_err().contains("no-such-python-of-ours"));
    }
}
