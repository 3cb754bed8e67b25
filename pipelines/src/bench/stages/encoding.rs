//! Clips to features.

use affekt_core::{ClipId, FeatureKind, Reporter, RgbImage, Stage, Waveform};
use affekt_faces::resize;
use candle_core::{DType, Device, Tensor};

use super::{Made, Material, Means, Measured, Stages, begin};
use crate::bench::clock::Spent;
use crate::bench::{Clips, Error};

/// Every network that the features need; what they made.
pub fn measure(
    clips: &Clips,
    means: &Means<'_>,
    material: &[Material],
    stages: &mut Stages,
    reporter: &dyn Reporter,
) -> Result<Vec<Made>, Error> {
    let mut work = Work { clips, means, made: Vec::new(), speech: Vec::new() };
    let voices: Vec<(&Material, &Waveform)> =
        material.iter().filter_map(|clip| Some((clip, clip.waveform.as_ref()?))).collect();
    let faces: Vec<&Material> =
        material.iter().filter(|clip| clip.crops.iter().any(Option::is_some)).collect();
    let words: Vec<(usize, &str)> =
        clips.rows.iter().enumerate().filter_map(|(row, clip)| Some((row, clip.text.as_deref()?))).collect();
    if means.hears() {
        begin(Stage::Audio, reporter);
        work.warm(&voices, |work, some| work.hear(some))?;
        let seconds = voices.iter().map(|(clip, _)| clip.seconds).sum();
        stages.measured.push(spent(Stage::Audio, voices.len(), seconds, || work.hear(&voices))?);
    }
    if means.looks() {
        begin(Stage::Video, reporter);
        work.warm(&faces, |work, some| work.look(some))?;
        let seconds = faces.iter().map(|clip| clip.seconds).sum();
        stages.measured.push(spent(Stage::Video, faces.len(), seconds, || work.look(&faces))?);
    }
    if means.has(FeatureKind::Text) {
        begin(Stage::Text, reporter);
        work.warm(&words, |work, some| work.read(some))?;
        let seconds = words.len() as f64 * clips.seconds() / clips.rows.len() as f64;
        stages.measured.push(spent(Stage::Text, words.len(), seconds, || work.read(&words))?);
    }
    if means.has(FeatureKind::Simulated) {
        begin(Stage::Simulate, reporter);
        let speech = std::mem::take(&mut work.speech);
        work.warm(&speech, |work, some| work.simulate(some))?;
        let seconds = speech.iter().map(|speech| speech.seconds).sum();
        stages.measured.push(spent(Stage::Simulate, speech.len(), seconds, || work.simulate(&speech))?);
    }
    Ok(work.made)
}

fn spent(
    stage: Stage,
    clips: usize,
    seconds: f64,
    work: impl FnOnce() -> Result<(), Error>,
) -> Result<Measured, Error> {
    let ((), spent) = Spent::on(work)?;
    Ok(Measured { stage, workers: 1, in_flow: true, clips, seconds, video_seconds: 0.0, spent })
}

/// The networks at work.
struct Work<'a> {
    clips: &'a Clips,
    means: &'a Means<'a>,
    made: Vec<Made>,
    /// What the projector is given.
    speech: Vec<Speech>,
}

/// A voice as the projector hears it.
struct Speech {
    row: usize,
    seconds: f64,
    samples: usize,
    /// (t, width)
    feature: Tensor,
}

impl Work<'_> {
    /// Does the first of the work and forgets it: threads start, memory is got, kernels are loaded.
    fn warm<T>(
        &mut self,
        all: &[T],
        work: impl FnOnce(&mut Self, &[T]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (made, speech) = (self.made.len(), self.speech.len());
        work(self, &all[..all.len().min(1)])?;
        self.made.truncate(made);
        self.speech.truncate(speech);
        Ok(())
    }

    fn id(&self, row: usize) -> ClipId {
        self.clips.rows[row].id.clone()
    }

    /// The numbers of a feature, where it is one that is kept.
    fn keep(&mut self, kind: FeatureKind, row: usize, tensor: &Tensor) -> Result<(), Error> {
        if self.means.has(kind) {
            let numbers = numbers(tensor)?;
            self.made.push(Made { kind, clip: self.id(row), numbers });
        }
        Ok(())
    }

    fn hear(&mut self, voices: &[(&Material, &Waveform)]) -> Result<(), Error> {
        let Some(voice) = &self.means.encoders.voice else { return Ok(()) };
        let mut sorted = voices.to_vec();
        sorted.sort_by_key(|(_, waveform)| waveform.samples.len());
        for batch in sorted.chunks(self.means.batch.max(1)) {
            let waveforms: Vec<&Waveform> = batch.iter().map(|(_, waveform)| *waveform).collect();
            let heard = voice.encode_batch(&waveforms)?;
            for ((clip, waveform), heard) in batch.iter().zip(heard) {
                let Some(heard) = heard else { continue };
                self.keep(FeatureKind::Audio, clip.row, &heard.audio)?;
                self.keep(FeatureKind::Speech, clip.row, &heard.speech)?;
                let (seconds, samples) = (clip.seconds, waveform.samples.len());
                self.speech.push(Speech { row: clip.row, seconds, samples, feature: heard.speech });
            }
        }
        Ok(())
    }

    fn look(&mut self, faces: &[&Material]) -> Result<(), Error> {
        let Some(face) = &self.means.encoders.face else { return Ok(()) };
        for clip in faces {
            let crops: Vec<Option<&RgbImage>> = clip.crops.iter().map(Option::as_ref).collect();
            let seen = face.encode(&crops, |crop, side| resize(crop, side, side), |_| ())?;
            seen.map_or(Ok(()), |seen| self.keep(FeatureKind::Video, clip.row, &seen))?;
        }
        Ok(())
    }

    fn read(&mut self, words: &[(usize, &str)]) -> Result<(), Error> {
        let Some(reader) = &self.means.encoders.words else { return Ok(()) };
        words.iter().try_for_each(|(row, text)| {
            let read = reader.encode(text)?;
            self.keep(FeatureKind::Text, *row, &read.feature)
        })
    }

    fn simulate(&mut self, speech: &[Speech]) -> Result<(), Error> {
        let Some(simulator) = &self.means.encoders.simulator else { return Ok(()) };
        for Speech { row, samples, feature, .. } in speech {
            let simulated = simulator.encode(feature, *samples)?;
            let feature = simulated.and_then(|simulated| simulated.feature);
            feature.map_or(Ok(()), |feature| self.keep(FeatureKind::Simulated, *row, &feature))?;
        }
        Ok(())
    }
}

/// The numbers of a tensor, row by row; brings them from the device, so that nothing is still in work there.
fn numbers(tensor: &Tensor) -> Result<Vec<f32>, Error> {
    let numbers = || tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1();
    numbers().map_err(|error| crate::Error::from(error).into())
}
