//! A recording of any length, window by window.

use affekt_core::{SampleRate, Seconds};
use affekt_nn::finite::Gate;
use affekt_nn::threads::in_pool;
use candle_core::{Device, Tensor};

use crate::decode::Written;
use crate::error::Error;
use crate::model::Whisper;
use crate::segments::{Part, cut};
use crate::vocabulary::Vocabulary;

/// Frames of the front end in a second.
const FRAMES_OF_A_SECOND: f64 = 100.0;
/// Steps between timestamps in a second.
const STEPS_OF_A_SECOND: f64 = 50.0;

/// How a recording is recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Code of its language, such as `en`, in any case. `None`: the language of the first 30 s is found out.
    pub language: Option<String>,
}

/// Words that belong together, as the network divides them.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Where they start in the recording.
    pub start: Seconds,
    /// Where they end.
    pub end: Seconds,
    /// Text tokens; never empty.
    pub tokens: Vec<u32>,
    /// Mean log-probability a token of the window in which the segment was found, its timestamps and its end included:
    /// the number by which a window is taken for silence.
    pub log_probability: f64,
    /// Probability that nobody speaks in that window.
    pub no_speech: f64,
    /// Whether that window's text runs into a loop: then none of its words can be trusted.
    pub looped: bool,
}

/// What was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recognition {
    /// Code of the language: given, found out, or `en` where the network knows no other. `None`: there was nothing to
    /// find it out from.
    pub language: Option<String>,
    /// In order of time.
    pub segments: Vec<Segment>,
}

impl Whisper {
    /// What is said in `samples`: mono at 16 kHz, of any length. A recording of less than 10 ms has no segments.
    ///
    /// Greedy: the likeliest token at each step, and so the same result at every run. A window hears 30 s and knows
    /// nothing of the words before it.
    ///
    /// # Errors
    /// Samples that are not finite, a language or a vocabulary that is not the network's, and what candle reports.
    pub fn recognise(
        &self,
        samples: &[f32],
        vocabulary: &Vocabulary,
        options: &Options,
    ) -> Result<Recognition, Error> {
        vocabulary.check(self.config())?;
        // Before anything is computed: an unknown language is an error even where there is no sound.
        let given = options.language.as_deref().map(|code| vocabulary.code(code)).transpose()?;
        let samples = Tensor::from_slice(samples, samples.len(), &Device::Cpu)?; // (n)
        Gate::watching("whisper").check(|| "the input waveform".into(), &samples)?;
        in_pool(|| self.windows(&samples.to_vec1()?, vocabulary, given))
    }

    fn windows(
        &self,
        samples: &[f32],
        vocabulary: &Vocabulary,
        given: Option<&str>,
    ) -> Result<Recognition, Error> {
        let mel = self.mel().spectrogram(samples);
        let only = vocabulary.languages.is_empty().then_some("en");
        let mut language = given.or(only);
        let mut segments = Vec::new();
        let mut seek = 0;
        while seek < mel.content() {
            let encoded = self.encode(&mel.window(seek, self.device())?)?; // (1, 1500, d_model)
            let code = match language {
                Some(code) => code,
                None => self.detect(&encoded, vocabulary)?,
            };
            language = Some(code);
            let prompt =
                [Some(vocabulary.start), vocabulary.languages.get(code).copied(), vocabulary.transcribe];
            let prompt: Vec<u32> = prompt.into_iter().flatten().collect();
            let written = self.write(&encoded, &prompt, vocabulary)?;
            let frames = mel.remaining(seek);
            if written.is_silence() {
                seek += frames;
                continue;
            }
            let tokens: Vec<u32> = written.choices.iter().map(|choice| choice.token).collect();
            let cut = cut(&tokens, vocabulary, frames);
            let offset = seek as f64 / FRAMES_OF_A_SECOND;
            let limit = SampleRate::SPEECH.seconds(samples.len());
            segments.extend(
                cut.parts.iter().filter_map(|part| segment(part, &written, vocabulary, offset, limit)),
            );
            seek += cut.advance;
        }
        Ok(Recognition { language: language.map(Into::into), segments })
    }
}

/// The words of `part`, `None` where there are none. `offset` is where the window starts, `limit` where the recording
/// ends: the silence behind it is heard too, and what is found there was not said.
fn segment(
    part: &Part,
    written: &Written,
    vocabulary: &Vocabulary,
    offset: f64,
    limit: Seconds,
) -> Option<Segment> {
    let tokens = written.choices[part.tokens.clone()].iter().map(|choice| choice.token);
    let tokens: Vec<u32> = tokens.filter(|&token| token < vocabulary.end).collect();
    let time = |step: usize| Seconds((offset + step as f64 / STEPS_OF_A_SECOND).min(limit.0)).rounded();
    if tokens.is_empty() || time(part.start).0 >= limit.0 {
        return None;
    }
    Some(Segment {
        start: time(part.start),
        end: time(part.end),
        tokens,
        log_probability: written.log_probability,
        no_speech: written.no_speech,
        looped: written.looped,
    })
}
