//! What a run shows while it works, on stderr: a line that renews itself on a terminal, lines with `--verbose`, else
//! nothing.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use affekt_core::{Event, Reporter, Stage};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Global;
use crate::output;

/// The reporter of the command line.
pub struct Progress {
    shown: bool,
    /// The line, from the first event on until it is cleared.
    bar: Mutex<Option<ProgressBar>>,
    verbose: bool,
    json: bool,
}

impl Progress {
    /// What the flags and the terminal ask for.
    pub fn new(global: &Global) -> Self {
        let shown =
            !global.quiet && !global.no_progress && !global.verbose && std::io::stderr().is_terminal();
        Self { shown, bar: Mutex::new(None), verbose: global.verbose, json: global.json }
    }

    /// Clears the line, so that a result can be printed; the next event brings it back.
    pub fn clear(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    /// The line, where one is shown.
    fn line(&self) -> Option<ProgressBar> {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        self.shown.then(|| bar.get_or_insert_with(new_line).clone())
    }
}

fn new_line() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {prefix} {msg} ({elapsed})");
    let bar = ProgressBar::new_spinner();
    bar.set_style(style.expect("a constant template"));
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
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
        let Some(bar) = self.line() else { return };
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
