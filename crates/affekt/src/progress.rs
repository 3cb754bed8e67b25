//! What a run shows while it works, on stderr: a line that renews itself on a terminal, lines with `--verbose`, else
//! nothing.

use std::io::IsTerminal;

use affekt_core::{Event, Reporter, Stage};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Global;
use crate::output;

/// The reporter of the command line.
pub struct Progress {
    bar: Option<ProgressBar>,
    verbose: bool,
    json: bool,
}

impl Progress {
    /// What the flags and the terminal ask for.
    pub fn new(global: &Global) -> Self {
        let shown =
            !global.quiet && !global.no_progress && !global.verbose && std::io::stderr().is_terminal();
        let bar = shown.then(|| {
            let style = ProgressStyle::with_template("{spinner} {prefix} {msg} ({elapsed})");
            let bar = ProgressBar::new_spinner();
            bar.set_style(style.expect("a constant template"));
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { bar, verbose: global.verbose, json: global.json }
    }

    /// Clears the line, so that a result can be printed.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Reporter for Progress {
    fn report(&self, event: &Event) {
        if self.verbose {
            let line = serde_json::to_string(event).expect("events are plain data");
            output::note(&(line + "\n"));
        }
        // A window of a long recording is a result, not progress: programs have it as soon as it is there.
        if self.json && matches!(event, Event::Window { .. }) {
            output::json(event);
        }
        let Some(bar) = &self.bar else { return };
        match event {
            Event::Window { start, end, with_text, without_text, .. } => {
                let valence = with_text.or(*without_text);
                let valence = valence.map(|valence| format!(": {valence:+.2}")).unwrap_or_default();
                bar.println(format!("  {start} to {end}{valence}"));
            }
            Event::Input { name, index, count } => bar.set_prefix(format!("[{}/{count}] {name}:", index + 1)),
            Event::Started { stage } => bar.set_message(stage.name()),
            Event::Advanced { stage: Stage::Download, done, total: Some(total) } => {
                let megabytes = |bytes: usize| bytes as f64 / 1e6;
                bar.set_message(format!("{:.0} of {:.0} MB", megabytes(*done), megabytes(*total)));
            }
            Event::Advanced { stage, done, total: Some(total) } => {
                bar.set_message(format!("{} {done}/{total}", stage.name()));
            }
            Event::Advanced { stage, done, total: None } => {
                bar.set_message(format!("{} {done}", stage.name()));
            }
            Event::Finished { .. } => {}
        }
    }
}
