//! The features of a clip in the making, and on their way into the cache.

use std::collections::BTreeSet;

use affekt_cache::Facts;
use affekt_core::{ClipId, FeatureKind, Stage};
use affekt_report::run::Failed;
use candle_core::{DType, Device, Tensor};

use super::Task;
use super::ledger::Ledger;
use super::queue::Queue;
use crate::Error;
use crate::recognise::Recognised;

/// A clip on its way into the cache.
pub struct Entry {
    /// Its name.
    pub id: ClipId,
    /// What came of each feature that was lacking.
    pub made: Vec<Made>,
}

/// What came of one feature of a clip.
pub struct Made {
    /// Which.
    pub kind: FeatureKind,
    /// What is known of it beside its numbers.
    pub facts: Facts,
    /// Its numbers.
    pub numbers: Numbers,
}

/// The numbers of a feature.
pub enum Numbers {
    /// Row by row.
    Done(Vec<f32>),
    /// There are none, and that is no fault: why.
    Absent(String),
    /// They could not be had.
    Failed {
        /// Where it went wrong.
        stage: Stage,
        /// Why.
        reason: String,
    },
}

impl Numbers {
    /// They could not be had, for `reason`.
    pub fn failed(stage: Stage, reason: &impl ToString) -> Self {
        Self::Failed { stage, reason: reason.to_string() }
    }

    /// The numbers of a tensor, or why there are none; `None` where the card is lost on which they were made: the clip is
    /// to be dropped ([`Ledger::spare`]).
    pub fn of(tensor: Result<Tensor, Error>, stage: Stage, ledger: &Ledger<'_>) -> Option<Self> {
        let flat: Result<Vec<f32>, Error> = tensor.and_then(|tensor| {
            let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
            Ok(tensor.flatten_all()?.to_vec1()?)
        });
        match flat {
            Ok(numbers) => Some(Self::Done(numbers)),
            Err(error) => ledger.spare(error).map(|error| Self::failed(stage, &error)),
        }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        let bytes =
            |made: &Made| if let Numbers::Done(numbers) = &made.numbers { 4 * numbers.len() } else { 0 };
        self.made.iter().map(bytes).sum()
    }
}

/// A clip in work.
pub struct Draft<'p> {
    /// What is to be made of it.
    pub task: &'p Task,
    /// What is known of it so far.
    pub facts: Facts,
    /// Its words, where they were recognised.
    pub recognised: Option<Recognised>,
    /// What is made of it so far.
    made: Vec<Made>,
}

impl<'p> Draft<'p> {
    /// Nothing of `task` so far but `facts`.
    pub fn new(task: &'p Task, facts: Facts) -> Self {
        Self { task, facts, recognised: None, made: Vec::new() }
    }

    /// Whether `kind` is still to be made.
    pub fn lacks(&self, kind: FeatureKind) -> bool {
        self.task.lacks(kind) && !self.made.iter().any(|made| made.kind == kind)
    }

    /// Puts `numbers` down for `kind`, where that is lacking.
    pub fn put(&mut self, kind: FeatureKind, numbers: Numbers) {
        self.put_with(kind, self.facts.clone(), numbers);
    }

    /// The same with facts of its own.
    pub fn put_with(&mut self, kind: FeatureKind, facts: Facts, numbers: Numbers) {
        if self.lacks(kind) {
            self.made.push(Made { kind, facts, numbers });
        }
    }

    /// Sends the clip to the writer, and tells of its failures.
    pub fn finish(self, entries: &Queue<Entry>, ledger: &Ledger<'_>) {
        let mut failures: Vec<Failed> = Vec::new();
        for made in &self.made {
            let Numbers::Failed { stage, reason } = &made.numbers else { continue };
            match failures.iter_mut().find(|failed| (failed.stage, &failed.reason) == (*stage, reason)) {
                Some(failed) => failed.features.push(made.kind),
                None => failures.push(Failed {
                    clip: self.task.id.clone(),
                    features: vec![made.kind],
                    stage: *stage,
                    reason: reason.clone(),
                }),
            }
        }
        let warnings: BTreeSet<String> =
            self.made.iter().flat_map(|made| made.facts.warnings.iter().cloned()).collect();
        let entry = Entry { id: self.task.id.clone(), made: self.made };
        let bytes = entry.bytes();
        // The writer leaves only when the run has ended.
        if entries.push(entry, bytes).is_ok() {
            ledger.encoded(self.task, self.facts.seconds.unwrap_or_default());
            failures.into_iter().for_each(|failed| ledger.fail(failed));
            warnings.into_iter().for_each(|warning| ledger.warn(&self.task.id, warning));
        }
    }
}
