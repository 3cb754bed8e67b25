//! The voices of clips of similar length.

use affekt_cache::Facts;
use affekt_core::{FeatureKind, Stage, TextSource, Waveform};
use affekt_nn::staging::Fetched;
use candle_core::{DType, Tensor};

use super::Encoding;
use super::late::{Launched, Spoken};
use crate::Error;
use crate::batch::{Draft, Numbers};
use crate::cut::Part;
use crate::features::audio::{Encoder, Voice};
use crate::fitting;

impl<'p> Encoding<'_, 'p> {
    /// The sound, where there is any to hear.
    pub(super) fn listen(&self, draft: &mut Draft<'_>, sound: Part<Waveform>) -> Option<Waveform> {
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

    /// Gives the voices of one batch to the device.
    pub(super) fn hear(&mut self, group: Vec<(Draft<'p>, Waveform)>) {
        let encoders = self.encoders;
        let Some(voice) = &encoders.voice else { return };
        let waveforms: Vec<&Waveform> = group.iter().map(|(_, sound)| sound).collect();
        self.book.given();
        let encode = || self.device(|| self.encode(voice, &waveforms));
        let voices = self.shared.ledger.stage(Stage::Audio, group.len(), encode);
        let spoken = |((draft, sound), voice): ((Draft<'p>, Waveform), _)| Spoken { draft, sound, voice };
        let group: Vec<Spoken<'p>> = group.into_iter().zip(voices).map(spoken).collect();
        let wanted: Vec<&Tensor> = group.iter().flat_map(Spoken::wanted).collect();
        let fetched = self.staging.fetch(&wanted);
        self.tell_sizes();
        self.launch(Launched::Voices { group, fetched });
    }

    /// One answer a clip.
    fn encode(&self, voice: &Encoder, waveforms: &[&Waveform]) -> Vec<Result<Option<Voice>, Error>> {
        let device = &self.encoders.device;
        let makes_room = |error: &Error| error.makes_room(device);
        let batches =
            fitting::run(waveforms, &self.samples, padded, makes_room, |batch| voice.encode_batch(batch));
        let mut voices = Vec::with_capacity(waveforms.len());
        for (count, batch) in batches {
            match batch {
                Ok(batch) => voices.extend(batch.into_iter().map(Ok)),
                Err(error) => {
                    debug_assert_eq!(count, 1, "only one clip fails at a time");
                    voices.push(Err(self.too_large(voice, waveforms[voices.len()], error)));
                }
            }
        }
        voices
    }

    /// Takes the results of a batch.
    pub(super) fn land_voices(&mut self, group: Vec<Spoken<'p>>, fetched: candle_core::Result<Fetched>) {
        let numbers =
            fetched.and_then(|fetched| self.shared.ledger.stage(Stage::Audio, 0, || fetched.numbers()));
        self.book.taken();
        let mut numbers = match numbers.map_err(Error::from) {
            Ok(numbers) => Ok(numbers.into_iter()),
            Err(error) => match self.shared.ledger.spare(error) {
                Some(error) => Err(error),
                None => return,
            },
        };
        if let Err(error) = &numbers
            && error.makes_room(&self.encoders.device)
        {
            self.halve(&group);
        }
        for mut spoken in group {
            let count = spoken.wanted().count();
            let own = match &mut numbers {
                Ok(numbers) => Ok(numbers.by_ref().take(count).collect::<Vec<_>>()),
                Err(error) => Err(error.to_string()),
            };
            let is_good = |own: &Vec<Vec<f32>>| own.iter().flatten().all(|number| number.is_finite());
            let again = self.card && count > 0 && !own.as_ref().is_ok_and(is_good);
            if again {
                spoken = self.again(spoken);
            }
            self.spoken(spoken, Some(own).filter(|_| !again));
        }
    }

    /// Smaller batches from here on than that of `group`, which was more than one clip and did not come back.
    fn halve(&mut self, group: &[Spoken<'p>]) {
        let waveforms: Vec<&Waveform> = group.iter().map(|spoken| &spoken.sound).collect();
        if waveforms.len() > 1 {
            let size = padded(&waveforms).min(self.samples.most());
            self.samples.lower((size / 2).max(padded(&waveforms) / waveforms.len()));
            self.tell_sizes();
        }
    }

    /// Hears a clip once more, alone: whatever is to blame is named then, where it is a number by its layer.
    fn again(&self, spoken: Spoken<'p>) -> Spoken<'p> {
        let Some(voice) = &self.encoders.voice else { return spoken };
        let Spoken { draft, sound, .. } = spoken;
        let heard = self.shared.ledger.stage(Stage::Audio, 0, || self.book.busy(|| voice.encode(&sound)));
        let voice = heard.map_err(|error| self.too_large(voice, &sound, error));
        Spoken { draft, sound, voice }
    }

    /// `error`, with what the device has and what the clip takes where that is the trouble.
    fn too_large(&self, voice: &Encoder, sound: &Waveform, error: Error) -> Error {
        let bytes = voice.bytes(1, sound.samples.len());
        error.explained(&self.encoders.device, "the sound of one clip", Some(bytes))
    }

    /// Puts down what came of a voice, whose `numbers` have come already, and hands the clip on. It is dropped where the
    /// card is lost.
    fn spoken(&mut self, spoken: Spoken<'p>, numbers: Option<Result<Vec<Vec<f32>>, String>>) {
        let wanted: Vec<FeatureKind> = spoken.kinds().collect();
        let Spoken { mut draft, sound, voice } = spoken;
        let samples = sound.samples.len();
        draft.facts.samples = Some(samples);
        let speech = match voice {
            Ok(Some(Voice { audio, speech })) => {
                match numbers {
                    Some(Ok(numbers)) => wanted
                        .into_iter()
                        .zip(numbers)
                        .for_each(|(kind, numbers)| draft.put(kind, Numbers::Done(numbers))),
                    Some(Err(reason)) => wanted
                        .into_iter()
                        .for_each(|kind| draft.put(kind, Numbers::failed(Stage::Audio, &reason))),
                    None => {
                        let rows = [(FeatureKind::Audio, audio), (FeatureKind::Speech, speech.clone())];
                        for (kind, rows) in rows {
                            let numbers = Numbers::of(Ok(rows), Stage::Audio, self.shared.ledger);
                            let Some(numbers) = numbers else { return };
                            draft.put(kind, numbers);
                        }
                    }
                }
                let simulates = draft.task.lacks(FeatureKind::Simulated);
                match simulates.then(|| self.kept(&speech)).transpose() {
                    Ok(kept) => kept.map(|kept| (kept, samples)),
                    Err(error) => {
                        let Some(error) = self.shared.ledger.spare(error) else { return };
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
                let Some(error) = self.shared.ledger.spare(error) else { return };
                put_heard(&mut draft, || Numbers::failed(Stage::Audio, &error));
                None
            }
        };
        self.heard(draft, speech);
    }

    /// The speech as the cache keeps it: what text is simulated from there must be the same here.
    fn kept(&self, speech: &Tensor) -> Result<Tensor, Error> {
        let store = self.shared.plan.store(FeatureKind::Speech);
        let dtype = match store.map(|store| store.spec().dtype.as_str()) {
            Some("f16") => DType::F16,
            Some("bf16") => DType::BF16,
            _ => return Ok(speech.clone()),
        };
        Ok(speech.to_dtype(dtype)?.to_dtype(DType::F32)?)
    }
}

/// Samples of a batch, padding included.
fn padded(waveforms: &[&Waveform]) -> usize {
    waveforms.iter().map(|waveform| waveform.samples.len()).max().unwrap_or_default() * waveforms.len()
}

/// The same for all features that are made from the sound.
pub(super) fn put_heard(draft: &mut Draft<'_>, numbers: impl Fn() -> Numbers) {
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
