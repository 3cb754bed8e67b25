//! Every stage on a device, beside PyTorch on the same device in the same run, and beside what the device can do at all.
//!
//! Both programs have the same networks: their weights are [seeded](crate::seeded), and some numbers of their outputs are
//! held against each other before anything is compared.
//!
//! | module | holds |
//! |---|---|
//! | [`scale`] | [`Scale`]: how large everything is |
//! | [`limits`] | [`Limits`]: arithmetic and memory traffic of this device |
//! | [`peer`] | [`Peer`]: PyTorch in a process of its own |
//! | [`clock`] | the time of a piece of work |
//! | [`report`] | [`Report`], its [`Row`](report::Row)s and [`Goal`](report::Goal)s |
//! | `speech` | WavLM |
//! | `face` | MANet |
//! | `words` | Llama over texts |
//! | `search` | beam search |
//! | `step` | a step of training |
//! | `room` | sizes that do not fit on the card |
//! | [`error`] | [`Error`] |

pub mod clock;
pub mod error;
mod face;
pub mod limits;
pub mod peer;
pub mod report;
mod room;
pub mod scale;
mod search;
mod speech;
mod step;
mod words;

use std::str::FromStr;

use affekt_nn::device::{card, reclaim};
use candle_core::{DType, Device};

use super::Machine;
pub use error::Error;
pub use limits::Limits;
pub use peer::Peer;
pub use report::Report;
use report::{Found, goals, rows};
pub use scale::Scale;

/// What is measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// WavLM.
    Wavlm,
    /// MANet.
    Manet,
    /// Llama over texts.
    Llama,
    /// Beam search.
    Generate,
    /// A step of training of SDUMC.
    Train,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Wavlm, Self::Manet, Self::Llama, Self::Generate, Self::Train];

    /// As on the command line and in what the peer is told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wavlm => "wavlm",
            Self::Manet => "manet",
            Self::Llama => "llama",
            Self::Generate => "generate",
            Self::Train => "train",
        }
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|stage| stage.name() == name);
        found.ok_or_else(|| format!("wanted is one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan<'p> {
    /// Where.
    pub device: &'p Device,
    /// How large.
    pub scale: Scale,
    /// What.
    pub stages: &'p [Stage],
    /// PyTorch, or why there is none.
    pub peer: Result<Peer, String>,
    /// Measured runs of each piece of work, after two that warm up.
    pub runs: usize,
}

/// Measures all stages of `plan`; `tell` hears what is being done.
///
/// # Errors
/// What a network reports, but for a size that does not fit on the card: its row has no times, and the reason. A peer that
/// fails leaves its columns empty, with the reason.
pub fn measure(plan: &Plan, tell: &dyn Fn(&str)) -> Result<Report, Error> {
    let card = card(plan.device)?;
    tell("limits of the device: a large product, a large copy");
    let limits = Limits::measure(plan.device, plan.scale, card.as_ref().map(|card| card.name.as_str()))?;
    let (mut measured, mut goals_met) = (Vec::new(), Vec::new());
    let mut agreements = Vec::new();
    for &stage in plan.stages {
        tell(&format!("{}: affekt", stage.name()));
        let ours = match stage {
            Stage::Wavlm => speech::measure(plan, &limits),
            Stage::Manet => face::measure(plan, &limits),
            Stage::Llama => words::measure(plan, &limits),
            Stage::Generate => search::measure(plan, &limits),
            Stage::Train => step::measure(plan, &limits),
        }?;
        // Both programs want the whole card.
        reclaim(plan.device)?;
        tell(&format!("{}: PyTorch", stage.name()));
        let theirs = match &plan.peer {
            Ok(peer) => peer.ask(stage, plan),
            Err(reason) => Err(reason.clone()),
        };
        let found = Found { stage, ours: &ours, theirs: theirs.as_ref().map_err(String::as_str) };
        agreements.extend(found.agreements(crate::device::allows_tf32()));
        goals_met.extend(goals(&found, plan.scale));
        measured.extend(rows(&found));
    }
    Ok(Report {
        machine: Machine::this(plan.device, "seeded"),
        card,
        tf32: crate::device::allows_tf32(),
        scale: plan.scale,
        runs: plan.runs,
        peer: plan.peer.as_ref().map_err(Clone::clone).err(),
        limits,
        rows: measured,
        agreements,
        goals: goals_met,
    })
}

/// One row of our own measurements.
#[derive(Clone, Debug)]
pub struct Ours {
    /// Sizes and type, as the peer calls them too.
    pub case: String,
    /// Clips, faces, texts or steps at once.
    pub batch: usize,
    /// Number type.
    pub dtype: &'static str,
    /// Of each run; none where it did not fit on the card.
    pub seconds: Vec<f64>,
    /// Why there are none.
    pub failed: Option<String>,
    /// What it has to compute and to read.
    pub work: limits::Work,
    /// What is compared of the outputs.
    pub sample: Option<peer::Sample>,
}

/// The seconds of each run, and what is compared.
type Measured = (Vec<f64>, Option<peer::Sample>);

impl Ours {
    /// What was `measured`, or why nothing was.
    fn new(
        case: String,
        batch: usize,
        dtype: DType,
        work: limits::Work,
        measured: Result<Measured, String>,
    ) -> Self {
        let ((seconds, sample), failed) = match measured {
            Ok(measured) => (measured, None),
            Err(reason) => (Measured::default(), Some(reason)),
        };
        Self { case, batch, dtype: dtype.as_str(), seconds, failed, work, sample }
    }
}
