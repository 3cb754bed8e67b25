//! A media file in, its words out.
//!
//! A recording is cut into the windows of [`crate::windows`], each recognised by itself: the cuts lie in pauses, so that
//! no word is parted, and never more than 30 s of sound are held. They are the windows of `predict`, so that both read
//! the same words.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use affekt_core::{Event, Reporter, SampleRate, Seconds, Span, Stage, Waveform};
use affekt_media::{Piece, Summary, Want, probe, stream};
use affekt_report::Transcription;
use affekt_report::prediction::Timing;
use affekt_report::transcription::Segment;

use crate::Error;
use crate::cut::told;
use crate::networks::RECOGNISER;
use crate::predict::recording::Job;
use crate::recognise::{Recognised, Recogniser};
use crate::windows::{Cutter, Window};

/// What to listen to.
#[derive(Clone, Debug)]
pub struct Request {
    /// The file.
    pub media: PathBuf,
    /// Which part of it.
    pub span: Span,
    /// Code of its language, such as `en`; `None`: that of the first words holds for the recording.
    pub language: Option<String>,
}

impl From<&str> for Request {
    fn from(media: &str) -> Self {
        Self { media: media.into(), span: Span::ALL, language: None }
    }
}

/// Recognises the words of one recording. Two runs over the same file give the same words (on the CPU).
///
/// # Errors
/// Those of decoding; [`Error::NoSound`] for a file without a sound track; those of [`Recogniser::recognise`].
pub fn transcribe(
    recogniser: &Recogniser,
    request: &Request,
    reporter: &dyn Reporter,
) -> Result<Transcription, Error> {
    let start = Instant::now();
    recogniser.knows(request.language.as_deref())?;
    let info = probe(&request.media)?;
    if info.audio.is_none() {
        return Err(Error::NoSound { path: request.media.clone() });
    }
    let job = Job {
        path: &request.media,
        span: request.span,
        info: &info,
        decoder: affekt_media::Decoder::Cpu,
        pictures: None,
    };
    reporter.report(&Event::Started { stage: Stage::Recognise });
    let mut listener = Listener {
        recogniser,
        language: request.language.clone(),
        reporter,
        from: request.span.start,
        until: job.declared_end(),
        heard: Recognised::default(),
        audible: false,
        spent: 0.0,
    };
    let summary = listen(&job, &mut listener)?;
    reporter.report(&Event::Finished { stage: Stage::Recognise, seconds: Seconds(listener.spent) });
    let total = start.elapsed().as_secs_f64();
    let stages = [(Stage::Decode, total - listener.spent), (Stage::Recognise, listener.spent)];
    let stages = stages.map(|(stage, seconds)| (stage, Seconds(seconds))).to_vec();
    let end = summary.span.end.map_or(request.span.start.0, |end| end.0);
    Ok(Transcription {
        input: request.media.display().to_string(),
        duration_s: Seconds(end - request.span.start.0).rounded(),
        bundle: recogniser.bundle.name().to_owned(),
        language: listener.heard.language.clone(),
        warnings: warnings(&listener, &summary, request, end),
        text: listener.heard.text().unwrap_or_default(),
        segments: listener.heard.segments.into_iter().map(|segment| within(segment, end)).collect(),
        timing_s: Timing { stages, total: Seconds(total) },
    })
}

/// The last sample at 16 kHz may lie a little behind the end at the recording's own rate.
fn within(segment: Segment, end: f64) -> Segment {
    let until = |time: Seconds| Seconds(time.0.min(end)).rounded();
    Segment { start: until(segment.start), end: until(segment.end), ..segment }
}

/// Streams the sound through the cutter to `listener`.
fn listen(job: &Job<'_>, listener: &mut Listener<'_>) -> Result<Summary, Error> {
    let mut cutter = Cutter::new(job.span.start).of_long(job.is_long());
    let mut failed = None;
    let summary = stream(job.path, job.span, Want::AUDIO, |piece| {
        let Piece::Sound { samples, .. } = piece else { return ControlFlow::Continue(()) };
        let heard = cutter.push(samples).into_iter().try_for_each(|window| listener.hear(window));
        failed = heard.err();
        if failed.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let summary = summary?;
    cutter.finish().into_iter().try_for_each(|window| listener.hear(window))?;
    Ok(summary)
}

/// Takes down the words of each window.
struct Listener<'a> {
    recogniser: &'a Recogniser,
    language: Option<String>,
    reporter: &'a dyn Reporter,
    from: Seconds,
    until: Option<f64>,
    heard: Recognised,
    audible: bool,
    /// Seconds of work.
    spent: f64,
}

impl Listener<'_> {
    fn hear(&mut self, window: Window) -> Result<(), Error> {
        let begun = Instant::now();
        let waveform = Waveform { samples: window.samples, rate: SampleRate::SPEECH };
        let end = Seconds(window.span.start.0 + waveform.duration().0);
        self.audible |= !waveform.is_silent();
        let recognised = self.recogniser.recognise(&waveform, self.language.as_deref())?;
        // A short window tells little of its language: what the first words are in holds for all.
        self.language = self.language.take().or_else(|| recognised.language.clone());
        self.heard.append(recognised, window.span.start, end);
        self.spent += begun.elapsed().as_secs_f64();
        let whole = |seconds: f64| (seconds - self.from.0).max(0.0).round() as usize;
        let (done, total) = (whole(end.0), self.until.map(whole));
        self.reporter.report(&Event::Advanced { stage: Stage::Recognise, done, total });
        Ok(())
    }
}

/// What a user should know before trusting the words, the gravest first.
fn warnings(listener: &Listener<'_>, summary: &Summary, request: &Request, end: f64) -> Vec<String> {
    let caution = listener.recogniser.bundle.manifest().caution_of_words(RECOGNISER);
    let cut_short = told::cut_short(summary.declared, request.span.end, end);
    let none = match (listener.audible, listener.heard.segments.is_empty()) {
        (false, _) => Some("the sound is silent: there are no words in it"),
        (true, true) => Some("no words were recognised"),
        (true, false) => None,
    };
    let mut warnings: Vec<String> = caution.into_iter().map(|caution| caution.text).collect();
    warnings.extend(summary.warnings.iter().chain(&cut_short).map(ToString::to_string));
    warnings.extend(none.map(str::to_owned));
    warnings.extend(listener.heard.warnings());
    told::once(&mut warnings);
    warnings
}
