//! `affekt transcribe`: the words of each input; one that fails does not stop the rest.

mod folder;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use affekt::{Transcriber, Transcription};
use affekt_core::{Event, Reporter, Seconds, Span, Stage};
use affekt_pipelines::transcribe::Request;
use affekt_report::Failure;

use super::predict::{Failed, failed, refuse, setting};
use crate::cli::{self, Format, Global};
use crate::inputs::{self, Inputs, Kinds};
use crate::launch;
use crate::output;
use crate::progress::Progress;
use folder::Folder;

/// What concerns all inputs.
struct Run {
    transcriber: Transcriber,
    span: Span,
    language: Option<String>,
    format: Format,
    folder: Option<Folder>,
    /// Until the network was there, from the start of the program.
    loading: Seconds,
}

/// Runs the command.
pub fn run(flags: &cli::Transcribe, global: &Global) -> ExitCode {
    let started = launch::moment();
    let inputs = inputs::expand(&flags.media, Kinds::Media);
    match prepare(flags, &inputs, global, started) {
        Ok(run) => run.all(&inputs, global),
        Err(error) => {
            refuse(&inputs, &*error, global);
            ExitCode::FAILURE
        }
    }
}

fn prepare(
    flags: &cli::Transcribe,
    inputs: &Inputs,
    global: &Global,
    started: Instant,
) -> Result<Run, Failed> {
    let span = Span::new(flags.start, flags.end)
        .map_err(|bad| failed(setting("--start, --end", bad.to_string())))?;
    let format = format(flags, inputs, global).map_err(|reason| failed(setting("--format", reason)))?;
    let folder = flags.out.as_deref().map(|path| Folder::open(path, format)).transpose().map_err(failed)?;
    let transcriber = Transcriber::load(&flags.models, &flags.device).map_err(failed)?;
    if let Some(code) = &flags.language {
        transcriber.knows(code).map_err(failed)?;
    }
    let loading = Seconds(started.elapsed().as_secs_f64());
    Ok(Run { transcriber, span, language: flags.language.clone(), format, folder, loading })
}

/// The form of the words: of the files where there are any, else of what is printed.
fn format(flags: &cli::Transcribe, inputs: &Inputs, global: &Global) -> Result<Format, &'static str> {
    match (flags.format, &flags.out) {
        (None, Some(_)) => Ok(Format::Srt),
        (None, None) => Ok(Format::Text),
        (Some(Format::Text), Some(_)) => Err("text is for people to read; --out writes srt or vtt"),
        (Some(_), None) if global.json => {
            Err("--json prints JSON, whatever the format: name a folder with --out for files of it")
        }
        (Some(Format::Srt | Format::Vtt), None) if inputs.several => {
            Err("subtitles are of one recording: name a folder with --out for a file for each")
        }
        (Some(format), _) => Ok(format),
    }
}

impl Run {
    fn all(mut self, inputs: &Inputs, global: &Global) -> ExitCode {
        let count = inputs.entries.len();
        let progress = Progress::new(global);
        let (mut told, mut failures) = (0, 0);
        for (index, entry) in inputs.entries.iter().enumerate() {
            let result = match entry {
                Ok(media) => {
                    let name = media.display().to_string();
                    progress.report(&Event::Input { name: name.clone(), index, count });
                    self.listen(media, told == 0, &progress).map_err(|error| Failure::new(name, &*error))
                }
                Err(error) => Err(Failure::new(error.input(), error)),
            };
            progress.clear();
            match result.and_then(|words| self.keep(words, global)) {
                Ok(words) => {
                    told += 1;
                    self.print(&words, global);
                }
                Err(failure) => {
                    failures += 1;
                    output::failure(&failure, global.json);
                }
            }
        }
        output::exit_code(count, failures)
    }

    fn listen(&mut self, media: &Path, first: bool, progress: &Progress) -> Result<Transcription, Failed> {
        if let Some(folder) = &mut self.folder {
            folder.reserve(media).map_err(failed)?;
        }
        let request = Request { media: media.into(), span: self.span, language: self.language.clone() };
        let mut words = self.transcriber.transcribe(&request, progress).map_err(failed)?;
        if first {
            words.timing_s.precede(Stage::Load, self.loading);
        }
        Ok(words)
    }

    /// Writes the file of an input, where files are wanted.
    fn keep(&self, words: Transcription, global: &Global) -> Result<Transcription, Failure> {
        if let Some(folder) = &self.folder {
            let text = formatted(&words, self.format);
            let path = folder.write(Path::new(&words.input), &text);
            let path = path.map_err(|error| Failure::new(words.input.clone(), &error))?;
            if !global.quiet {
                output::note(&format!("written: {}\n", path.display()));
            }
        }
        Ok(words)
    }

    fn print(&self, words: &Transcription, global: &Global) {
        let as_subtitles = self.folder.is_none() && self.format != Format::Text;
        if global.json {
            output::json(words);
        } else if as_subtitles {
            // The output is the file: what else there is to say goes elsewhere.
            let warnings = words.warnings.iter().map(|warning| format!("warning: {warning}\n"));
            output::note(&warnings.collect::<String>());
            output::data(&formatted(words, self.format));
        } else {
            output::data(&words.block());
        }
    }
}

fn formatted(words: &Transcription, format: Format) -> String {
    match format {
        Format::Text => words.block(),
        Format::Srt => words.srt(),
        Format::Vtt => words.vtt(),
    }
}
