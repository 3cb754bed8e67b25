//! The stages from top to bottom.

use std::path::{Path, PathBuf};

use affekt_core::{Reporter, RgbImage, Seconds, Span, Stage, Waveform};
use affekt_faces::{FaceTrack, resize};
use affekt_media::{Decoded, probe};
use affekt_report::Prediction;
use affekt_report::prediction::{Audio, Faces, Label, Simulated, TextSource, Window};

use super::clip::{Clip, watch};
use super::clock::Clock;
use super::fusion::{Features, fuse};
use crate::features::audio::Voice;
use crate::features::{audio, simulated, text, video};
use crate::transcript::Transcript;
use crate::{Error, Networks};

/// The longest clip that is judged in one piece, in seconds.
pub const MOST_SECONDS: f64 = 60.0;

/// Containers round durations; this much over the limit is still within it.
const ROUNDING: f64 = 0.1;

/// What to judge.
#[derive(Clone, Debug)]
pub struct Request {
    /// The file.
    pub media: PathBuf,
    /// Which part of it.
    pub span: Span,
    /// What is said in it, where that is known.
    pub transcript: Option<Transcript>,
}

impl From<&str> for Request {
    fn from(media: &str) -> Self {
        Self { media: media.into(), span: Span::ALL, transcript: None }
    }
}

/// Judges one recording with a bundle's networks.
///
/// Two runs over the same file give the same numbers (on the CPU).
///
/// # Errors
/// Those of every stage; [`Error::TooLong`] over [`MOST_SECONDS`]; [`Error::NothingToJudge`] without voice, face and
/// words.
pub fn predict(networks: &Networks, request: &Request, reporter: &dyn Reporter) -> Result<Prediction, Error> {
    let mut clock = Clock::new(reporter);
    check_length(&request.media, request.span, probe(&request.media)?.duration)?;

    let (span, recipe) = (limited(request.span), &networks.recipes.video.faces);
    let clip = clock.open(|advanced| watch(&request.media, span, recipe, advanced))?;
    let Clip { decoded, track, .. } = &clip;
    check_length(&request.media, decoded.span, decoded.span.end)?;
    let words = request.transcript.as_ref().and_then(|transcript| transcript.within(decoded.span));
    let heard = decoded.waveform.as_ref().filter(|waveform| !waveform.is_silent());

    let voice = clock.stage(Stage::Audio, |_| encode_voice(networks, heard))?;
    let video = clock.stage(Stage::Video, |advanced| encode_faces(networks, track, advanced))?;
    if voice.is_none() && video.is_none() && words.is_none() {
        return Err(Error::NothingToJudge { path: request.media.clone() });
    }
    let text = clock
        .stage(Stage::Text, |_| words.as_ref().map(|words| text::encode(networks, words)).transpose())?;
    let samples = heard.map_or(0, |waveform| waveform.samples.len());
    let simulation = clock.stage(Stage::Simulate, |_| match &voice {
        Some(voice) => simulated::generate(networks, &voice.speech, samples),
        None => Ok(None),
    })?;
    let (generated, told) = match simulation {
        Some(simulation) => (simulation.feature, simulation.told),
        None => (None, Simulated::default()),
    };
    let features = Features { audio: voice.map(|voice| voice.audio), text, simulated: generated, video };
    let (valence, attention) = clock.stage(Stage::Fuse, |_| fuse(networks, &features))?;

    let span = decoded.span;
    let end = span.end.unwrap_or(span.start);
    Ok(Prediction {
        input: request.media.display().to_string(),
        duration_s: Seconds(end.0 - span.start.0),
        bundle: networks.bundle.name().to_owned(),
        label: Label::of(valence.with_text.unwrap_or(valence.without_text)),
        text_source: words.as_ref().map(|_| TextSource::Transcript),
        valence,
        attention,
        timeline: vec![Window {
            start: span.start,
            end,
            with_text: valence.with_text,
            without_text: valence.without_text,
        }],
        faces: faces(track),
        audio: sound(decoded),
        warnings: warnings(networks, request, &clip, &features, &told),
        simulated: told,
        timing_s: clock.read(),
    })
}

/// Refuses more than [`MOST_SECONDS`], as far as the length is known.
fn check_length(media: &Path, span: Span, duration: Option<Seconds>) -> Result<(), Error> {
    let end = match (span.end, duration) {
        (Some(end), Some(duration)) => end.0.min(duration.0),
        (Some(end), None) | (None, Some(end)) => end.0,
        (None, None) => return Ok(()),
    };
    let seconds = end - span.start.0;
    if seconds <= MOST_SECONDS + ROUNDING {
        return Ok(());
    }
    Err(Error::TooLong { path: media.into(), seconds: Seconds(seconds), most: Seconds(MOST_SECONDS) })
}

/// The span, cut a second behind the limit: a header that lies about the duration costs no more than that.
fn limited(span: Span) -> Span {
    let latest = span.start.0 + MOST_SECONDS + 1.0;
    Span { end: Some(Seconds(span.end.map_or(latest, |end| end.0.min(latest)))), ..span }
}

fn encode_voice(networks: &Networks, heard: Option<&Waveform>) -> Result<Option<Voice>, Error> {
    match heard {
        Some(waveform) => audio::encode(networks, waveform),
        None => Ok(None),
    }
}

fn encode_faces(
    networks: &Networks,
    track: &FaceTrack,
    advanced: &dyn Fn(usize, Option<usize>),
) -> Result<Option<candle_core::Tensor>, Error> {
    let side = networks.recipes.video.size;
    let pictures: Vec<Option<RgbImage>> =
        track.faces.iter().map(|face| face.as_ref().map(|face| resize(&face.crop, side, side))).collect();
    let total = pictures.iter().flatten().count();
    video::encode(networks, &pictures, |done| advanced(done, Some(total)))
}

fn faces(track: &FaceTrack) -> Faces {
    Faces {
        frames: track.frames(),
        with_face: track.with_face(),
        coverage: track.coverage(),
        tracks: track.tracks.len(),
    }
}

fn sound(decoded: &Decoded) -> Audio {
    let waveform = decoded.waveform.as_ref();
    Audio {
        present: waveform.is_some_and(|waveform| !waveform.samples.is_empty()),
        silent: waveform.is_some_and(Waveform::is_silent),
        seconds: waveform.map_or(Seconds::ZERO, Waveform::duration),
    }
}

/// What a user should know before trusting the numbers, the gravest first.
fn warnings(
    networks: &Networks,
    request: &Request,
    clip: &Clip,
    features: &Features,
    told: &Simulated,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |holds: bool, text: String| {
        if holds {
            warnings.push(text);
        }
    };
    let bundle = networks.bundle.manifest();
    let name = &bundle.name;
    warn(!bundle.trained, format!("bundle {name} is untrained: its numbers carry no meaning"));
    for warning in &clip.decoded.warnings {
        warn(true, warning.to_string());
    }
    let audio = sound(&clip.decoded);
    warn(audio.present && audio.silent, "the sound is silent: the voice counts as absent".into());
    let too_short = audio.present && !audio.silent && features.audio.is_none();
    warn(too_short, "the sound is too short for a single frame: the voice counts as absent".into());
    let frames = clip.track.frames();
    warn(
        frames > 0 && features.video.is_none(),
        format!("no face in any of {frames} frames: the face counts as absent"),
    );
    let competition = clip.track.warning();
    warn(competition.is_some(), competition.unwrap_or_default());
    let unsaid = request.transcript.is_some() && features.text.is_none();
    warn(unsaid, "the transcript has no words in this span: it is judged without text".into());
    let nothing_generated = features.audio.is_some() && features.simulated.is_none();
    warn(nothing_generated, "no text could be generated from the voice: the simulated text is absent".into());
    warn(told.looped, "the generated text repeats itself".into());
    let only_words = features.audio.is_none() && features.video.is_none();
    warn(only_words, "neither voice nor face: the valence without text rests on nothing".into());
    warnings
}
