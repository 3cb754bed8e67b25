//! How fast this machine simulates text, with how many clips at once, and what limits it.
//!
//! Voices go the whole way of `affekt simulate` but for the disk: projector, beam search, words. The same voices are run
//! with several numbers of clips in flight, one after the other, and must give the same texts each time.
//!
//! | module | holds |
//! |---|---|
//! | [`voices`] | [`Voice`]: drawn, or out of a cache |
//! | [`search`] | [`search::run`]: all voices with so many in flight |
//! | [`words`] | [`words::read`]: transcripts one at a time and together |
//! | [`work`] | [`Work`]: bytes of weights and operations, by the network's own sizes |
//! | [`reach`] | [`Reach`]: what the machine can do at most |
//! | [`report`] | [`Report`]: rates, limits, the projection |
//! | [`error`] | [`Error`] |

pub mod error;
pub mod reach;
pub mod report;
pub mod search;
pub mod voices;
pub mod words;
pub mod work;

use affekt_core::{Event, FeatureKind, Reporter, Stage};
use affekt_generate::Budget;

use super::Machine;
use crate::networks::Encoders;
pub use error::Error;
pub use reach::Reach;
pub use report::Report;
pub use voices::{Voice, Voices};
pub use work::Work;

/// The features whose networks are needed.
pub const FEATURES: [FeatureKind; 2] = [FeatureKind::Text, FeatureKind::Simulated];

/// Measures `voices` with each of `in_flight` clips at once, each within `bytes` of keys and values, and the reading of their
/// words; `encoders` are those of [`FEATURES`]. `reporter` hears what begins.
///
/// # Errors
/// [`Error::Differs`], [`Error::Nothing`], and those of the networks.
pub fn measure(
    encoders: &Encoders,
    voices: &Voices,
    in_flight: &[usize],
    bytes: usize,
    reporter: &dyn Reporter,
) -> Result<Report, Error> {
    let simulator = encoders.simulator.as_ref().expect("it is one of the features");
    let reader = encoders.words.as_ref().expect("it is one of the features");
    let work = Work::of(&encoders.bundle, &encoders.recipes.simulated.network)?;
    let reach = Reach::measure(&encoders.device, work.dtype)?;
    reporter.report(&Event::Started { stage: Stage::Simulate });
    search::warm_up(simulator, voices, bytes)?;
    let mut taken: Vec<search::Taken> = Vec::new();
    for &clips in in_flight {
        let now = search::run(simulator, voices, Budget { bytes, clips, ..Budget::default() })?;
        if let Some(first) = taken.first() {
            first.same(&now, voices)?;
        }
        taken.push(now);
    }
    reporter.report(&Event::Started { stage: Stage::Text });
    let read = words::read(reader, voices)?;
    let machine = Machine::this(&encoders.device, encoders.bundle.name());
    Ok(Report::new(machine, &encoders.recipes.simulated, &work, reach, voices, &taken, &read))
}
