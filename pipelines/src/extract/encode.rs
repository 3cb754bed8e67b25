//! Clips to features: the networks of one device, fed by length.

use std::collections::BTreeSet;

use affekt_cache::{Facts, Mask};
use affekt_core::{ClipId, FeatureKind, RgbImage, SampleRate, Span, Stage, Waveform};
use affekt_faces::resize;
use affekt_report::run::Failed;
use candle_core::{DType, Device, Tensor};

use super::batcher::{Batcher, Padding};
use super::cutters::{Cutting, Item};
use super::ledger::Ledger;
use super::plan::{Task, digest_of_words, is_heard};
use super::queue::Queue;
use crate::Error;
use crate::cut::told::ENDS_EARLY;
use crate::cut::{Cut, Part, Picture};
use crate::features::audio::Voice;
use crate::features::text;
use crate::networks::Encoders;

/// Samples that the clips of a batch have on average, at most: 20 s. All hidden states of a batch are in memory at once.
const MEAN_MOST: usize = 20 * 16_000;

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
    fn failed(stage: Stage, reason: &impl ToString) -> Self {
        Self::Failed { stage, reason: reason.to_string() }
    }

    /// The numbers of a tensor, or why there are none.
    fn of(tensor: Result<Tensor, Error>, stage: Stage) -> Self {
        let flat = tensor.and_then(|tensor| {
            let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
            Ok(tensor.flatten_all()?.to_vec1()?)
        });
        flat.map_or_else(|error| Self::failed(stage, &error), Self::Done)
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
struct Draft<'p> {
    task: &'p Task,
    facts: Facts,
    made: Vec<Made>,
}

impl Draft<'_> {
    fn lacks(&self, kind: FeatureKind) -> bool {
        self.task.lacks.contains(&kind)
    }

    /// Puts `numbers` down for `kind`, where that is lacking.
    fn put(&mut self, kind: FeatureKind, numbers: Numbers) {
        self.put_with(kind, self.facts.clone(), numbers);
    }

    fn put_with(&mut self, kind: FeatureKind, facts: Facts, numbers: Numbers) {
        if self.lacks(kind) {
            self.made.push(Made { kind, facts, numbers });
        }
    }

    /// The same for all features that are made from the sound.
    fn put_heard(&mut self, numbers: impl Fn() -> Numbers) {
        for kind in self.task.lacks.iter().filter(|kind| is_heard(**kind)) {
            self.made.push(Made { kind: *kind, facts: self.facts.clone(), numbers: numbers() });
        }
    }
}

/// The networks of one device at work.
pub struct Encoding<'a, 'p> {
    /// The networks.
    pub encoders: &'a Encoders,
    /// Clips that come.
    pub items: &'a Queue<Item<'p>>,
    /// Clips that go.
    pub entries: &'a Queue<Entry>,
    /// Clips that WavLM hears at once.
    pub batch: usize,
    /// The run.
    pub ledger: &'a Ledger<'a>,
}

impl<'p> Encoding<'_, 'p> {
    /// Works until no more clips come, or the run is halted.
    pub fn run(&self) -> Padding {
        let mut batcher = Batcher::new(self.batch, self.batch * MEAN_MOST);
        while let Some(item) = self.items.pop() {
            if self.ledger.is_halted() {
                break;
            }
            let (draft, sound) = self.begin(item);
            match sound {
                Some(sound) => batcher.push(sound.samples.len(), (draft, sound)),
                None => self.finish(draft),
            }
            while let Some(group) = batcher.pop(false) {
                self.hear(group);
            }
        }
        while !self.ledger.is_halted()
            && let Some(group) = batcher.pop(true)
        {
            self.hear(group);
        }
        batcher.padding()
    }

    /// Everything but the voice, which waits for others of its length.
    fn begin(&self, item: Item<'p>) -> (Draft<'p>, Option<Waveform>) {
        let Item { task, media, cut } = item;
        let facts = Facts { media, span: Some(task.span), ..Facts::default() };
        let mut draft = Draft { task, facts, made: Vec::new() };
        if draft.lacks(FeatureKind::Text) {
            self.ledger.stage(Stage::Text, 1, || self.read(&mut draft));
        }
        let Cut { span, sound, picture, warnings, .. } = match cut {
            Cutting::Clip(cut) => cut,
            Cutting::Unneeded => return (draft, None),
            Cutting::Failed { stage, reason } => {
                draft.put_heard(|| Numbers::failed(stage, &reason));
                draft.put(FeatureKind::Video, Numbers::failed(stage, &reason));
                return (draft, None);
            }
        };
        draft.facts.seconds = span.duration();
        draft.facts.warnings = warnings.into_iter().chain(missing(task.span, span)).collect();
        if draft.lacks(FeatureKind::Video) {
            self.ledger.stage(Stage::Video, 1, || self.look(&mut draft, picture));
        }
        let sound = if task.needs_sound() { self.listen(&mut draft, sound) } else { None };
        (draft, sound)
    }

    /// The words.
    fn read(&self, draft: &mut Draft<'_>) {
        // The words come from no media file.
        let facts = Facts::default();
        let Some((text, words)) = draft.task.text.as_deref().zip(self.encoders.words.as_ref()) else {
            let numbers = Numbers::Absent("the clip has no transcript".into());
            return draft.put_with(FeatureKind::Text, facts, numbers);
        };
        let facts = Facts { words: Some(digest_of_words(text)), ..facts };
        match words.encode(text) {
            Ok(found) => {
                let unread = found.cut.map(|text::Cut { read, given }| {
                    format!("only the first {read} of {given} tokens of its words are read: the language model takes no more")
                });
                let facts =
                    Facts { tokens: Some(found.tokens), warnings: unread.into_iter().collect(), ..facts };
                draft.put_with(FeatureKind::Text, facts, Numbers::of(Ok(found.feature), Stage::Text));
            }
            Err(error) => draft.put_with(FeatureKind::Text, facts, Numbers::failed(Stage::Text, &error)),
        }
    }

    /// The face: a row a frame, zeros where it shows none.
    fn look(&self, draft: &mut Draft<'_>, picture: Part<Picture>) {
        let Some((picture, face)) =
            there(draft, picture, FeatureKind::Video).zip(self.encoders.face.as_ref())
        else {
            return;
        };
        let crops: Vec<Option<&RgbImage>> = picture.crops.iter().map(Option::as_ref).collect();
        if crops.is_empty() {
            let reason = "no frame of the picture lies in the clip".into();
            return draft.put(FeatureKind::Video, Numbers::Absent(reason));
        }
        let facts = Facts {
            face_mask: Some(Mask(crops.iter().map(Option::is_some).collect())),
            ..draft.facts.clone()
        };
        let faces = face.encode(&crops, |crop, side| resize(crop, side, side), |_| ());
        let numbers = match faces.transpose() {
            Some(faces) => Numbers::of(faces, Stage::Video),
            None => Numbers::Done(vec![0.0; crops.len() * face.width()]),
        };
        draft.put_with(FeatureKind::Video, facts, numbers);
    }

    /// The sound, where there is any to hear.
    fn listen(&self, draft: &mut Draft<'_>, sound: Part<Waveform>) -> Option<Waveform> {
        let sound = match sound {
            Part::There(sound) => sound,
            Part::Failed(reason) => {
                draft.put_heard(|| Numbers::failed(Stage::Decode, &reason));
                return None;
            }
            Part::Absent(reason) => {
                draft.put_heard(|| Numbers::Absent(reason.clone()));
                return None;
            }
            Part::Unasked => return None,
        };
        let frames = self.encoders.voice.as_ref().map_or(0, |voice| voice.frames(sound.samples.len()));
        let reason = if frames == 0 {
            "the sound is too short for a single row"
        } else if sound.is_silent() {
            "the sound is silent"
        } else {
            return Some(sound);
        };
        draft.put_heard(|| Numbers::Absent(reason.into()));
        None
    }

    /// The voices of one batch.
    fn hear(&self, group: Vec<(Draft<'p>, Waveform)>) {
        let Some(voice) = &self.encoders.voice else { return };
        let waveforms: Vec<&Waveform> = group.iter().map(|(_, sound)| sound).collect();
        let voices = self.ledger.stage(Stage::Audio, group.len(), || match voice.encode_batch(&waveforms) {
            Ok(voices) => voices.into_iter().map(Ok).collect::<Vec<_>>(),
            // One clip shall not cost its neighbours.
            Err(_) => waveforms.iter().map(|waveform| voice.encode(waveform)).collect(),
        });
        for ((mut draft, sound), voice) in group.into_iter().zip(voices) {
            match voice {
                Ok(Some(voice)) => self.heard(&mut draft, voice, sound.samples.len()),
                Ok(None) => {
                    draft.put_heard(|| Numbers::Absent("the sound is too short for a single row".into()));
                }
                Err(error) => draft.put_heard(|| Numbers::failed(Stage::Audio, &error)),
            }
            self.finish(draft);
        }
    }

    fn heard(&self, draft: &mut Draft<'_>, Voice { audio, speech }: Voice, samples: usize) {
        if draft.lacks(FeatureKind::Simulated) {
            self.ledger.stage(Stage::Simulate, 1, || self.simulate(draft, &speech, samples));
        }
        draft.put(FeatureKind::Audio, Numbers::of(Ok(audio), Stage::Audio));
        draft.put(FeatureKind::Speech, Numbers::of(Ok(speech), Stage::Audio));
    }

    fn simulate(&self, draft: &mut Draft<'_>, speech: &Tensor, samples: usize) {
        let Some(simulator) = &self.encoders.simulator else { return };
        let facts = draft.facts.clone();
        let (facts, numbers) = match simulator.encode(speech, samples) {
            Err(error) => (facts, Numbers::failed(Stage::Simulate, &error)),
            Ok(None) => {
                let seconds = SampleRate::SPEECH.seconds(samples);
                (facts, Numbers::Absent(format!("{seconds} of sound are too short for the projector")))
            }
            Ok(Some(simulation)) => {
                let told = simulation.told;
                let facts = Facts {
                    hypothesis: told.hypothesis,
                    score: told.score,
                    tokens: Some(told.tokens),
                    looped: Some(told.looped),
                    ..facts
                };
                let numbers = match simulation.feature {
                    Some(feature) => Numbers::of(Ok(feature), Stage::Simulate),
                    None => Numbers::Absent("no text was generated from the voice".into()),
                };
                (facts, numbers)
            }
        };
        draft.put_with(FeatureKind::Simulated, facts, numbers);
    }

    /// Sends the clip on, and tells of its failures.
    fn finish(&self, draft: Draft<'_>) {
        let mut failures: Vec<Failed> = Vec::new();
        for made in &draft.made {
            let Numbers::Failed { stage, reason } = &made.numbers else { continue };
            match failures.iter_mut().find(|failed| (failed.stage, &failed.reason) == (*stage, reason)) {
                Some(failed) => failed.features.push(made.kind),
                None => failures.push(Failed {
                    clip: draft.task.id.clone(),
                    features: vec![made.kind],
                    stage: *stage,
                    reason: reason.clone(),
                }),
            }
        }
        let warnings: BTreeSet<String> =
            draft.made.iter().flat_map(|made| made.facts.warnings.iter().cloned()).collect();
        let entry = Entry { id: draft.task.id.clone(), made: draft.made };
        let bytes = entry.bytes();
        // The writer leaves only when the run has ended.
        if self.entries.push(entry, bytes).is_ok() {
            self.ledger.encoded(draft.task, draft.facts.seconds.unwrap_or_default());
            failures.into_iter().for_each(|failed| self.ledger.fail(failed));
            warnings.into_iter().for_each(|warning| self.ledger.warn(&draft.task.id, warning));
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
