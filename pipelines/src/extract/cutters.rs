//! Recordings to clips: threads that each have one at a time cut in a worker process.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use affekt_core::{Digest, Seconds, Span, Stage};
use affekt_media::Decoder;

use super::plan::Recording;
use crate::batch::Task;
use crate::batch::ledger::{End, Ledger};
use crate::batch::queue::{Closed, Queue};
use crate::cut::{Cut, Detector, Failure, Found, LONGEST, Order, Part, Sign};
use crate::isolate::{self, Pool};

/// Of clips that overlap, a worker holds so much at a time: the crops of a second take up to 3 MB.
const MOST_OPEN: Seconds = Seconds(240.0);

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
    /// What decodes the picture.
    pub decoder: Decoder,
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
        let Some(pool) = self.pool else { return Ok(()) };
        let tasks: BTreeMap<usize, &Task> = tasks.into_iter().map(|task| (task.index, task)).collect();
        for layer in layers(&recording.spans) {
            let pass = Pass::new(self, recording, &layer, &tasks);
            if !pass.tasks.is_empty() {
                pass.run(pool)?;
            }
        }
        Ok(())
    }

    fn push(&self, item: Item<'p>) -> Result<(), Closed> {
        let bytes = item.bytes();
        self.items.push(item, bytes)
    }
}

/// The clips of a recording, in the order of `spans`, as passes over it: all in one, unless so many overlap that a worker would
/// have more than [`MOST_OPEN`] of them open at a time.
fn layers(spans: &[Span]) -> Vec<Vec<usize>> {
    let end = |span: &Span| span.end.map_or(f64::INFINITY, |end| end.0);
    let length = |span: &Span| (end(span) - span.start.0).min(LONGEST.0);
    let mut by_start: Vec<usize> = (0..spans.len()).collect();
    by_start.sort_by(|a, b| spans[*a].start.0.total_cmp(&spans[*b].start.0));
    let mut layers: Vec<Vec<usize>> = Vec::new();
    for index in by_start {
        let span = &spans[index];
        let has_room = |layer: &Vec<usize>| {
            let open = layer.iter().map(|other| &spans[*other]).filter(|other| end(other) > span.start.0);
            open.map(length).sum::<f64>() + length(span) <= MOST_OPEN.0
        };
        match layers.iter_mut().find(|layer| has_room(layer)) {
            Some(layer) => layer.push(index),
            None => layers.push(vec![index]),
        }
    }
    layers.iter_mut().for_each(|layer| layer.sort_unstable());
    layers
}

/// One pass over one recording.
struct Pass<'a, 'p> {
    shared: &'a Cutters<'a, 'p>,
    order: Order,
    /// What has not come yet, by its place in the order.
    tasks: BTreeMap<usize, &'p Task>,
    /// How many have come.
    came: usize,
    media: Option<Digest>,
    /// Time that was spent waiting for room in the queue.
    blocked: Duration,
}

impl<'a, 'p> Pass<'a, 'p> {
    fn new(
        shared: &'a Cutters<'a, 'p>,
        recording: &Recording,
        layer: &[usize],
        tasks: &BTreeMap<usize, &'p Task>,
    ) -> Self {
        let placed = layer.iter().enumerate();
        let tasks: BTreeMap<usize, &Task> =
            placed.filter_map(|(place, index)| Some((place, *tasks.get(index)?))).collect();
        let faces = tasks.values().any(|task| task.needs_faces());
        let order = Order {
            media: recording.media.clone(),
            spans: layer.iter().map(|index| recording.spans[*index]).collect(),
            unwanted: (0..layer.len()).filter(|place| !tasks.contains_key(place)).collect(),
            sound: tasks.values().any(|task| task.needs_sound()),
            faces: faces.then(|| shared.detector.clone()),
            decoder: shared.decoder,
        };
        Self { shared, order, tasks, came: 0, media: None, blocked: Duration::ZERO }
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
        ledger.worked(Stage::Decode, self.came, start.elapsed().saturating_sub(self.blocked));
        closed?;
        match cost {
            Ok(cost) => {
                ledger.spent(Stage::Decode, Seconds(cost.decode.0 + cost.faces.0));
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
            Found::Clip(Ok(cut)) => (cut.index, self.checked(cut)),
            Found::Clip(Err(Failure { index, stage, reason })) => (index, Cutting::Failed { stage, reason }),
        };
        self.hand_over(index, cut)
    }

    /// Features of two recordings under one name would mix.
    fn checked(&mut self, cut: Cut) -> Cutting {
        self.came += 1;
        let cached = self.tasks.get(&cut.index).and_then(|task| task.media.as_ref());
        match (cached, &self.media) {
            (Some(cached), Some(found)) if cached != found => Cutting::Failed {
                stage: Stage::Decode,
                reason: format!(
                    "{} is another file (SHA-256 {}) than the one of its features in the cache ({}): use another --cache, \
                     or remove those",
                    self.order.media.display(),
                    found.short(),
                    cached.short()
                ),
            },
            _ => Cutting::Clip(cut),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_share_a_pass_unless_too_many_are_open_at_once() {
        let span = |start: f64, end: f64| Span::new(Some(start), Some(end)).unwrap();
        let usual: Vec<Span> =
            (0..500).map(|at| span(f64::from(at) * 7.0, f64::from(at) * 7.0 + 9.0)).collect();
        assert_eq!(layers(&usual), [(0..500).collect::<Vec<_>>()]);
        // Any four of these are open together.
        let crowd: Vec<Span> = (0..10).map(|at| span(f64::from(at), f64::from(at) + 60.0)).collect();
        let layers = layers(&crowd);
        assert_eq!(layers, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
        assert!(super::layers(&[]).is_empty());
        assert_eq!(super::layers(&[Span::ALL, span(0.0, 1.0)]), [vec![0, 1]]);
    }
}
