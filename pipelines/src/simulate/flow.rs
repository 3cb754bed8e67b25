//! The stages from top to bottom.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use affekt_cache::Status;
use affekt_core::{FeatureKind, Reporter, Stage};

use super::{Plan, Settings};
use crate::batch::ledger::Ledger;
use crate::batch::occupancy::Occupancy;
use crate::batch::queue::Queue;
use crate::batch::simulating::held_against;
use crate::batch::speech::{Speech, origin};
use crate::batch::staff::{beside, each};
use crate::batch::write::Writing;
use crate::batch::{Crew, Draft, Effort, Entry, Error, Numbers, Outcome, Simulating, Task};
use crate::device;
use crate::features::simulated::Encoder;

/// Clips that wait for the writer, and their bytes.
const WAITING: usize = 64;
const WAITING_BYTES: usize = 256 << 20;

/// Makes what `plan` lacks: every clip of it is in the cache then, with its simulated text, or as a row that says why not.
///
/// There is one of `simulators` for each device, one or more. Clips run through each language model together, as many as the
/// budget allows; whichever has room takes the next clip. Setting `stop` ends the run early: what has ended is committed.
///
/// # Errors
/// Only before the work. What ends it later is in [`Outcome::end`].
pub fn run(
    plan: &Plan,
    simulators: &[Encoder],
    settings: &Settings,
    stop: &AtomicBool,
    reporter: &dyn Reporter,
) -> Result<Outcome, Error> {
    let ledger = Ledger::new(plan.tasks.iter(), plan.scope(), settings.max_failures, stop, reporter);
    let writing = Writing::new(&plan.stores, settings.commit_every, &ledger)?;
    let entries: Queue<Entry> = Queue::new(WAITING, WAITING_BYTES);
    let books: Vec<Occupancy> =
        simulators.iter().map(|simulator| Occupancy::of(device::name(simulator.device()))).collect();
    let engines = simulators.iter().zip(&books);
    let engines =
        engines.map(|(simulator, book)| Simulating::new(simulator, settings.generation, &ledger, book));
    let engines = engines.zip(&books).map(|(engine, book)| Ok((engine?, book)));
    let engines = engines.collect::<Result<Vec<_>, Error>>()?;
    let crew = Crew { workers: 1, devices: simulators.len() };
    let waiting = |stage| if stage == Stage::Write { entries.waiting() } else { 0 };
    let next = AtomicUsize::new(0);
    let effort = beside(&ledger, reporter, (writing, &entries), crew, &waiting, || {
        each(engines, |(simulating, book)| {
            Running { plan, next: &next, simulating, book, entries: &entries, ledger: &ledger }.run()
        })
    });
    let devices = books.iter().map(Occupancy::read).collect();
    Ok(Outcome::of(ledger, Effort::sum(effort), crew, devices))
}

/// The language model of one device at work.
struct Running<'a, 'p> {
    plan: &'p Plan,
    /// How many clips are taken up, by all devices.
    next: &'a AtomicUsize,
    simulating: Simulating<'a, 'p>,
    book: &'a Occupancy,
    entries: &'a Queue<Entry>,
    ledger: &'a Ledger<'a>,
}

impl<'p> Running<'_, 'p> {
    /// Takes clips up until none is left, and ends those that it has taken.
    fn run(mut self) -> Effort {
        while !self.ledger.is_halted()
            && let Some(task) = self.plan.tasks.get(self.next.fetch_add(1, Ordering::Relaxed))
        {
            let judged = judge(self.plan, task);
            if let Some(draft) = judged.or_else(|| self.begin(task)) {
                draft.finish(self.entries, self.ledger);
            }
            self.leave(false);
        }
        self.leave(true);
        Effort { generated: Some(self.simulating.generated()), ..Effort::default() }
    }

    /// Takes a clip up; it comes back where there is nothing to generate from.
    fn begin(&mut self, task: &'p Task) -> Option<Draft<'p>> {
        let plan = self.plan;
        let clip = plan.speech.clip(&task.id).expect("the plan has only clips with a row of speech");
        let numbers = match &clip.status {
            Status::Done { .. } => match self.book.waiting(|| Speech::of(&plan.speech, &task.id)) {
                Ok(Speech { facts, rows, samples }) => {
                    return self.simulating.take(Draft::new(task, facts), &rows, samples);
                }
                Err(error) => Numbers::failed(Stage::Simulate, &error),
            },
            Status::Absent { reason } => Numbers::Absent(reason.clone()),
            Status::Failed { stage, reason } => {
                let stage = Stage::named(stage).unwrap_or(Stage::Audio);
                Numbers::Failed { stage, reason: reason.clone() }
            }
        };
        let mut draft = Draft::new(task, origin(&clip.facts));
        draft.put(FeatureKind::Simulated, numbers);
        Some(draft)
    }

    /// Clips whose text is generated leave; all of them with `all`, else those that make room for others.
    fn leave(&mut self, all: bool) {
        while let Some(draft) = self.simulating.next(all) {
            draft.finish(self.entries, self.ledger);
        }
    }
}

/// A clip whose text is there already, held against words that have come since.
fn judge<'p>(plan: &Plan, task: &'p Task) -> Option<Draft<'p>> {
    let store = &plan.stores[0];
    let clip = store.clip(&task.id).filter(|clip| clip.is_done())?;
    let mut draft = Draft::new(task, origin(&clip.facts));
    let facts = held_against(task.text.as_deref(), clip.facts.clone());
    let numbers = match store.feature(&task.id) {
        Ok(feature) => Numbers::Done(feature.to_f32()),
        Err(error) => Numbers::failed(Stage::Simulate, &error),
    };
    draft.put_with(FeatureKind::Simulated, facts, numbers);
    Some(draft)
}
