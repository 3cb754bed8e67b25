//! `affekt predict`: judges each input; one that fails does not stop the rest.

use std::process::ExitCode;

use affekt::{Error, Predictor};
use affekt_core::{Event, Reporter, Span};
use affekt_pipelines::predict::Request;
use affekt_pipelines::transcript::Transcript;
use affekt_report::{Prediction, text};

use crate::cli::{self, Global};
use crate::output;
use crate::progress::Progress;

/// Runs the command.
pub fn run(flags: &cli::Predict, global: &Global) -> ExitCode {
    let count = flags.media.len();
    let prepared = prepare(flags);
    let (predictor, requests) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            // What concerns the run as a whole concerns each input.
            for media in &flags.media {
                output::failed(&media.display().to_string(), &error, global.json);
            }
            return ExitCode::FAILURE;
        }
    };
    let progress = Progress::new(global);
    let mut failures = 0;
    for (index, request) in requests.iter().enumerate() {
        let name = request.media.display().to_string();
        progress.report(&Event::Input { name: name.clone(), index, count });
        let result = predictor.predict(request, &progress);
        progress.clear();
        match result {
            Ok(prediction) => print(&prediction, global),
            Err(error) => {
                failures += 1;
                output::failed(&name, &error, global.json);
            }
        }
    }
    output::exit_code(count, failures)
}

fn prepare(flags: &cli::Predict) -> Result<(Predictor, Vec<Request>), Error> {
    let setting = |name: &str, reason: String| Error::Setting { name: name.into(), reason };
    let span = Span::new(flags.start, flags.end).map_err(|bad| setting("--start, --end", bad.to_string()))?;
    if flags.transcript.is_some() && flags.media.len() > 1 {
        let reason =
            format!("one transcript cannot be of {} recordings; give them one by one", flags.media.len());
        return Err(setting("--transcript", reason));
    }
    let transcript = flags.transcript.as_deref().map(Transcript::from_argument).transpose()?;
    let predictor = Predictor::load(&flags.models, &flags.device)?;
    let request =
        |media: &std::path::PathBuf| Request { media: media.clone(), span, transcript: transcript.clone() };
    Ok((predictor, flags.media.iter().map(request).collect()))
}

fn print(prediction: &Prediction, global: &Global) {
    if global.json {
        output::json(prediction);
    } else {
        output::data(&(text::prediction(prediction) + "\n"));
    }
}
