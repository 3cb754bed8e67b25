//! Clips to features: the networks of one device, fed by length.

use affekt_cache::{Facts, Mask};
use affekt_core::{FeatureKind, RgbImage, Span, Stage, TextSource, Waveform};
use affekt_faces::resize;
use candle_core::{DType, Tensor};

use super::Plan;
use super::batcher::Batcher;
use super::cutters::{Cutting, Item};
use crate::Error;
use crate::batch::known::digest_of_words;
use crate::batch::ledger::Ledger;
use crate::batch::queue::Queue;
use crate::batch::speech::Speech;
use crate::batch::{Draft, Effort, Entry, Numbers, Simulating};
use crate::cut::told::ENDS_EARLY;
use crate::cut::{Cut, Part, Picture};
use crate::features::audio::Voice;
use crate::features::text::{self, Text};
use crate::networks::Encoders;

/// Samples that the clips of a batch have on average, at most: 20 s. All hidden states of a batch are in memory at once.
const MEAN_MOST: usize = 20 * 16_000;

/// Clips whose words are read together: with MOSEI's 28 tokens, more than one forward pass takes.
const TEXTS: usize = 16;

/// The networks of one device at work. A clip goes from one to the next, and waits before some for others to share a
/// forward pass with: the voice, the words, the generation of text.
pub struct Encoding<'a, 'p> {
    /// The networks.
    pub encoders: &'a Encoders,
    /// The work.
    pub plan: &'p Plan,
    /// Clips that come.
    pub items: &'a Queue<Item<'p>>,
    /// Clips that go.
    pub entries: &'a Queue<Entry>,
    /// The run.
    pub ledger: &'a Ledger<'a>,
    /// Clips whose text is being generated; `None` where none shall be.
    pub simulating: Option<Simulating<'a, 'p>>,
    /// Clips whose words wait to be read.
    pub texts: Vec<Heard<'p>>,
}

/// A clip that nothing more is to be heard of.
pub struct Heard<'p> {
    draft: Draft<'p>,
    /// What text can be simulated from: (t, width), and its samples.
    speech: Option<(Tensor, usize)>,
}

impl<'p> Encoding<'_, 'p> {
    /// Works until no more clips come, or the run is halted. WavLM hears `batch` clips at once.
    pub fn run(mut self, batch: usize) -> Effort {
        let mut batcher = Batcher::new(batch, batch * MEAN_MOST);
        while let Some(item) = self.items.pop() {
            if self.ledger.is_halted() {
                break;
            }
            let (draft, sound) = self.begin(item);
            match sound {
                Some(sound) => batcher.push(sound.samples.len(), (draft, sound)),
                None => self.heard(draft, None),
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
        self.read();
        self.leave(true);
        let padding = batcher.padding();
        Effort {
            padding_waste: (padding.computed > 0).then(|| padding.waste()),
            generated: self.simulating.as_ref().map(Simulating::generated),
        }
    }

    /// Everything but the voice, which waits for others of its length.
    fn begin(&self, item: Item<'p>) -> (Draft<'p>, Option<Waveform>) {
        let Item { task, media, cut } = item;
        let facts = Facts { media, span: Some(task.span), ..Facts::default() };
        let mut draft = Draft::new(task, facts);
        let Cut { span, sound, picture, warnings, .. } = match cut {
            Cutting::Clip(cut) => cut,
            Cutting::Unneeded => return (draft, None),
            Cutting::Failed { stage, reason } => {
                put_heard(&mut draft, || Numbers::failed(stage, &reason));
                draft.put(FeatureKind::Video, Numbers::failed(stage, &reason));
                return (draft, None);
            }
        };
        draft.facts.seconds = span.duration();
        draft.facts.warnings = warnings.into_iter().chain(missing(task.span, span)).collect();
        if task.lacks(FeatureKind::Video) {
            self.ledger.stage(Stage::Video, 1, || self.look(&mut draft, picture));
        }
        let sound = if task.needs_sound() { self.listen(&mut draft, sound) } else { None };
        if let Some(sound) = sound.as_ref().filter(|_| task.recognises) {
            self.ledger.stage(Stage::Recognise, 1, || self.recognise(&mut draft, sound));
        }
        (draft, sound.filter(|_| task.needs_voice()))
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
                put_heard(draft, || Numbers::failed(Stage::Decode, &reason));
                return None;
            }
            Part::Absent(reason) => {
                put_heard(draft, || Numbers::Absent(reason.clone()));
                return None;
            }
            Part::Unasked => return None,
        };
        let frames = self.encoders.voice.as_ref().map_or(0, |voice| voice.frames(sound.samples.len()));
        let reason = if frames == 0 && draft.task.needs_voice() {
            "the sound is too short for a single row"
        } else if sound.is_silent() {
            "the sound is silent"
        } else {
            return Some(sound);
        };
        put_heard(draft, || Numbers::Absent(reason.into()));
        None
    }

    /// The words that nobody has written down.
    fn recognise(&self, draft: &mut Draft<'_>, sound: &Waveform) {
        let Some(recogniser) = &self.encoders.recogniser else { return };
        match recogniser.recognise(sound, self.encoders.recipes.text.language.as_deref()) {
            Ok(recognised) => draft.recognised = Some(recognised),
            Err(error) => draft.put(FeatureKind::Text, Numbers::failed(Stage::Recognise, &error)),
        }
    }

    /// The voices of one batch.
    fn hear(&mut self, group: Vec<(Draft<'p>, Waveform)>) {
        let Some(voice) = &self.encoders.voice else { return };
        let waveforms: Vec<&Waveform> = group.iter().map(|(_, sound)| sound).collect();
        let voices = self.ledger.stage(Stage::Audio, group.len(), || match voice.encode_batch(&waveforms) {
            Ok(voices) => voices.into_iter().map(Ok).collect::<Vec<_>>(),
            // One clip shall not cost its neighbours.
            Err(_) => waveforms.iter().map(|waveform| voice.encode(waveform)).collect(),
        });
        for ((mut draft, sound), voice) in group.into_iter().zip(voices) {
            let samples = sound.samples.len();
            draft.facts.samples = Some(samples);
            let speech = match voice {
                Ok(Some(Voice { audio, speech })) => {
                    let kept = self.kept(&speech);
                    draft.put(FeatureKind::Audio, Numbers::of(Ok(audio), Stage::Audio));
                    draft.put(FeatureKind::Speech, Numbers::of(Ok(speech), Stage::Audio));
                    match kept {
                        Ok(kept) => Some((kept, samples)),
                        Err(error) => {
                            draft.put(FeatureKind::Simulated, Numbers::failed(Stage::Simulate, &error));
                            None
                        }
                    }
                }
                Ok(None) => {
                    let reason = "the sound is too short for a single row";
                    put_heard(&mut draft, || Numbers::Absent(reason.into()));
                    None
                }
                Err(error) => {
                    put_heard(&mut draft, || Numbers::failed(Stage::Audio, &error));
                    None
                }
            };
            self.heard(draft, speech);
        }
    }

    /// The speech as the cache keeps it: what text is simulated from there must be the same here.
    fn kept(&self, speech: &Tensor) -> Result<Tensor, Error> {
        let store = self.plan.store(FeatureKind::Speech);
        let dtype = match store.map(|store| store.spec().dtype.as_str()) {
            Some("f16") => DType::F16,
            Some("bf16") => DType::BF16,
            _ => return Ok(speech.clone()),
        };
        Ok(speech.to_dtype(dtype)?.to_dtype(DType::F32)?)
    }

    /// A clip of which nothing more is heard goes on to its words.
    fn heard(&mut self, draft: Draft<'p>, speech: Option<(Tensor, usize)>) {
        let reads = draft.lacks(FeatureKind::Text);
        let heard = Heard { draft, speech };
        if !reads {
            return self.read_or_none(heard);
        }
        self.texts.push(heard);
        if self.texts.len() == TEXTS {
            self.read();
        }
    }

    /// The words that wait.
    fn read(&mut self) {
        let mut heard = std::mem::take(&mut self.texts);
        let texts: Vec<Option<String>> = heard.iter().map(|heard| words(&heard.draft)).collect();
        let sound: Vec<&str> = texts.iter().flatten().map(String::as_str).collect();
        let found = match &self.encoders.words {
            Some(words) if !sound.is_empty() => {
                self.ledger.stage(Stage::Text, sound.len(), || words.encode_batch(&sound))
            }
            _ => Vec::new(),
        };
        let mut found = found.into_iter();
        for (heard, text) in heard.iter_mut().zip(texts) {
            let found = text.as_ref().and_then(|_| found.next());
            put_text(&mut heard.draft, text, found);
        }
        heard.into_iter().for_each(|heard| self.read_or_none(heard));
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
            draft.finish(self.entries, self.ledger);
        }
        self.leave(false);
    }

    /// Speech that was heard before.
    fn cached(&self, draft: &mut Draft<'p>) -> Option<(Tensor, usize)> {
        let store = self.plan.store(FeatureKind::Speech)?;
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
            draft.finish(self.entries, self.ledger);
        }
    }
}

/// The same for all features that are made from the sound.
fn put_heard(draft: &mut Draft<'_>, numbers: impl Fn() -> Numbers) {
    use FeatureKind::{Audio, Simulated, Speech, Text};
    for kind in [Audio, Speech, Simulated, Text] {
        let is_heard = match kind {
            Simulated => !draft.task.speech_cached,
            Text => draft.task.recognises && draft.recognised.is_none(),
            _ => true,
        };
        if is_heard {
            let facts =
                Facts { text_source: (kind == Text).then_some(TextSource::Asr), ..draft.facts.clone() };
            draft.put_with(kind, facts, numbers());
        }
    }
}

/// What is said in a clip.
fn words(draft: &Draft<'_>) -> Option<String> {
    match &draft.recognised {
        Some(recognised) => recognised.text(),
        None => draft.task.text.clone().filter(|_| !draft.task.recognises),
    }
}

/// Puts the words `text` down, and what the language model made of them.
fn put_text(draft: &mut Draft<'_>, text: Option<String>, found: Option<Result<Text, Error>>) {
    let facts = match &draft.recognised {
        Some(recognised) => Facts {
            text_source: Some(TextSource::Asr),
            // Whether WavLM heard them, too, is nothing to the words.
            samples: None,
            score: recognised.log_probability(),
            language: recognised.language.clone(),
            warnings: draft.facts.warnings.iter().cloned().chain(recognised.warnings()).collect(),
            ..draft.facts.clone()
        },
        // The words come from no media file.
        None => Facts { text_source: text.as_ref().map(|_| TextSource::Transcript), ..Facts::default() },
    };
    let Some((text, found)) = text.zip(found) else {
        let reason = if facts.text_source == Some(TextSource::Asr) {
            "no words were recognised"
        } else {
            "the clip has no transcript"
        };
        return draft.put_with(FeatureKind::Text, facts, Numbers::Absent(reason.into()));
    };
    let facts = Facts { words: Some(digest_of_words(&text)), transcript: Some(text), ..facts };
    match found {
        Ok(Text { feature, tokens, cut }) => {
            let unread = cut.map(|text::Cut { read, given }| {
                format!("only the first {read} of {given} tokens of its words are read: the language model takes no more")
            });
            let warnings = facts.warnings.iter().cloned().chain(unread).collect();
            let facts = Facts { tokens: Some(tokens), warnings, ..facts };
            draft.put_with(FeatureKind::Text, facts, Numbers::of(Ok(feature), Stage::Text));
        }
        Err(error) => draft.put_with(FeatureKind::Text, facts, Numbers::failed(Stage::Text, &error)),
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
