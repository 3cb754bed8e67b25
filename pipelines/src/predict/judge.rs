//! One clip through the networks.

use affekt_core::{RgbImage, Seconds, Stage, Waveform};
use affekt_faces::{FaceTrack, resize};
use affekt_report::prediction::Simulated;
use candle_core::Tensor;

use super::clock::Clock;
use super::fusion::{Features, Verdicts, fuse};
use super::recording::Clip;
use super::words::Said;
use crate::features::text;
use crate::{Error, Networks};

/// What the networks make of a clip.
pub struct Judged {
    /// First instant.
    pub start: Seconds,
    /// First instant after it.
    pub end: Seconds,
    /// Both flows; `None` where there is neither voice, nor face, nor words.
    pub verdicts: Option<Verdicts>,
    /// The words that were given or recognised.
    pub words: Option<String>,
    /// The words that were generated.
    pub told: Simulated,
    /// What a user should know of this clip.
    pub cautions: Vec<Caution>,
}

/// A warning about one clip. Those of one kind are told once for a long recording.
pub struct Caution {
    /// The kind, in a word.
    pub kind: &'static str,
    /// A sentence without its full stop.
    pub text: String,
}

/// Encodes voice, face and words of `clip`, generates the words that the voice seems to say, and fuses.
pub fn judge(networks: &Networks, clip: &Clip, said: Said, clock: &mut Clock<'_>) -> Result<Judged, Error> {
    let heard = clip.waveform.as_ref().filter(|waveform| !waveform.is_silent());
    let voice = clock.stage(Stage::Audio, |_| match heard {
        Some(waveform) => networks.voice.encode(waveform),
        None => Ok(None),
    })?;
    let video = clock.stage(Stage::Video, |advanced| encode_faces(networks, &clip.track, advanced))?;
    let mut judged = Judged {
        start: clip.start,
        end: clip.end,
        verdicts: None,
        words: said.text,
        told: Simulated::default(),
        cautions: said.cautions,
    };
    if voice.is_none() && video.is_none() && judged.words.is_none() {
        return Ok(judged);
    }
    let text = clock.stage(Stage::Text, |_| {
        judged.words.as_ref().map(|words| networks.words.encode(words)).transpose()
    })?;
    let samples = heard.map_or(0, |waveform| waveform.samples.len());
    let simulation = clock.stage(Stage::Simulate, |_| match &voice {
        Some(voice) => networks.simulator.encode(&voice.speech, samples),
        None => Ok(None),
    })?;
    let generated = simulation.map(|simulation| {
        judged.told = simulation.told;
        simulation.feature
    });
    judged.cautions.extend(cautions(clip, &judged.told, text.as_ref().and_then(|text| text.cut)));
    let features = Features {
        audio: voice.map(|voice| voice.audio),
        text: text.map(|text| text.feature),
        simulated: generated.flatten(),
        video,
    };
    judged.cautions.extend(absences(clip, &features));
    judged.verdicts = Some(clock.stage(Stage::Fuse, |_| fuse(networks, &features))?);
    Ok(judged)
}

fn encode_faces(
    networks: &Networks,
    track: &FaceTrack,
    advanced: &dyn Fn(usize, Option<usize>),
) -> Result<Option<Tensor>, Error> {
    let crops: Vec<Option<&RgbImage>> =
        track.faces.iter().map(|face| face.as_ref().map(|face| &face.crop)).collect();
    let total = track.with_face();
    networks.face.encode(
        &crops,
        |crop, side| resize(crop, side, side),
        |done| {
            advanced(done, Some(total));
        },
    )
}

/// What is doubtful though it is there.
fn cautions(clip: &Clip, told: &Simulated, cut: Option<text::Cut>) -> Vec<Caution> {
    let rivals = clip.track.warning();
    let mut cautions: Vec<Caution> = clip
        .track
        .warnings()
        .into_iter()
        .map(|text| Caution { kind: if rivals.as_ref() == Some(&text) { "rivals" } else { "cuts" }, text })
        .collect();
    if let Some(text::Cut { read, given }) = cut {
        let text = format!(
            "only the first {read} of {given} tokens of the transcript are read: the language model takes no more"
        );
        cautions.push(Caution { kind: "cut", text });
    }
    if told.looped {
        cautions.push(Caution { kind: "looped", text: "the generated text repeats itself".into() });
    }
    cautions
}

/// What is not there.
fn absences(clip: &Clip, features: &Features) -> Vec<Caution> {
    let sound = clip.waveform.as_ref();
    let silent = sound.is_some_and(Waveform::is_silent);
    let frames = clip.track.frames();
    let no_words = "no text could be generated from the voice: the simulated text is absent";
    let found = [
        (silent, "silent", "the sound is silent: the voice counts as absent".to_owned()),
        (
            sound.is_some() && !silent && features.audio.is_none(),
            "short",
            "the sound is too short for a single frame: the voice counts as absent".to_owned(),
        ),
        (
            frames > 0 && features.video.is_none(),
            "faceless",
            format!("no face in any of {frames} frames: the face counts as absent"),
        ),
        (features.audio.is_some() && features.simulated.is_none(), "mute", no_words.to_owned()),
        (
            features.audio.is_none() && features.video.is_none(),
            "words",
            "neither voice nor face: the valence without text rests on nothing".to_owned(),
        ),
    ];
    found.into_iter().filter(|(holds, ..)| *holds).map(|(_, kind, text)| Caution { kind, text }).collect()
}
