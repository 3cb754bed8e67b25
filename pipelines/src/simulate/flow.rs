//! The stages from top to bottom.

use std::sync::atomic::AtomicBool;

use affekt_cache::Status;
use affekt_core::{FeatureKind, Reporter, Stage};

use super::{Plan, Settings};
use crate::batch::ledger::Ledger;
use crate::batch::queue::Queue;
use crate::batch::simulating::held_against;
use crate::batch::speech::{Speech, origin};
use crate::batch::staff::beside;
use crate::batch::write::Writing;
use crate::batch::{Draft, Effort, Entry, Error, Numbers, Outcome, Simulating, Task};
use crate::features::simulated::Encoder;

/// Clips that wait for the writer, and their bytes.
const WAITING: usize = 64;
const WAITING_BYTES: usize = 256 << 20;

/// Makes what `plan` lacks: every clip of it is in the cache then, with its simulated text, or as a row that says why not.
///
/// Clips run through the language model together, as many as the budget allows. Setting `stop` ends the run early: what has
/// ended is committed.
///
/// # Errors
/// Only before the work. What ends it later is in [`Outcome::end`].
pub fn run(
    plan: &Plan,
    simulator: &Encoder,
    settings: &Settings,
    stop: &AtomicBool,
    reporter: &dyn Reporter,
) -> Result<Outcome, Error> {
    let ledger = Ledger::new(plan.tasks.iter(), plan.scope(), settings.max_failures, stop, reporter);
    let writing = Writing::new(&plan.stores, settings.commit_every, &ledger)?;
    let entries: Queue<Entry> = Queue::new(WAITING, WAITING_BYTES);
    let mut simulating = Simulating::new(simulator, settings.generation, &ledger)?;
    let waiting = |stage| if stage == Stage::Write { entries.waiting() } else { 0 };
    let effort = beside(&ledger, reporter, (writing, &entries), 1, &waiting, || {
        for task in &plan.tasks {
            if ledger.is_halted() {
                break;
            }
            let judged = judge(plan, task);
            if let Some(draft) = judged.or_else(|| begin(plan, task, &mut simulating)) {
                draft.finish(&entries, &ledger);
            }
            leave(&mut simulating, false, &entries, &ledger);
        }
        leave(&mut simulating, true, &entries, &ledger);
        Effort { generated: Some(simulating.generated()), ..Effort::default() }
    });
    Ok(Outcome::of(ledger, effort, 1))
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

/// Takes a clip up; it comes back where there is nothing to generate from.
fn begin<'p>(plan: &Plan, task: &'p Task, simulating: &mut Simulating<'_, 'p>) -> Option<Draft<'p>> {
    let clip = plan.speech.clip(&task.id).expect("the plan has only clips with a row of speech");
    let numbers = match &clip.status {
        Status::Done { .. } => match Speech::of(&plan.speech, &task.id) {
            Ok(Speech { facts, rows, samples }) => {
                return simulating.take(Draft::new(task, facts), &rows, samples);
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
fn leave(simulating: &mut Simulating<'_, '_>, all: bool, entries: &Queue<Entry>, ledger: &Ledger<'_>) {
    while let Some(draft) = simulating.next(all) {
        draft.finish(entries, ledger);
    }
}
