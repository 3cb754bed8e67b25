//! Clips to features: the networks of one device, fed by length.
//!
//! | module | holds |
//! |---|---|
//! | [`sizes`] | `Sizes`: how much goes through the networks at once |
//! | `late` | what a card was given, and has not given back |
//! | `faces`, `voices`, `words` | the stages of a clip, one after the other |

mod faces;
mod late;
pub mod sizes;
mod voices;
mod words;

use std::time::Duration;

use affekt_cache::Facts;
use affekt_core::{FeatureKind, Span, Stage, Waveform};
use affekt_nn::finite::deferred;
use affekt_nn::staging::Staging;
use candle_core::Tensor;

use super::Plan;
use super::batcher::Batcher;
use super::cutters::{Cutting, Item};
use crate::Error;
use crate::batch::ledger::Ledger;
use crate::batch::occupancy::Occupancy;
use crate::batch::queue::{Next, Queue};
use crate::batch::speech::Speech;
use crate::batch::{Allowance, Draft, Effort, Entry, Numbers, Simulating};
use crate::cut::told::ENDS_EARLY;
use crate::cut::{Cut, Part, Picture};
use crate::fitting::Limit;
use crate::networks::Encoders;
use faces::{Faces, Watched};
use late::{Late, Launched};
use sizes::Sizes;
use voices::put_heard;

/// What the threads of all devices share.
#[derive(Clone, Copy)]
pub struct Shared<'a, 'p> {
    /// The work.
    pub plan: &'p Plan,
    /// Clips that come.
    pub items: &'a Queue<Item<'p>>,
    /// Clips that go.
    pub entries: &'a Queue<Entry>,
    /// The run.
    pub ledger: &'a Ledger<'a>,
}

/// The networks of one device at work. A clip goes from one to the next, and waits before some for others to share a
/// forward pass with: on a card the face, the voice, the words, the generation of text.
///
/// A card is given the next batch before the results of the last are waited for, so that it never waits for the processor;
/// results come a batch late.
pub struct Encoding<'a, 'p> {
    shared: Shared<'a, 'p>,
    encoders: &'a Encoders,
    book: &'a Occupancy,
    staging: Staging,
    /// Whether the networks run on a card.
    card: bool,
    sizes: Sizes,
    /// Samples of a batch of voices, padding included.
    samples: Limit,
    /// Clips whose faces wait.
    faces: Faces<'p>,
    /// Clips whose voices wait.
    voices: Batcher<(Draft<'p>, Waveform)>,
    late: Late<Launched<'p>>,
    /// Clips whose words wait to be read.
    texts: Vec<Heard<'p>>,
    /// Clips whose text is being generated; `None` where none shall be.
    simulating: Option<Simulating<'a, 'p>>,
}

/// A clip that nothing more is to be heard of.
struct Heard<'p> {
    draft: Draft<'p>,
    /// What text can be simulated from: (t, width), and its samples.
    speech: Option<(Tensor, usize)>,
}

impl<'a, 'p> Encoding<'a, 'p> {
    /// For the networks of one device, whose `book` it keeps. WavLM hears `batch` clips at once, where that is said.
    ///
    /// # Errors
    /// Those of [`Simulating::new`], and what the driver reports.
    pub fn new(
        shared: Shared<'a, 'p>,
        encoders: &'a Encoders,
        book: &'a Occupancy,
        batch: Option<usize>,
        generation: Allowance,
    ) -> Result<Self, Error> {
        let simulator = encoders.simulator.as_ref();
        let simulating =
            simulator.map(|simulator| Simulating::new(simulator, generation, shared.ledger, book));
        let simulating = simulating.transpose()?;
        // What is free beside the networks and the keys and values.
        let sizes = Sizes::of(encoders, batch)?;
        let card = !encoders.device.is_cpu();
        Ok(Self {
            shared,
            encoders,
            book,
            staging: Staging::new(&encoders.device),
            card,
            samples: Limit::new(sizes.samples),
            faces: Faces::new(if card { sizes.faces } else { 0 }),
            voices: Batcher::new(sizes.voices, sizes.samples),
            late: Late::new(usize::from(card)),
            texts: Vec::new(),
            sizes,
            simulating,
        })
    }

    /// Works until no more clips come, or the run is halted.
    pub fn run(mut self) -> Effort {
        while let Some(item) = self.next() {
            if self.shared.ledger.is_halted() {
                break;
            }
            self.begin(item);
            self.advance(false);
        }
        self.end();
        self.tell_sizes();
        let padding = self.voices.padding();
        Effort {
            padding: (padding.computed > 0).then_some(padding),
            generated: self.simulating.as_ref().map(Simulating::generated),
        }
    }

    /// The next clip; waits for one, and meanwhile has the device do what there is to do.
    fn next(&mut self) -> Option<Item<'p>> {
        loop {
            match self.shared.items.pop_within(Duration::ZERO) {
                Next::Item(item) => return Some(item),
                Next::End => return None,
                Next::Nothing if self.card && self.fill_in() => {}
                Next::Nothing => return self.book.waiting(|| self.shared.items.pop()),
            }
        }
    }

    /// What a card can do while no clip comes: results are taken, and what waits for company goes without. `false` where
    /// nothing is left.
    fn fill_in(&mut self) -> bool {
        if self.shared.ledger.is_halted() {
            return false;
        }
        if let Some(launched) = self.late.rest() {
            self.land(launched);
            self.advance(false);
            return true;
        }
        if self.advance(true) {
            return true;
        }
        if !self.texts.is_empty() {
            self.read();
            return true;
        }
        let goes_on = self.simulating.as_mut().is_some_and(Simulating::advance);
        self.leave(false);
        goes_on
    }

    /// Gives the device every batch that is ready; with `rest`, all that waits. Whether there was one.
    fn advance(&mut self, rest: bool) -> bool {
        let mut any = false;
        loop {
            if let Some(group) = self.faces.pop(rest) {
                self.look(group);
            } else if let Some(group) = self.voices.pop(rest) {
                self.hear(group);
            } else {
                return any;
            }
            any = true;
        }
    }

    /// All that is left; of a run that is halted, what the device has done already.
    fn end(&mut self) {
        loop {
            let halted = self.shared.ledger.is_halted();
            if let Some(launched) = self.late.rest() {
                self.land(launched);
            } else if halted || !self.advance(true) {
                break;
            }
        }
        self.read();
        self.leave(true);
    }

    /// Everything but the networks.
    fn begin(&mut self, item: Item<'p>) {
        let Item { task, media, cut } = item;
        let facts = Facts { media, span: Some(task.span), ..Facts::default() };
        let mut draft = Draft::new(task, facts);
        let Cut { span, sound, picture, warnings, .. } = match cut {
            Cutting::Clip(cut) => cut,
            Cutting::Unneeded => return self.heard(draft, None),
            Cutting::Failed { stage, reason } => {
                put_heard(&mut draft, || Numbers::failed(stage, &reason));
                draft.put(FeatureKind::Video, Numbers::failed(stage, &reason));
                return self.heard(draft, None);
            }
        };
        draft.facts.seconds = span.duration();
        draft.facts.warnings = warnings.into_iter().chain(missing(task.span, span)).collect();
        let picture = task.lacks(FeatureKind::Video).then(|| there(&mut draft, picture, FeatureKind::Video));
        match picture.flatten() {
            Some(Picture { crops }) => self.faces.push(Watched { draft, crops, sound }),
            None => self.seen(draft, sound),
        }
    }

    /// A clip of which nothing more is to be seen goes on to its sound.
    fn seen(&mut self, mut draft: Draft<'p>, sound: Part<Waveform>) {
        let task = draft.task;
        let sound = if task.needs_sound() { self.listen(&mut draft, sound) } else { None };
        if let Some(sound) = sound.as_ref().filter(|_| task.recognises) {
            let recognise = || self.recognise(&mut draft, sound);
            if !self.shared.ledger.stage(Stage::Recognise, 1, || self.book.busy(recognise)) {
                return;
            }
        }
        match sound.filter(|_| task.needs_voice()) {
            Some(sound) => self.voices.push(sound.samples.len(), (draft, sound)),
            None => self.heard(draft, None),
        }
    }

    /// Takes down what the device was given; the results of an earlier batch are due then.
    fn launch(&mut self, launched: Launched<'p>) {
        self.late.push(launched);
        while let Some(due) = self.late.due() {
            self.land(due);
        }
    }

    /// Takes the results of a batch.
    fn land(&mut self, launched: Launched<'p>) {
        match launched {
            Launched::Faces { group, fetched } => self.land_faces(group, fetched),
            Launched::Voices { group, fetched } => self.land_voices(group, fetched),
        }
    }

    /// Work for the device, in which on a card no gate waits: the numbers are looked at when they are there.
    fn device<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.card { deferred(work) } else { work() }
    }

    /// Takes down how large batches are; what has changed is told.
    fn tell_sizes(&mut self) {
        let (encoders, mut limits) = (self.encoders, Vec::new());
        limits.extend(encoders.voice.as_ref().map(|_| (Stage::Audio, "samples", &self.samples)));
        limits.extend(encoders.face.as_ref().map(|face| (Stage::Video, "faces", face.limit())));
        limits.extend(encoders.words.as_ref().map(|words| (Stage::Text, "rows", words.limit())));
        for (stage, unit, limit) in limits {
            if let Some(shrunk) = self.book.note(stage, unit, limit) {
                self.shared.ledger.shrunk(self.book.name(), &shrunk);
            }
        }
        self.voices.bound(self.samples.most());
    }

    /// A clip of which nothing more is heard goes on to its words.
    fn heard(&mut self, draft: Draft<'p>, speech: Option<(Tensor, usize)>) {
        let reads = draft.lacks(FeatureKind::Text);
        let heard = Heard { draft, speech };
        if !reads {
            return self.read_or_none(heard);
        }
        self.texts.push(heard);
        if self.texts.len() >= self.sizes.texts {
            self.read();
        }
    }

    /// A clip whose words are read goes on to the generation of text.
    fn read_or_none(&mut self, Heard { mut draft, speech }: Heard<'p>) {
        let simulates = draft.task.lacks(FeatureKind::Simulated);
        let speech = match speech {
            None if simulates && draft.task.speech_cached => self.cached(&mut draft),
            speech => speech.filter(|_| simulates),
        };
        let through = match (speech, &mut self.simulating) {
            (Some((speech, samples)), Some(simulating)) => simulating.take(draft, &speech, samples),
            _ => Some(draft),
        };
        if let Some(draft) = through {
            draft.finish(self.shared.entries, self.shared.ledger);
        }
        self.leave(false);
    }

    /// Speech that was heard before.
    fn cached(&self, draft: &mut Draft<'p>) -> Option<(Tensor, usize)> {
        let store = self.shared.plan.store(FeatureKind::Speech)?;
        match Speech::of(store, &draft.task.id) {
            Ok(Speech { facts, rows, samples }) => {
                draft.facts = facts;
                Some((rows, samples))
            }
            Err(error) => {
                draft.put(FeatureKind::Simulated, Numbers::failed(Stage::Simulate, &error));
                None
            }
        }
    }

    /// Clips whose text is generated leave; all of them with `all`, else those that make room for others.
    fn leave(&mut self, all: bool) {
        while let Some(draft) = self.simulating.as_mut().and_then(|simulating| simulating.next(all)) {
            draft.finish(self.shared.entries, self.shared.ledger);
        }
    }
}

/// That much of the clip is missing, where it is.
fn missing(asked: Span, found: Span) -> Option<String> {
    let (asked, found) = (asked.duration()?, found.duration()?);
    (asked.0 - found.0 > ENDS_EARLY).then(|| format!("only {found} of its {asked} are there"))
}

/// What is there of a part; else says in `draft` why `kind` is not.
fn there<T>(draft: &mut Draft<'_>, part: Part<T>, kind: FeatureKind) -> Option<T> {
    match part {
        Part::There(found) => return Some(found),
        Part::Unasked => {}
        Part::Absent(reason) => draft.put(kind, Numbers::Absent(reason)),
        Part::Failed(reason) => draft.put(kind, Numbers::failed(Stage::Decode, &reason)),
    }
    None
}
