//! `affekt models verify`: every file against its digest.

use std::process::ExitCode;

use affekt::{Error, bundles};
use affekt_core::{Event, Reporter};
use affekt_weights::Bundle;
use affekt_weights::bundle::change::right;
use affekt_weights::bundle::report::{Verdict, Verified};
use serde::Serialize;

use super::named;
use crate::cli::Global;
use crate::output;
use crate::progress::Progress;

/// What `models verify --json` tells of one bundle.
#[derive(Serialize)]
struct Told<'b> {
    bundle: &'b str,
    /// Files whose bytes are other ones than they must be.
    wrong: usize,
    files: Vec<Row<'b>>,
}

#[derive(Serialize)]
struct Row<'b> {
    path: &'b str,
    /// `ok`, `wrong`, `unknown` or `missing`.
    state: &'static str,
    sha256: Option<String>,
    wanted: Option<String>,
}

/// Runs the command: exit 2 when some of the present files are wrong, 1 when all are or a bundle cannot be opened.
pub fn run(bundle: Option<&str>, global: &Global) -> ExitCode {
    let progress = Progress::new(global);
    let (mut present, mut failures) = (0, 0);
    for name in named(bundle) {
        match verify(&name, global, &progress) {
            Ok((there, wrong)) => (present, failures) = (present + there, failures + wrong),
            Err(error) => {
                (present, failures) = (present + 1, failures + 1);
                output::failed(&name, &error, global.json);
            }
        }
    }
    output::exit_code(present, failures)
}

/// How many files are there, and how many of them are wrong.
fn verify(name: &str, global: &Global, progress: &Progress) -> Result<(usize, usize), Error> {
    let mut bundle = bundles::open(name)?;
    let (mut index, count) = (0, bundle.files()?.len());
    let verified = bundle.verify(|path| {
        progress.report(&Event::Input { name: path.to_owned(), index, count });
        index += 1;
    });
    progress.clear();
    let verified = verified?;
    let told = tell(&bundle, &verified);
    if global.json {
        output::json(&told);
    } else {
        output::data(&text(&told));
    }
    let missing = verified.iter().filter(|file| file.verdict == Verdict::Missing).count();
    let (present, wrong) = (verified.len() - missing, told.wrong);
    let confirmed = right(&verified);
    // Without the record the files are only read again next time: no reason to fail.
    if let Err(error) = bundle.confirm(&confirmed) {
        output::note(&format!("note: {error}; the files will be read again next time\n"));
    }
    Ok((present, wrong))
}

fn tell<'b>(bundle: &'b Bundle, verified: &[Verified<'b>]) -> Told<'b> {
    let row = |file: &Verified<'b>| {
        let (state, wanted) = match &file.verdict {
            Verdict::Right => ("ok", None),
            Verdict::Wrong { wanted } => ("wrong", Some(wanted.to_string())),
            Verdict::Unknown => ("unknown", None),
            Verdict::Missing => ("missing", None),
        };
        Row { path: file.path, state, sha256: file.sha256.as_ref().map(ToString::to_string), wanted }
    };
    let files: Vec<Row> = verified.iter().map(row).collect();
    let wrong = files.iter().filter(|file| file.state == "wrong").count();
    Told { bundle: bundle.handle(), wrong, files }
}

fn text(told: &Told) -> String {
    let mut lines = vec![format!("{}:", told.bundle)];
    let width = told.files.iter().map(|file| file.path.len()).max().unwrap_or(0);
    for file in &told.files {
        let Row { path, state, sha256, wanted } = file;
        let digest = match (*state, sha256) {
            ("unknown", Some(sha256)) => format!("  nothing to compare with; it has {sha256}"),
            ("wrong", Some(sha256)) => {
                format!("\n    it has  {sha256}\n    must be {}", wanted.as_deref().unwrap_or("-"))
            }
            _ => String::new(),
        };
        lines.push(format!("  {path:<width$}  {state}{digest}"));
    }
    lines.join("\n") + "\n"
}
