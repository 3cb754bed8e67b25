//! The material of the page, collected beside the prediction.

use affekt_core::{SampleRate, Seconds, Span, Waveform};
use affekt_faces::{FaceTrack, still};
use affekt_media::MediaInfo;
use affekt_report::Exhibit;
use affekt_report::exhibit::{Envelope, Picture, Views, Weights, Words};

use super::recording::Clip;
use super::sampler::Snapshot;
use crate::networks::FUSION;
use crate::{Error, Networks};

/// Steps of the envelope at most; half as many once they have been joined in pairs.
const STEPS: usize = 2000;

/// The first length of a step, in samples: 10 ms.
const STEP: usize = 160;

/// Two stretches with the speaker's face closer together than this share of the recording are shown as one.
const JOINED: f64 = 1e-3;

/// Quality of the pictures, of 100.
const QUALITY: u8 = 82;

/// What is collected clip by clip. Memory does not grow with the recording but for the stretches with a face.
pub struct Collection {
    /// Frames that are wanted.
    pictures: usize,
    start: Option<Seconds>,
    /// Samples a step.
    step: usize,
    steps: Vec<(f32, f32)>,
    /// The last step so far, and its samples.
    open: (usize, (f32, f32)),
    seen: Vec<Span>,
}

const NOTHING: (f32, f32) = (f32::INFINITY, f32::NEG_INFINITY);

impl Collection {
    /// Of a recording of which `pictures` frames are wanted.
    pub fn new(pictures: usize) -> Self {
        Self { pictures, start: None, step: STEP, steps: Vec::new(), open: (0, NOTHING), seen: Vec::new() }
    }

    /// How many frames are wanted.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// Takes the next clip.
    pub fn take(&mut self, clip: &Clip) {
        if let Some(waveform) = &clip.waveform {
            self.hear(clip.start, waveform);
        }
        self.see(clip.end, &clip.track);
    }

    fn hear(&mut self, start: Seconds, waveform: &Waveform) {
        self.start.get_or_insert(start);
        for &sample in &waveform.samples {
            let (count, (low, high)) = self.open;
            self.open = (count + 1, (low.min(sample), high.max(sample)));
            if self.open.0 >= self.step {
                self.close_step();
            }
        }
    }

    fn close_step(&mut self) {
        self.steps.push(self.open.1);
        self.open = (0, NOTHING);
        if self.steps.len() >= STEPS {
            let join = |pair: &[(f32, f32)]| {
                pair.iter().fold(NOTHING, |(low, high), step| (low.min(step.0), high.max(step.1)))
            };
            self.steps = self.steps.chunks(2).map(join).collect();
            self.step *= 2;
        }
    }

    fn see(&mut self, end: Seconds, track: &FaceTrack) {
        let joined = (JOINED * end.0).max(1e-3);
        for (index, face) in track.faces.iter().enumerate() {
            if face.is_none() {
                continue;
            }
            let start = track.times[index];
            let until = track.times.get(index + 1).copied().unwrap_or(end);
            match self.seen.last_mut() {
                Some(Span { end: Some(last), .. }) if start.0 - last.0 <= joined => *last = until,
                _ => self.seen.push(Span { start, end: Some(until) }),
            }
        }
    }

    fn envelope(mut self) -> (Envelope, Vec<Span>) {
        if self.open.0 > 0 {
            self.steps.push(self.open.1);
        }
        let step = SampleRate::SPEECH.seconds(self.step);
        let envelope = Envelope { start: self.start.unwrap_or_default(), step, steps: self.steps };
        (envelope, self.seen)
    }

    /// The whole material.
    pub fn finish(
        self,
        networks: &Networks,
        info: &MediaInfo,
        snapshots: &[Snapshot],
        (words, views): (Vec<Words>, Views),
    ) -> Result<Exhibit, Error> {
        let (envelope, seen) = self.envelope();
        Ok(Exhibit {
            media: facts(info),
            pictures: snapshots.iter().map(picture).collect::<Result<_, _>>()?,
            envelope,
            seen,
            words,
            views,
            features: networks.specs()?,
            networks: weights(networks)?,
            bundle: networks.bundle.manifest().description.clone(),
            caution: networks.caution().map(|caution| caution.title.to_owned()),
        })
    }
}

fn picture(snapshot: &Snapshot) -> Result<Picture, Error> {
    let crop = snapshot.crop.as_ref().map(|crop| still::jpeg(crop, QUALITY)).transpose()?;
    Ok(Picture {
        time: snapshot.time,
        width: snapshot.image.width,
        height: snapshot.image.height,
        jpeg: still::jpeg(&snapshot.image, QUALITY)?,
        face: snapshot.face.map(|face| [face.x, face.y, face.width, face.height]),
        crop,
    })
}

fn facts(info: &MediaInfo) -> Vec<(String, String)> {
    // FFmpeg lists all names of a format: `mov,mp4,m4a,3gp,3g2,mj2`.
    let mut facts = vec![("container", info.container.replace(',', ", "))];
    if let Some(video) = &info.video {
        let rate = video.fps.map(|fps| format!(", {fps:.2} frames a second")).unwrap_or_default();
        facts.push(("picture", format!("{}, {} x {} pixels{rate}", video.codec, video.width, video.height)));
    }
    if let Some(audio) = &info.audio {
        let channels =
            if audio.channels == 1 { "1 channel".into() } else { format!("{} channels", audio.channels) };
        facts.push(("sound", format!("{}, {}, {channels}", audio.codec, audio.rate)));
    }
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The networks that took part, with the digests and licences of their weights.
fn weights(networks: &Networks) -> Result<Vec<Weights>, Error> {
    let bundle = &networks.bundle;
    let mut weights = Vec::new();
    for name in networks.names() {
        let judges = name == FUSION;
        if let Some((file, sha256)) = networks.lineage.named.as_ref().filter(|_| judges) {
            let file = file.display().to_string();
            weights.push(Weights {
                network: name.to_owned(),
                sha256: sha256.to_string(),
                licence: String::new(),
                source: networks.lineage.run().map_or(file.clone(), |run| format!("{file}: {run}")),
            });
            continue;
        }
        let files = bundle.weights_files(name)?;
        // Of weights that affekt has trained, the bundle's definition knows nothing.
        let run = networks.lineage.run().filter(|_| judges);
        let facts = files.first().and_then(|file| bundle.manifest().files.get(*file));
        let facts = facts.filter(|_| run.is_none());
        weights.push(Weights {
            network: name.to_owned(),
            sha256: bundle.weights_digest(name)?.to_string(),
            licence: facts.map(|facts| facts.licence.clone()).unwrap_or_default(),
            source: run.or_else(|| facts.map(|facts| facts.source.clone())).unwrap_or_default(),
        });
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(start: f64, samples: Vec<f32>) -> Clip {
        Clip {
            index: 0,
            several: true,
            last: false,
            start: Seconds(start),
            end: Seconds(start + samples.len() as f64 / 16e3),
            waveform: Clip::waveform(samples),
            track: FaceTrack::default(),
        }
    }

    #[test]
    fn an_envelope_stays_small_and_keeps_every_peak() {
        let mut collection = Collection::new(12);
        for window in 0..90 {
            let mut samples = vec![0.1f32; 320_000];
            samples[1234] = 0.9;
            samples[200_000] = -0.8;
            collection.take(&clip(20.0 * f64::from(window), samples));
        }
        let (envelope, _) = collection.envelope();
        assert!(
            envelope.steps.len() >= STEPS / 2 && envelope.steps.len() < STEPS,
            "{}",
            envelope.steps.len()
        );
        let lasting = envelope.step.0 * envelope.steps.len() as f64;
        assert!((lasting - 1800.0).abs() < 2.0 * envelope.step.0, "{lasting}");
        let (high, low) = (
            envelope.steps.iter().filter(|step| step.1 == 0.9),
            envelope.steps.iter().filter(|step| step.0 == -0.8),
        );
        assert_eq!((high.count(), low.count()), (90, 90));
    }

    #[test]
    fn faces_are_told_in_stretches() {
        let face = |seen: bool| {
            seen.then(|| affekt_faces::Face {
                bbox: affekt_faces::Rect::default(),
                score: 1.0,
                landmarks: None,
                crop: affekt_core::RgbImage::black(1, 1),
                interpolated: false,
            })
        };
        let mut one = clip(0.0, vec![0.0; 32_000]);
        one.track.faces = (0..50).map(|index| face((10..20).contains(&index) || index >= 40)).collect();
        one.track.times = (0..50).map(|index| Seconds(0.04 * f64::from(index))).collect();
        let mut next = clip(2.0, vec![0.0; 32_000]);
        next.track.faces = vec![face(true), face(false)];
        next.track.times = vec![Seconds(2.0), Seconds(2.04)];
        let mut collection = Collection::new(12);
        collection.take(&one);
        collection.take(&next);
        let seen: Vec<(f64, f64)> =
            collection.seen.iter().map(|span| (span.start.0, span.end.unwrap().0)).collect();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!((seen[0].0 - 0.4).abs() < 1e-9 && (seen[0].1 - 0.8).abs() < 1e-9, "{seen:?}");
        assert!((seen[1].0 - 1.6).abs() < 1e-9 && (seen[1].1 - 2.04).abs() < 1e-9, "{seen:?}");
    }
}
