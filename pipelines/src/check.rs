//! Every network on one device, in every number type: against its reference tensors, alone and in batches, against the CPU.
//!
//! The reference tensors are those of the networks' own tests (`models/NETWORK/tests/golden`). On a GPU this tells whether
//! the whole of affekt computes there what it computes here.
//!
//! | module | checks |
//! |---|---|
//! | `speech` | WavLM: every layer |
//! | `face` | MANet: both variants |
//! | `words` | Llama: every layer and the logits, dense and quantised; the projector |
//! | `search` | beam search: tokens, scores, hidden states |
//! | `fusion` | SDUMC: every setting, both flows |
//! | `training` | its losses and gradients, and some steps of training against the CPU |
//! | `hearing` | Whisper: encoder and logits |
//! | `wide` | networks of published widths and few layers against the CPU, and what TF32 costs |
//! | `faces` | crops that the device resizes and turns, to the byte |
//! | `gates` | NaN in an input and in a weight: told by name |
//! | [`bounds`] | how far each may be off, and why |
//! | [`ledger`] | [`Row`]: what was found |
//! | `golden` | reference files |
//! | [`error`] | [`Error`] |

pub mod bounds;
pub mod error;
mod face;
mod faces;
mod fusion;
mod gates;
mod golden;
mod hearing;
pub mod ledger;
mod search;
mod speech;
mod training;
mod wide;
mod words;

use std::path::Path;
use std::str::FromStr;

use candle_core::{DType, Device};

pub use error::Error;
use ledger::Ledger;
pub use ledger::Row;

/// What can be checked by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// WavLM.
    Wavlm,
    /// MANet.
    Manet,
    /// Llama and the projector.
    Llama,
    /// Beam search.
    Generate,
    /// SDUMC.
    Sdumc,
    /// SDUMC's losses, gradients and steps of training.
    Train,
    /// Whisper.
    Whisper,
    /// Published widths against the CPU.
    Wide,
    /// Crops of faces, resized and turned.
    Faces,
    /// What is not finite.
    Gates,
}

impl Part {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Wavlm,
        Self::Manet,
        Self::Llama,
        Self::Generate,
        Self::Sdumc,
        Self::Train,
        Self::Whisper,
        Self::Wide,
        Self::Faces,
        Self::Gates,
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wavlm => "wavlm",
            Self::Manet => "manet",
            Self::Llama => "llama",
            Self::Generate => "generate",
            Self::Sdumc => "sdumc",
            Self::Train => "train",
            Self::Whisper => "whisper",
            Self::Wide => "wide",
            Self::Faces => "faces",
            Self::Gates => "gates",
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|part| part.name() == name);
        found.ok_or_else(|| format!("wanted is one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// What is to be checked.
#[derive(Clone, Debug)]
pub struct Plan<'p> {
    /// The folder with `NETWORK/tests/golden` in it: `models` of affekt's sources.
    pub goldens: &'p Path,
    /// Where networks run.
    pub device: &'p Device,
    /// Number types, of f32, f16 and bf16.
    pub types: &'p [DType],
    /// Which parts.
    pub parts: &'p [Part],
}

/// Runs all checks of `plan`; `tell` hears each row as it is found. A check that cannot run is a row that failed: the
/// others go on.
///
/// # Errors
/// [`Error::NoGoldens`] where the folder holds none.
pub fn run(plan: &Plan, tell: &mut dyn FnMut(&Row)) -> Result<Vec<Row>, Error> {
    golden::folder(plan.goldens)?;
    let mut rows = Vec::new();
    for &part in plan.parts {
        for &dtype in plan.types {
            let mut ledger = Ledger::new(part, dtype, plan, tell);
            match part {
                Part::Wavlm => speech::check(&mut ledger),
                Part::Manet => face::check(&mut ledger),
                Part::Llama => words::check(&mut ledger),
                Part::Generate => search::check(&mut ledger),
                Part::Sdumc => fusion::check(&mut ledger),
                Part::Train => training::check(&mut ledger),
                Part::Whisper => hearing::check(&mut ledger),
                Part::Wide => wide::check(&mut ledger),
                Part::Faces => faces::check(&mut ledger),
                Part::Gates => gates::check(&mut ledger),
            }
            rows.append(&mut ledger.into_rows());
        }
    }
    Ok(rows)
}
