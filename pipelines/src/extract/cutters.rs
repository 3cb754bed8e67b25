//! Recordings to clips: threads that each have one at a time cut in a worker process.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use affekt_core::{Digest, Stage};

use super::ledger::{End, Ledger};
use super::plan::{Recording, Task};
use super::queue::{Closed, Queue};
use crate::cut::{Cut, Detector, Failure, Found, Order, Part, Sign};
use crate::isolate::{self, Pool};

/// A clip on its way to the networks.
pub struct Item<'p> {
    /// What is to be made of it.
    pub task: &'p Task,
    /// Digest of its recording, where that was opened.
    pub media: Option<Digest>,
    /// Its sound and its faces.
    pub cut: Cutting,
}

/// What came of cutting a clip.
pub enum Cutting {
    /// Nothing of its recording is needed.
    Unneeded,
    /// Here it is.
    Clip(Cut),
    /// It cannot be had.
    Failed {
        /// Where it went wrong.
        stage: Stage,
        /// Why.
        reason: String,
    },
}

impl Item<'_> {
    /// Bytes that it holds.
    fn bytes(&self) -> usize {
        let Cutting::Clip(cut) = &self.cut else { return 0 };
        let sound = if let Part::There(sound) = &cut.sound { 4 * sound.samples.len() } else { 0 };
        let crops = match &cut.picture {
            Part::There(picture) => picture.crops.iter().flatten().map(|crop| crop.data.len()).sum(),
            _ => 0,
        };
        sound + crops
    }
}

/// What all cutters share.
pub struct Cutters<'a, 'p> {
    /// The recordings, in the order in which they are taken up.
    pub recordings: &'p [Recording],
    /// How many are taken up.
    pub next: &'a AtomicUsize,
    /// The workers; `None` where nothing has to be decoded.
    pub pool: Option<&'a Pool>,
    /// What finds faces.
    pub detector: &'a Detector,
    /// Where clips go.
    pub items: &'a Queue<Item<'p>>,
    /// The run.
    pub ledger: &'a Ledger<'a>,
}

impl<'p> Cutters<'_, 'p> {
    /// Takes recordings up until none is left: the work of one thread.
    pub fn run(&self) {
        while let Some(recording) = self.recordings.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if self.ledger.is_halted() || self.cut(recording).is_err() {
                break;
            }
        }
    }

    fn cut(&self, recording: &'p Recording) -> Result<(), Closed> {
        let (tasks, others): (Vec<&Task>, Vec<&Task>) =
            recording.tasks.iter().partition(|task| task.needs_media());
        for task in others {
            self.push(Item { task, media: None, cut: Cutting::Unneeded })?;
        }
        match self.pool {
            Some(pool) if !tasks.is_empty() => Pass::new(self, recording, tasks).run(pool),
            _ => Ok(()),
        }
    }

    fn push(&self, item: Item<'p>) -> Result<(), Closed> {
        let bytes = item.bytes();
        self.items.push(item, bytes)
    }
}

/// One pass over one recording.
struct Pass<'a, 'p> {
    shared: &'a Cutters<'a, 'p>,
    order: Order,
    /// What has not come yet, by [`Task::index`].
    tasks: BTreeMap<usize, &'p Task>,
    media: Option<Digest>,
    /// Time that was spent waiting for room in the queue.
    blocked: Duration,
}

impl<'a, 'p> Pass<'a, 'p> {
    fn new(shared: &'a Cutters<'a, 'p>, recording: &Recording, tasks: Vec<&'p Task>) -> Self {
        let faces = tasks.iter().any(|task| task.needs_faces());
        let tasks: BTreeMap<usize, &Task> = tasks.into_iter().map(|task| (task.index, task)).collect();
        let order = Order {
            media: recording.media.clone(),
            spans: recording.spans.clone(),
            unwanted: (0..recording.spans.len()).filter(|index| !tasks.contains_key(index)).collect(),
            sound: tasks.values().any(|task| task.needs_sound()),
            faces: faces.then(|| shared.detector.clone()),
        };
        Self { shared, order, tasks, media: None, blocked: Duration::ZERO }
    }

    fn run(mut self, pool: &Pool) -> Result<(), Closed> {
        let ledger = self.shared.ledger;
        let start = Instant::now();
        let order = self.order.clone();
        let mut closed = Ok(());
        let cost = pool.cut(&order, |sign| {
            if let Sign::Found(found) = sign {
                closed = self.take(found);
            }
            if closed.is_err() || ledger.is_halted() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        ledger.worked(Stage::Decode, start.elapsed().saturating_sub(self.blocked));
        closed?;
        match cost {
            Ok(cost) => {
                ledger.spent(Stage::Decode, affekt_core::Seconds(cost.decode.0 + cost.faces.0));
                // Only a run that is halted leaves clips behind.
                Ok(())
            }
            Err(error @ isolate::Error::NotStarted { .. }) => {
                ledger.halt(End::Broken(error.into()));
                Ok(())
            }
            Err(error) => self.lose(&error.to_string()),
        }
    }

    fn take(&mut self, found: Found) -> Result<(), Closed> {
        let (index, cut) = match found {
            Found::Opened { digest } => {
                self.media = Some(digest);
                return Ok(());
            }
            Found::Clip(Ok(cut)) => (cut.index, Cutting::Clip(cut)),
            Found::Clip(Err(Failure { index, stage, reason })) => (index, Cutting::Failed { stage, reason }),
        };
        self.hand_over(index, cut)
    }

    fn hand_over(&mut self, index: usize, cut: Cutting) -> Result<(), Closed> {
        let Some(task) = self.tasks.remove(&index) else { return Ok(()) };
        self.shared.ledger.passed(Stage::Decode, 1);
        let item = Item { task, media: self.media.clone(), cut };
        let start = Instant::now();
        let pushed = self.shared.push(item);
        self.blocked += start.elapsed();
        pushed
    }

    /// What has not come will not: the recording has cost the worker, or cannot be decoded at all.
    fn lose(&mut self, reason: &str) -> Result<(), Closed> {
        let lost: Vec<usize> = self.tasks.keys().copied().collect();
        lost.into_iter().try_for_each(|index| {
            self.hand_over(index, Cutting::Failed { stage: Stage::Decode, reason: reason.to_owned() })
        })
    }
}
