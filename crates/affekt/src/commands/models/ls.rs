//! `affekt models ls`: every file of a bundle, its state and its licence.

use std::process::ExitCode;

use affekt::{Error, bundles};
use affekt_weights::Bundle;
use affekt_weights::bundle::missing::{Remedy, quoted};
use affekt_weights::bundle::report::{DigestState, FileState, Presence};
use serde::Serialize;

use super::{named, size};
use crate::cli::Global;
use crate::output;

/// What `models ls --json` tells of one bundle.
#[derive(Serialize)]
struct Listed<'b> {
    bundle: &'b str,
    description: &'b str,
    trained: bool,
    /// What little world a trained bundle knows, where it knows no more.
    world: Option<&'b str>,
    /// The networks that are untrained in a trained bundle.
    untrained: Vec<&'b str>,
    /// Where its files lie, those apart that are part of the program.
    folder: Option<String>,
    /// Whether every file is there.
    complete: bool,
    files: Vec<Row<'b>>,
}

#[derive(Serialize)]
struct Row<'b> {
    path: &'b str,
    /// `embedded`, `present`, `pull`, `import` or `missing`.
    state: &'static str,
    /// The page on which its authors hand it out, where it can only be imported.
    page: Option<&'b str>,
    size: Option<u64>,
    /// `pinned`, `locked` or `unknown`.
    digest: &'static str,
    sha256: Option<&'b str>,
    licence: Option<&'b str>,
    source: Option<&'b str>,
    repo: Option<&'b str>,
    revision: Option<&'b str>,
    /// Name of the file that it was imported from.
    imported: Option<&'b str>,
    /// What `models import` calls it.
    #[serde(skip)]
    target: String,
}

/// Runs the command.
pub fn run(bundle: Option<&str>, global: &Global) -> ExitCode {
    let names = named(bundle);
    let mut failures = 0;
    let mut blocks = Vec::new();
    for name in &names {
        let told = bundles::open(name).map_err(Error::from).and_then(|bundle| {
            let listed = list(&bundle)?;
            if global.json {
                output::json(&listed);
            } else {
                blocks.push((summary(&listed), text(&bundle, &listed)));
            }
            Ok(())
        });
        if let Err(error) = told {
            failures += 1;
            output::failed(name, &error, global.json);
        }
    }
    if blocks.len() > 1 {
        output::data(&blocks.iter().map(|(summary, _)| summary.as_str()).collect::<String>());
        output::data("\n");
    }
    output::data(&blocks.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n"));
    output::exit_code(names.len(), failures)
}

fn list(bundle: &Bundle) -> Result<Listed<'_>, Error> {
    let files: Vec<Row> = bundle.files()?.iter().map(|state| row(bundle, state)).collect();
    let manifest = bundle.manifest();
    Ok(Listed {
        bundle: bundle.handle(),
        description: &manifest.description,
        trained: manifest.trained,
        world: manifest.world.as_deref(),
        untrained: manifest.untrained(),
        folder: bundle.folder().map(|folder| folder.display().to_string()),
        complete: files.iter().all(|file| matches!(file.state, "embedded" | "present")),
        files,
    })
}

fn row<'b>(bundle: &'b Bundle, state: &FileState<'b>) -> Row<'b> {
    let target = bundle.manifest().networks.iter().find(|(_, files)| files.weights == [state.path]);
    Row {
        path: state.path,
        state: match &state.presence {
            Presence::Embedded => "embedded",
            Presence::Present => "present",
            Presence::Missing(Remedy::Pull) => "pull",
            Presence::Missing(Remedy::Import { .. }) => "import",
            Presence::Missing(Remedy::Restore) => "missing",
        },
        page: state.facts.and_then(|facts| facts.import.as_deref()),
        size: state.size,
        digest: match state.digest {
            DigestState::Pinned => "pinned",
            DigestState::Locked => "locked",
            DigestState::Unknown => "unknown",
        },
        sha256: state.sha256.map(affekt_core::Digest::as_str),
        licence: state.facts.map(|facts| facts.licence.as_str()),
        source: state.facts.map(|facts| facts.source.as_str()),
        repo: state.facts.and_then(|facts| facts.hub.as_ref()).map(|hub| hub.repo.as_str()),
        revision: state.revision,
        imported: state.imported.map(|imported| imported.name.as_str()),
        target: target.map_or_else(|| state.path.to_owned(), |(network, _)| network.clone()),
    }
}

/// One line.
fn summary(listed: &Listed) -> String {
    let count = |states: &[&str]| listed.files.iter().filter(|file| states.contains(&file.state)).count();
    let mut parts =
        vec![format!("{} of {} files present", count(&["embedded", "present"]), listed.files.len())];
    for (state, told) in [("pull", "can be pulled"), ("import", "import only"), ("missing", "missing")] {
        if count(&[state]) > 0 {
            parts.push(format!("{} {told}", count(&[state])));
        }
    }
    format!("{}: {}\n", listed.bundle, parts.join(", "))
}

/// The block for people.
fn text(bundle: &Bundle, listed: &Listed) -> String {
    let mut lines = vec![summary(listed).trim_end().to_owned(), format!("  {}", listed.description)];
    if !listed.trained {
        lines.push("  untrained: its numbers carry no meaning".into());
    }
    lines.extend(listed.world.map(|world| format!("  knows only its small world: {world}")));
    if !listed.untrained.is_empty() {
        lines.push(format!("  untrained networks: {}", listed.untrained.join(", ")));
    }
    lines.extend(listed.folder.iter().map(|folder| format!("  in {folder}")));
    let width = listed.files.iter().map(|file| file.path.len()).max().unwrap_or(0);
    let line = |path: &str, state: &str, size: &str, digest: &str, licence: &str| {
        format!("  {path:<width$}  {state:<11}  {size:>7}  {digest:<7}  {licence}")
    };
    lines.push(line("FILE", "STATE", "SIZE", "DIGEST", "LICENCE"));
    for file in &listed.files {
        let state = match file.state {
            "pull" => "can pull",
            "import" => "import only",
            state => state,
        };
        lines.push(line(file.path, state, &size(file.size), file.digest, file.licence.unwrap_or("-")));
    }
    let handle = quoted(bundle.handle());
    if listed.files.iter().any(|file| file.state == "pull") {
        lines.push(format!("  get what can be pulled: affekt models pull {handle}"));
    }
    for file in listed.files.iter().filter(|file| file.state == "import") {
        lines.push(format!("  {} is handed out by its authors on", file.path));
        lines.push(format!("    {}", file.page.unwrap_or("-")));
        lines.push(format!("    then: affekt models import {handle} {} PATH", file.target));
    }
    lines.join("\n") + "\n"
}
