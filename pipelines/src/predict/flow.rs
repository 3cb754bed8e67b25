//! The stages from top to bottom.

use std::path::PathBuf;

use affekt_core::{Event, Reporter, Seconds, Span, Stage};
use affekt_media::{Decoder, probe};
use affekt_report::prediction::{Fusion, Label};
use affekt_report::{Exhibit, Prediction};

use super::clock::{Clock, Meter};
use super::exhibit::Collection;
use super::judge::judge;
use super::recording::{Facts, Job, clips};
use super::tally::Tally;
use super::words::{Words, WordsOf};
use crate::{Error, Networks};

/// What to judge.
#[derive(Clone, Debug)]
pub struct Request {
    /// The file.
    pub media: PathBuf,
    /// Which part of it.
    pub span: Span,
    /// Where its words come from.
    pub words: Words,
    /// What decodes its picture.
    pub decoder: Decoder,
}

impl From<&str> for Request {
    fn from(media: &str) -> Self {
        Self { media: media.into(), span: Span::ALL, words: Words::None, decoder: Decoder::Cpu }
    }
}

/// Judges one recording with a bundle's networks.
///
/// One of at most 30 seconds is judged as a whole, a longer one window by window ([`crate::windows`]); its answer is the
/// mean over the windows, weighted by their duration. `reporter` hears of each window as soon as it is judged. Memory
/// does not grow with the recording. Two runs over the same file give the same numbers (on the CPU).
///
/// # Errors
/// Those of every stage; [`Error::NothingToJudge`] without voice, face and words; [`Error::Setting`] where words are to be
/// recognised and [`Networks::recogniser`] is not loaded.
pub fn predict(networks: &Networks, request: &Request, reporter: &dyn Reporter) -> Result<Prediction, Error> {
    let judged = run(networks, request, reporter, None).map_err(|error| explained(networks, error))?;
    Ok(judged.0)
}

/// [`predict`], with the material for the page, `pictures` frames among it.
///
/// # Errors
/// As [`predict`].
pub fn examine(
    networks: &Networks,
    request: &Request,
    pictures: usize,
    reporter: &dyn Reporter,
) -> Result<(Prediction, Exhibit), Error> {
    let examined = run(networks, request, reporter, Some(Collection::new(pictures)));
    let (prediction, exhibit) = examined.map_err(|error| explained(networks, error))?;
    Ok((prediction, exhibit.expect("a collection was asked for")))
}

/// `error`, with what the device has where it had no memory left.
fn explained(networks: &Networks, error: Error) -> Error {
    error.explained(&networks.device, "a window of the recording", None)
}

fn run(
    networks: &Networks,
    request: &Request,
    reporter: &dyn Reporter,
    mut collection: Option<Collection>,
) -> Result<(Prediction, Option<Exhibit>), Error> {
    let meter = Meter::default();
    let mut clock = Clock::new(reporter, &meter);
    networks.compare()?;
    let info = clock.wait(|| probe(&request.media))?;
    let job = Job {
        path: &request.media,
        span: request.span,
        info: &info,
        decoder: request.decoder,
        pictures: collection.as_ref().map(Collection::pictures),
    };
    let mut words = WordsOf::new(request, &job, networks.recogniser.as_ref())?;
    let mut tally = Tally::default();
    let input = request.media.display().to_string();

    let mut detector = networks.finder.detector();
    let facts = clips(&job, &mut **detector, &mut clock, (&meter, reporter), |clip, clock| {
        let said = words.of(&clip, clock)?;
        let judged = judge(networks, &clip, said, clock)?;
        if let Some(collection) = &mut collection {
            collection.take(&clip);
        }
        let several = clip.several || clip.index > 0;
        let window = tally.add(&clip, judged);
        if several {
            let affekt_report::prediction::Window { start, end, with_text, without_text } = window;
            reporter.report(&Event::Window { input: input.clone(), start, end, with_text, without_text });
        }
        Ok(())
    })?;
    let (valence, attention, views) =
        tally.answer().ok_or_else(|| Error::NothingToJudge { path: request.media.clone() })?;
    let warnings = warnings(networks, &facts, &words, &tally)?;
    let exhibit = collection
        .map(|collection| {
            clock.stage(Stage::Report, |_| {
                collection.finish(networks, &info, &facts.snapshots, (tally.words.clone(), views))
            })
        })
        .transpose()?;
    let prediction = Prediction {
        duration_s: Seconds(facts.span.end.map_or(0.0, |end| end.0 - facts.span.start.0)).rounded(),
        bundle: networks.bundle.name().to_owned(),
        fusion: networks.lineage.named.as_ref().map(|(file, sha256)| Fusion {
            file: file.display().to_string(),
            sha256: sha256.to_string(),
            run: networks.lineage.run(),
        }),
        label: Label::of(valence.with_text.unwrap_or(valence.without_text)),
        text_source: request.words.source().filter(|_| valence.with_text.is_some()),
        valence,
        attention,
        timeline: tally.timeline.clone(),
        faces: tally.faces(),
        audio: tally.audio(),
        simulated: tally.simulated(),
        warnings,
        timing_s: clock.read(),
        input,
    };
    Ok((prediction, exhibit))
}

/// What a user should know before trusting the numbers, the gravest first.
fn warnings(
    networks: &Networks,
    facts: &Facts,
    words: &WordsOf<'_>,
    tally: &Tally,
) -> Result<Vec<String>, Error> {
    let caution = networks.caution().map(|caution| caution.text);
    let read = tally.words.iter().any(|words| words.transcript.is_some());
    let other_words = networks.compare()?.filter(|_| read).map(str::to_owned);
    let warnings = caution
        .into_iter()
        .chain(networks.caution_of_words().filter(|_| read))
        .chain(networks.lineage.caution())
        .chain(networks.other_faces()?)
        .chain(other_words)
        .chain(facts.warnings.iter().cloned())
        .chain(tally.warnings())
        .chain(words.warnings(facts.span, read));
    Ok(warnings.collect())
}
