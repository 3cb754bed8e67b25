//! Everything said about a batch run. The JSON form of [`RunRecord`] is the file that is saved beside the features.
//!
//! | module | holds |
//! |---|---|
//! | `file` | the name of that file, and how it is written |
//! | `summary` | the run as a block for people |

mod file;
mod summary;

use std::collections::BTreeMap;

use affekt_core::{ClipId, Digest, FeatureKind, FeatureSpec, Seconds, Stage};
use serde::{Deserialize, Serialize};

pub use file::Unwritable;

/// A batch run: what was asked for, what did it, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRecord {
    /// Version of affekt.
    pub affekt: String,
    /// The command line, the program's name first.
    pub command: Vec<String>,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// When it ended, likewise; `None` while it runs, and for ever where it was killed.
    pub ended: Option<String>,
    /// How it ended.
    pub ended_by: Ending,
    /// The machine.
    pub host: Host,
    /// What the networks ran on: `cpu`, `cuda:0`, `cuda:0,1`.
    pub device: String,
    /// Whether products of f32 on cards rounded their factors to TF32.
    pub tf32: bool,
    /// Every flag with the value that counted, defaults included.
    pub config: serde_json::Value,
    /// The networks.
    pub bundle: Bundle,
    /// What was extracted, a feature each.
    pub specs: Vec<Spec>,
    /// What became of the clips, by feature.
    pub counts: BTreeMap<FeatureKind, Counts>,
    /// What became of the clips as a whole.
    pub clips: Clips,
    /// What the stages did.
    pub stages: BTreeMap<Stage, Work>,
    /// What each device did.
    pub devices: Vec<Device>,
    /// The stage that held up the others most; `None` where that is not known.
    pub limit: Option<Stage>,
    /// Share, 0 to 1, of what the voice encoder computed that was padding; `None` where it computed nothing.
    pub padding_waste: Option<f64>,
    /// What text generation did; `None` where there was none.
    pub generation: Option<Generation>,
    /// Largest resident memory of this process, its workers left out, in bytes; `None` where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// Wall times.
    pub seconds: Times,
    /// Every clip that failed, or a feature of it.
    pub failures: Vec<Failed>,
    /// Every clip that is there with something doubtful about it.
    pub warnings: Vec<Warned>,
    /// Why the run ended before its time, for people; `None` where it did not.
    pub message: Option<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// It has not, or it was killed.
    Running,
    /// All clips are through.
    Finished,
    /// By its user.
    Interrupted,
    /// Too many clips failed.
    Stopped,
    /// It could not go on: a full disk, a device that is gone.
    Failed,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Host {
    /// Its name in its network; `None` where the system does not tell.
    pub name: Option<String>,
    /// System and instruction set: `linux 6.1.0 x86_64`.
    pub os: String,
    /// Cores that the run may use.
    pub cpus: usize,
    /// Memory of the machine, in bytes; `None` where the system does not tell.
    pub memory_bytes: Option<u64>,
}

/// The networks of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bundle {
    /// Name of the bundle.
    pub name: String,
    /// What takes meaning from all that was made, such as that it is untrained; `None` where nothing does.
    pub caution: Option<String>,
    /// Digest of the weights of each network that was used.
    pub files: BTreeMap<String, Digest>,
}

/// A feature that was extracted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Its folder in the cache.
    pub folder: String,
    /// All of the digest whose beginning the folder bears.
    pub digest: Digest,
    /// Its recipe.
    pub spec: FeatureSpec,
}

impl From<FeatureSpec> for Spec {
    fn from(spec: FeatureSpec) -> Self {
        Self { folder: spec.folder(), digest: spec.digest(), spec }
    }
}

/// What became of the clips, for one feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// With a feature, made in this run.
    pub done: usize,
    /// Without, by nature: no transcript, no such stream.
    pub absent: usize,
    /// Failed in this run.
    pub failed: usize,
    /// In the cache before.
    pub skipped: usize,
}

/// What became of the clips of a run that were not in the cache, or not with all features, when it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Clips {
    /// All of them.
    pub total: usize,
    /// Those that are through: committed, failed ones among them.
    pub done: usize,
    /// Those that failed, or one of whose features did.
    pub failed: usize,
}

/// What a stage did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Work {
    /// Time that its workers worked rather than waited, added up.
    pub busy_s: Seconds,
    /// Processor time that it took; `None` where it was not measured.
    pub cpu_s: Option<Seconds>,
    /// Clips that it worked on.
    pub clips: usize,
    /// Clips a second of the time that its workers worked, added up.
    pub per_second: f64,
}

/// What a device did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Device {
    /// What it is called: `cpu`, `cuda:0`.
    pub name: String,
    /// Time from which it was given work to its results, batches that overlap counted once.
    pub busy_s: Seconds,
    /// Time that there was no clip to be given to it.
    pub waited_s: Seconds,
    /// Share, 0 to 1, of the wall time of the work that it was busy.
    pub busy: f64,
    /// Share, 0 to 1, of the wall time of the work that it waited for clips.
    pub waited: f64,
    /// How large batches were.
    pub batches: Vec<Batches>,
}

/// How large the batches of a stage were on a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Batches {
    /// The stage.
    pub stage: Stage,
    /// What their size is counted in: `samples`, `faces`, `rows`, or `bytes` of keys and values.
    pub unit: &'static str,
    /// Their size at first, at most.
    pub first: usize,
    /// Their size at last, at most: less where the memory did not hold them.
    pub last: usize,
}

impl Device {
    /// What the device called `name` did in `elapsed`.
    pub fn new(
        name: String,
        busy: Seconds,
        waited: Seconds,
        batches: Vec<Batches>,
        elapsed: Seconds,
    ) -> Self {
        let share = |part: Seconds| if elapsed.0 > 0.0 { (part.0 / elapsed.0).clamp(0.0, 1.0) } else { 0.0 };
        let (busy_share, waited_share) = (share(busy), share(waited));
        Self { name, busy_s: busy, waited_s: waited, busy: busy_share, waited: waited_share, batches }
    }
}

/// What text generation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Generation {
    /// Forward passes of the language model.
    pub passes: usize,
    /// Rows of prompts and of beams in them.
    pub rows: usize,
    /// Clips in flight, on average over the passes.
    pub mean_in_flight: f64,
    /// Most of them.
    pub most_in_flight: usize,
    /// How often a clip sat a pass out because the cache had to be kept for older ones.
    pub held_back: usize,
    /// Most bytes of keys and values that were in use.
    pub peak_cache_bytes: usize,
}

/// Wall times of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// From its start to its end.
    pub total: Seconds,
    /// Of these, before the first clip was taken up: manifest, plan, weights.
    pub start: Seconds,
    /// Of these, after the last clip was through.
    pub stop: Seconds,
    /// Length of the clips that are through: with `total`, how many times real time.
    pub media: Seconds,
}

/// A clip that failed, or features of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// The clip.
    pub clip: ClipId,
    /// The features that there are not, therefore.
    pub features: Vec<FeatureKind>,
    /// Where it went wrong.
    pub stage: Stage,
    /// Why.
    pub reason: String,
}

/// Something doubtful about a clip that is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warned {
    /// The clip.
    pub clip: ClipId,
    /// What it is.
    pub warning: String,
}

#[cfg(test)]
mod tests;
