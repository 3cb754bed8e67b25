//! Sentences spoken by the program espeak-ng.

use std::collections::BTreeSet;
use std::io;
use std::process::{Command, Stdio};

use crate::script::{Clip, Speech};

/// Samples a second of everything that is spoken.
pub const RATE: u32 = 22_050;

/// What lies below, of 32,768, at the ends of a sentence is silence.
const SILENCE: u16 = 8;

const PROGRAM: &str = "espeak-ng";

/// Why a sentence could not be spoken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program cannot be started.
    #[error(
        "{PROGRAM} cannot be started ({0}): `cargo xtask setup` or `apt-get install espeak-ng` brings it"
    )]
    Missing(#[source] io::Error),
    /// The program ended with an error.
    #[error("{PROGRAM} with the voice `{voice}` failed: {message}")]
    Failed {
        /// The voice that was asked for.
        voice: String,
        /// What it says.
        message: String,
    },
    /// A variant of which espeak-ng knows nothing, and which it would leave out without a word.
    #[error(
        "clip {clip}: the voice `{voice}` has a variant that `{PROGRAM} --voices=variant` does not list: \
         espeak-ng 1.51 with its package espeak-ng-data has it"
    )]
    UnknownVariant {
        /// The clip that asks for it.
        clip: String,
        /// The voice with its variant.
        voice: String,
    },
    /// No WAVE file of 16 bits and [`RATE`].
    #[error(
        "{PROGRAM} with the voice `{voice}` wrote no WAVE file of {RATE} Hz, 16 bits, one channel, as its version \
         1.51 does"
    )]
    NotWave {
        /// The voice that was asked for.
        voice: String,
    },
    /// Nothing to be heard.
    #[error("{PROGRAM} with the voice `{voice}` says nothing to the text `{text}`")]
    Silent {
        /// The voice that was asked for.
        voice: String,
        /// The text.
        text: String,
    },
}

/// Says `text`: samples between -1 and 1 at [`RATE`], without silence before and after.
///
/// # Errors
///
/// Where the program is missing, fails, or says nothing.
pub fn speak(text: &str, speech: &Speech) -> Result<Vec<f32>, Error> {
    let marked = format!("<prosody range=\"{}%\">{}</prosody>", speech.range, escaped(text));
    let wave = output(
        &speech.voice,
        &[
            "-v",
            &speech.voice,
            "-s",
            &speech.rate.to_string(),
            "-p",
            &speech.pitch.to_string(),
            "-m",
            "--stdout",
            &marked,
        ],
    )?;
    let samples = samples(&wave).ok_or_else(|| Error::NotWave { voice: speech.voice.clone() })?;
    let loud = |sample: &i16| sample.unsigned_abs() > SILENCE;
    match (samples.iter().position(loud), samples.iter().rposition(loud)) {
        (Some(first), Some(last)) => {
            Ok(samples[first..=last].iter().map(|&sample| f32::from(sample) / 32_768.0).collect())
        }
        _ => Err(Error::Silent { voice: speech.voice.clone(), text: text.to_owned() }),
    }
}

/// Whether espeak-ng has the variants of all voices: it leaves out those that it does not know, and speaks on.
///
/// # Errors
///
/// Where the program is missing, or lacks one.
pub fn check_voices(clips: &[Clip]) -> Result<(), Error> {
    let listing = output("", &["--voices=variant"])?;
    let listing = String::from_utf8_lossy(&listing);
    let known: BTreeSet<&str> = listing
        .lines()
        .filter_map(|line| line.split_once("!v/"))
        .map(|(_, file)| file.split('(').next().unwrap_or(file).trim())
        .collect();
    let unknown = clips
        .iter()
        .find(|clip| clip.speech.voice.split_once('+').is_some_and(|(_, variant)| !known.contains(variant)));
    match unknown {
        Some(clip) => Err(Error::UnknownVariant { clip: clip.id.clone(), voice: clip.speech.voice.clone() }),
        None => Ok(()),
    }
}

fn output(voice: &str, arguments: &[&str]) -> Result<Vec<u8>, Error> {
    let output =
        Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().map_err(Error::Missing)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let message = if message.is_empty() { output.status.to_string() } else { message };
    Err(Error::Failed { voice: voice.to_owned(), message })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The samples of a WAVE file. Its lengths are not to be trusted: into a pipe, espeak-ng writes them before it knows.
fn samples(wave: &[u8]) -> Option<Vec<i16>> {
    let format = chunk(wave, b"fmt ")?;
    let number = |at: usize| Some(u16::from_le_bytes(format.get(at..at + 2)?.try_into().ok()?));
    let rate = u32::from_le_bytes(format.get(4..8)?.try_into().ok()?);
    if (number(0)?, number(2)?, rate, number(14)?) != (1, 1, RATE, 16) {
        return None;
    }
    let data = chunk(wave, b"data")?;
    Some(data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

/// What follows the header of the chunk `name`, to the end of the file.
fn chunk<'a>(wave: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    if wave.get(..4)? != b"RIFF" {
        return None;
    }
    let at = wave.windows(4).take(200).position(|window| window == name)?;
    wave.get(at + 8..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speech(voice: &str) -> Speech {
        Speech { voice: voice.to_owned(), pitch: 50, range: 100, rate: 160 }
    }

    #[test]
    fn the_same_words_sound_the_same_and_markup_is_not_read() {
        let said = speak("Salt & pepper, a < b.", &speech("en-us+f3")).unwrap();
        assert_eq!(said, speak("Salt & pepper, a < b.", &speech("en-us+f3")).unwrap());
        let seconds = said.len() as f64 / f64::from(RATE);
        assert!((1.0..5.0).contains(&seconds), "{seconds}");
        assert!(said[0] != 0.0 && said.iter().all(|sample| sample.abs() <= 1.0));
    }

    #[test]
    fn voices_that_are_not_there_and_texts_without_a_sound_are_refused() {
        assert!(matches!(speak("Hello.", &speech("xx-none")), Err(Error::Failed { .. })));
        assert!(matches!(speak("", &speech("en-us")), Err(Error::Silent { .. })));
        assert_eq!(samples(b"RIFF....WAVEnothing"), None);
    }
}
