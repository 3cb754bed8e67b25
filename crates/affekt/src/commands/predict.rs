//! `affekt predict`: judges each input; one that fails does not stop the rest.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use affekt::{Error, Predictor};
use affekt_core::{Event, Explain, Reporter, Seconds, Span, Stage};
use affekt_media::Decoder;
use affekt_pipelines::networks::fusion::fusion;
use affekt_pipelines::predict::{self, Request};
use affekt_pipelines::transcript::Transcript;
use affekt_report::table::{Row, table};
use affekt_report::{Entry, Exhibit, Failure, Prediction, text};

use super::page::Target;
use crate::cli::{self, Global};
use crate::inputs::{self, Inputs, Kinds};
use crate::launch;
use crate::output;
use crate::progress::Progress;

/// Columns of the table where the terminal does not say.
const COLUMNS: usize = 100;

/// Pictures on the page of a single input, and of all inputs together where there are many.
const PICTURES: (usize, usize) = (12, 240);

/// What concerns all inputs.
struct Run {
    predictor: Predictor,
    span: Span,
    words: Words,
    decoder: Decoder,
    report: Option<Target>,
    /// Until the networks were there, from the start of the program.
    loading: Seconds,
}

/// Where the words of the inputs come from.
enum Words {
    /// The same holds for all; given words are of the one input.
    Same(predict::Words),
    /// A folder of files that are called as the inputs are.
    Beside(PathBuf),
}

/// Runs the command.
pub fn run(flags: &cli::Predict, global: &Global) -> ExitCode {
    let started = launch::moment();
    let inputs = inputs::expand(&flags.media, Kinds::Media);
    match prepare(flags, &inputs, started) {
        Ok(run) => run.all(&inputs, global),
        Err(error) => {
            refuse(&inputs, &*error, global);
            ExitCode::FAILURE
        }
    }
}

/// An error of any stage.
pub type Failed = Box<dyn Explain>;

/// `error` as one of any stage.
pub fn failed(error: impl Explain + 'static) -> Failed {
    Box::new(error)
}

fn prepare(flags: &cli::Predict, inputs: &Inputs, started: Instant) -> Result<Run, Failed> {
    let span = Span::new(flags.start, flags.end)
        .map_err(|bad| failed(setting("--start, --end", bad.to_string())))?;
    flags.decode.check().map_err(failed)?;
    let words = words(flags, inputs).map_err(failed)?;
    let report = flags.report.as_deref().map(|path| target(path, inputs)).transpose()?;
    let predictor = load(flags);
    let predictor = match flags.detector.yunet() {
        Some((weights, namer)) => predictor.and_then(|predictor| {
            predictor.with_yunet(&weights).map_err(|source| Error::named_by(namer, source))
        }),
        None => predictor,
    };
    let device = &flags.detector.faces_device;
    let predictor = predictor.and_then(|predictor| {
        predictor.with_faces_on(device).map_err(|source| Error::named_by("--faces-device", source))
    });
    let predictor = predictor.and_then(|predictor| hearing(predictor, &words)).map_err(failed)?;
    predictor.check().map_err(failed)?;
    let decoder = flags.decode;
    Ok(Run { predictor, span, words, decoder, report, loading: Seconds(started.elapsed().as_secs_f64()) })
}

/// The bundle's networks, with the fusion model that is named or its own.
fn load(flags: &cli::Predict) -> Result<Predictor, Error> {
    let reading = flags.reading.parse()?;
    let Some(path) = &flags.fusion else {
        return match reading.given() {
            Some(flag) => {
                Err(setting(flag, "it says how the weights of --fusion are to be read, and there is none"))
            }
            None => Predictor::load(&flags.models, &flags.device),
        };
    };
    let fusion = fusion(path, &reading).map_err(|error| Error::named_by("--fusion", error))?;
    Predictor::load_with(&flags.models, &fusion, &flags.device)
}

/// With what recognises words, where they are asked for.
fn hearing(predictor: Predictor, words: &Words) -> Result<Predictor, Error> {
    let Words::Same(predict::Words::Recognised { language }) = words else { return Ok(predictor) };
    let predictor = predictor.with_recogniser()?;
    language.as_deref().map_or(Ok(()), |code| predictor.knows(code))?;
    Ok(predictor)
}

/// Where the page goes: never over a recording, which a shell's `--report *.wav` would name.
fn target(path: &Path, inputs: &Inputs) -> Result<Target, Failed> {
    let is_input = inputs.entries.iter().flatten().any(|input| inputs::are_same(input, path));
    if is_input || (path.exists() && Kinds::Media.include(path)) {
        let reason = format!("{} is a recording, and the page would take its place", path.display());
        return Err(failed(setting("--report", reason)));
    }
    Target::open(path).map_err(failed)
}

/// A flag whose value cannot be used.
pub fn setting(name: &str, reason: impl Into<String>) -> Error {
    Error::Setting { name: name.into(), reason: reason.into() }
}

fn words(flags: &cli::Predict, inputs: &Inputs) -> Result<Words, Error> {
    let language = flags.language.clone();
    let argument = match flags.transcript.as_deref() {
        Some("auto") => return Ok(Words::Same(predict::Words::Recognised { language })),
        _ if language.is_some() => {
            return Err(setting("--language", "it is that of recognised words, and none are asked for"));
        }
        Some(argument) => argument,
        None => return Ok(Words::Same(predict::Words::None)),
    };
    if let Some(folder) = argument.strip_prefix('@').map(Path::new).filter(|path| path.is_dir()) {
        return Ok(Words::Beside(folder.into()));
    }
    if inputs.several {
        let reason = "one transcript cannot be of several recordings; give @FOLDER with a file for each, called as it \
                      is (NAME.srt, NAME.vtt or NAME.txt)";
        return Err(setting("--transcript", reason));
    }
    Transcript::from_argument(argument).map(|given| Words::Same(predict::Words::Given(given)))
}

/// What concerns the run as a whole concerns each input: programs hear it of each, people once.
pub fn refuse(inputs: &Inputs, error: &dyn Explain, global: &Global) {
    let names = inputs.entries.iter().map(|entry| match entry {
        Ok(path) => path.display().to_string(),
        Err(error) => error.input(),
    });
    let told = if global.json { usize::MAX } else { 1 };
    for name in names.take(told) {
        output::failed(&name, error, global.json);
    }
}

impl Run {
    fn all(self, inputs: &Inputs, global: &Global) -> ExitCode {
        let count = inputs.entries.len();
        let progress = Progress::new(global);
        let mut told = Told::default();
        for (index, entry) in inputs.entries.iter().enumerate() {
            let result = match entry {
                Ok(media) => {
                    let name = media.display().to_string();
                    progress.report(&Event::Input { name: name.clone(), index, count });
                    let result = self.judge(media, count, told.judged == 0, &progress);
                    result.map_err(|error| Failure::new(name, &*error))
                }
                Err(error) => Err(Failure::new(error.input(), error)),
            };
            progress.clear();
            told.tell(result, self.report.is_some(), global);
        }
        if inputs.several && !global.json {
            let width = output::columns().unwrap_or(COLUMNS);
            output::data(&table(&told.rows, width));
        }
        let code = output::exit_code(count, told.failures);
        let Some(target) = self.report else { return code };
        match target.write(told.entries) {
            Ok(path) => {
                if !global.quiet {
                    output::note(&format!("report: {}\n", path.display()));
                }
                code
            }
            Err(error) => {
                output::failed(&error.input(), &error, global.json);
                ExitCode::FAILURE
            }
        }
    }

    fn judge(
        &self,
        media: &Path,
        count: usize,
        first: bool,
        progress: &Progress,
    ) -> Result<(Prediction, Option<Exhibit>), Failed> {
        let (words, missing) = self.words_of(media)?;
        let request = Request { media: media.into(), span: self.span, words, decoder: self.decoder };
        let (mut prediction, exhibit) = if self.report.is_some() {
            let pictures = (PICTURES.1 / count).clamp(2, PICTURES.0);
            let (prediction, exhibit) =
                self.predictor.examine(&request, pictures, progress).map_err(failed)?;
            (prediction, Some(exhibit))
        } else {
            (self.predictor.predict(&request, progress).map_err(failed)?, None)
        };
        prediction.warnings.extend(missing);
        if first {
            prediction.timing_s.precede(Stage::Load, self.loading);
        }
        Ok((prediction, exhibit))
    }

    /// The words of an input, and a warning where they are missing.
    fn words_of(&self, media: &Path) -> Result<(predict::Words, Option<String>), Failed> {
        let folder = match &self.words {
            Words::Same(words) => return Ok((words.clone(), None)),
            Words::Beside(folder) => folder,
        };
        match inputs::sidecar(folder, media).map_err(failed)? {
            Some(file) => Ok((predict::Words::Given(Transcript::read(&file).map_err(failed)?), None)),
            None => {
                let folder = folder.display();
                let warning = format!("{folder} has no transcript of this name: it is judged without text");
                Ok((predict::Words::None, Some(warning)))
            }
        }
    }
}

/// What was said so far.
#[derive(Default)]
struct Told {
    judged: usize,
    failures: usize,
    rows: Vec<Row>,
    entries: Vec<Entry>,
}

impl Told {
    fn tell(&mut self, result: Result<(Prediction, Option<Exhibit>), Failure>, keep: bool, global: &Global) {
        match result {
            Ok((prediction, exhibit)) => {
                self.judged += 1;
                self.rows.push(Row::of(&prediction));
                print(&prediction, global);
                self.entries.extend(exhibit.map(|exhibit| Entry::judged(prediction, exhibit)));
            }
            Err(failure) => {
                self.failures += 1;
                self.rows.push(Row::failed(&failure));
                output::failure(&failure, global.json);
                self.entries.extend(keep.then_some(Entry::Failed(failure)));
            }
        }
    }
}

fn print(prediction: &Prediction, global: &Global) {
    if global.json {
        output::json(prediction);
    } else {
        output::data(&(text::prediction(prediction) + "\n"));
    }
}
