//! Many voices at once to simulated text: clips enter and leave while others go on.

use std::collections::BTreeMap;

use affekt_cache::Facts;
use affekt_core::{FeatureKind, SampleRate, Stage};
use affekt_generate::{Budget, Engine, Generation};
use affekt_llama::Llama;
use affekt_report::error_rate;
use candle_core::Tensor;

use super::ledger::Ledger;
use super::occupancy::Occupancy;
use super::{Allowance, Draft, Generated, Numbers};
use crate::Error;
use crate::features::simulated::{Encoder, Simulation};
use crate::fitting::Limit;

/// What a device without memory was to hold.
const TEXT: &str = "the text of one clip";

/// Clips whose text is being generated.
pub struct Simulating<'a, 'p> {
    simulator: &'a Encoder,
    engine: Engine<'a, Llama, usize>,
    ledger: &'a Ledger<'a>,
    book: &'a Occupancy,
    /// Clips that the engine has in flight at most.
    most: usize,
    drafts: BTreeMap<usize, Draft<'p>>,
    came: usize,
}

impl<'a, 'p> Simulating<'a, 'p> {
    /// For clips of the run of `ledger`, as many at once as `allowance` has it, on the device of `book`. Where its memory does
    /// not hold the keys and values of that, half of it is tried, down to a sixteenth.
    ///
    /// # Errors
    /// Those of [`Engine::new`], and what the driver reports.
    pub fn new(
        simulator: &'a Encoder,
        allowance: Allowance,
        ledger: &'a Ledger<'a>,
        book: &'a Occupancy,
    ) -> Result<Self, Error> {
        let budget = allowance.budget(simulator.device())?;
        let limit = Limit::new(budget.bytes);
        let engine = loop {
            match simulator.engine(Budget { bytes: limit.most(), ..budget }) {
                Err(error) if error.makes_room(simulator.device()) && limit.most() > budget.bytes / 16 => {
                    limit.lower(limit.most() / 2);
                }
                Err(error) => {
                    let bytes = Some(limit.most() as u64);
                    return Err(error.explained(simulator.device(), "keys and values", bytes));
                }
                Ok(engine) => break engine,
            }
        };
        if let Some(shrunk) = book.note(Stage::Simulate, "bytes", &limit) {
            ledger.shrunk(book.name(), &shrunk);
        }
        Ok(Self { simulator, engine, ledger, book, most: budget.clips, drafts: BTreeMap::new(), came: 0 })
    }

    /// Takes up a clip with its `speech` (t, width) of `samples` samples. One that is through at once comes back: it is too
    /// short, or has failed. It is dropped where the card is lost ([`Ledger::spare`]).
    pub fn take(&mut self, mut draft: Draft<'p>, speech: &Tensor, samples: usize) -> Option<Draft<'p>> {
        let submitted: Result<bool, Error> = self.ledger.stage(Stage::Simulate, 0, || {
            let request = self.book.busy(|| self.simulator.request(speech, samples));
            let Some(request) = request? else { return Ok(false) };
            self.engine.submit(self.came, &request.prompt, request.max_new_tokens)?;
            Ok(true)
        });
        match submitted {
            Ok(true) => {
                self.drafts.insert(self.came, draft);
                self.came += 1;
                return None;
            }
            Ok(false) => {
                let seconds = SampleRate::SPEECH.seconds(samples);
                let reason = format!("{seconds} of sound are too short for the projector");
                draft.put(FeatureKind::Simulated, Numbers::Absent(reason));
            }
            Err(error) => {
                let error = self.ledger.spare(error)?.explained(self.simulator.device(), TEXT, None);
                draft.put(FeatureKind::Simulated, Numbers::failed(Stage::Simulate, &with_remedy(&error)));
            }
        }
        self.ledger.worked(Stage::Simulate, 1, std::time::Duration::ZERO);
        Some(draft)
    }

    /// The next clip that is through. `None` where more clips can be taken up, unless all that are there shall be
    /// ended first (`all`); and where the run is halted.
    pub fn next(&mut self, all: bool) -> Option<Draft<'p>> {
        loop {
            if let Some((key, generation)) = self.engine.ended() {
                let draft = self.drafts.remove(&key).expect("every clip in the engine has one");
                match self.put(draft, generation.map_err(Error::from)) {
                    Some(draft) => return Some(draft),
                    None => continue,
                }
            }
            if self.ledger.is_halted() || (!all && self.has_room()) {
                return None;
            }
            if !self.advance() {
                return None;
            }
        }
    }

    /// Whether another clip can be taken up without waiting.
    pub fn has_room(&self) -> bool {
        self.engine.in_flight() + self.engine.waiting() <= self.most
    }

    /// One forward pass over the clips in flight; `false` where there are none.
    pub fn advance(&mut self) -> bool {
        self.ledger.stage(Stage::Simulate, 0, || self.book.busy(|| self.engine.advance()))
    }

    /// What was done so far.
    pub fn generated(&self) -> Generated {
        self.engine.tally()
    }

    /// Puts down what came of a clip; it is dropped where the card is lost.
    fn put(&self, mut draft: Draft<'p>, generation: Result<Generation, Error>) -> Option<Draft<'p>> {
        self.ledger.worked(Stage::Simulate, 1, std::time::Duration::ZERO);
        let simulation = generation.and_then(|generation| self.simulator.simulation(&generation));
        let simulation = simulation.map_err(|error| error.explained(self.simulator.device(), TEXT, None));
        let Simulation { feature, told, refused, capped } = match simulation {
            Ok(simulation) => simulation,
            Err(error) => {
                let reason = with_remedy(&self.ledger.spare(error)?);
                draft.put(FeatureKind::Simulated, Numbers::failed(Stage::Simulate, &reason));
                return Some(draft);
            }
        };
        let facts = Facts {
            hypothesis: told.hypothesis,
            score: told.score,
            tokens: Some(told.tokens),
            looped: Some(told.looped),
            refused: Some(refused),
            capped: Some(capped),
            ..draft.facts.clone()
        };
        let facts = held_against(draft.task.text.as_deref(), facts);
        let numbers = match feature {
            Some(feature) => Numbers::of(Ok(feature), Stage::Simulate, self.ledger)?,
            None => Numbers::Absent("no text was generated from the voice".into()),
        };
        draft.put_with(FeatureKind::Simulated, facts, numbers);
        Some(draft)
    }
}

/// A row has no hint beside its reason.
fn with_remedy(error: &Error) -> String {
    use affekt_generate::Error::{CacheMemory, OverBudget, PassMemory};
    match error {
        Error::Generate(OverBudget { .. }) => format!("{error}: --kv-memory gives it more"),
        Error::Generate(CacheMemory { .. } | PassMemory { .. }) => {
            format!("{error}: a smaller --kv-memory leaves more for it")
        }
        error => error.to_string(),
    }
}

/// `facts` with what the hypothesis in them is worth beside what was said, where that is known.
pub fn held_against(transcript: Option<&str>, facts: Facts) -> Facts {
    let Some(transcript) = transcript else { return facts };
    let errors = error_rate(transcript, facts.hypothesis.as_deref().unwrap_or_default());
    Facts {
        wer: errors.as_ref().map(|errors| errors.wer),
        cer: errors.as_ref().map(|errors| errors.cer),
        transcript: Some(transcript.to_owned()),
        ..facts
    }
}
