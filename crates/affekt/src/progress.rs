//! What a run shows while it works, on stderr: lines that renew themselves on a terminal; lines with `--verbose`; of a
//! batch run elsewhere, a line now and then.
//!
//! | module | holds |
//! |---|---|
//! | `batch` | what is said of a batch run, and when |
//! | `epochs` | how training goes, as lines |
//! | `frame` | how a batch run stands, as lines for a terminal |
//! | `log` | the same as one line |

mod batch;
mod epochs;
mod frame;
mod log;

use std::sync::{Mutex, MutexGuard, PoisonError};

use affekt_core::{Event, Reporter, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Global;
use crate::output;
use batch::{Batch, Told};

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

/// The reporter of the command line.
pub struct Progress {
    /// Whether lines on the terminal renew themselves.
    drawn: bool,
    /// Whether a batch run has a line now and then.
    logged: bool,
    verbose: bool,
    json: bool,
    /// Whether lines on the terminal are coloured.
    coloured: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is drawn, from the first event on until it is cleared.
    bar: Option<ProgressBar>,
    batch: Batch,
}

impl Progress {
    /// What the flags and the terminal ask for.
    pub fn new(global: &Global) -> Self {
        let Global { json, quiet, verbose, no_progress, .. } = *global;
        let wanted = !quiet && !verbose;
        let drawn = wanted && !no_progress && !ProgressDrawTarget::stderr().is_hidden();
        let coloured = std::env::var_os("NO_COLOR").is_none();
        Self { drawn, logged: wanted && !drawn, verbose, json, coloured, state: Mutex::default() }
    }

    /// Clears what is drawn, and of a batch run says what has not been said, so that a result can be printed; the next
    /// event begins anew.
    pub fn clear(&self) {
        let State { bar, mut batch } = std::mem::take(&mut *self.state());
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        if let Some(rest) = batch.rest().filter(|_| self.json) {
            output::json(&rest);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events of one input after the other: one line.
    fn single(&self, event: &Event) {
        // A window of a long recording is a result, not progress: programs have it as soon as it is there.
        if self.json && matches!(event, Event::Window { .. }) {
            output::json(event);
        }
        let mut state = self.state();
        if !self.drawn || state.batch.stands() {
            return;
        }
        let bar = state.bar.get_or_insert_with(new_line).clone();
        drop(state);
        show(&bar, event);
    }

    /// Events of training: the batch at hand is drawn, every epoch stays as a line.
    fn training(&self, event: &Event) {
        let mut state = self.state();
        match epochs::line(event) {
            Some(line) => aside(state.bar.as_ref(), || match self.json {
                true => output::json(event),
                false if self.drawn || self.logged => output::note(&(line + "\n")),
                false => {}
            }),
            None if self.drawn => {
                let bar = state.bar.get_or_insert_with(new_line);
                bar.set_message(epochs::batch(event));
            }
            None => {}
        }
    }

    /// Events of a batch run.
    fn batch(&self, event: &Event) {
        let mut state = self.state();
        let State { bar, batch } = &mut *state;
        for told in batch.hear(event) {
            match told {
                Told::Data if self.json => aside(bar.as_ref(), || output::json(event)),
                Told::Log(line) if self.logged => output::note(&(line + "\n")),
                Told::Above(line) if self.drawn => aside(bar.as_ref(), || output::note(&(line + "\n"))),
                Told::Frame(standing) if self.drawn => {
                    let bar = bar.get_or_insert_with(ProgressBar::no_length);
                    // Of the line before it, nothing stays.
                    bar.disable_steady_tick();
                    bar.set_style(template("{msg}"));
                    bar.set_message(frame::painted(&frame::frame(standing, columns()), self.coloured));
                }
                Told::Data | Told::Log(_) | Told::Above(_) | Told::Frame(_) => {}
            }
        }
    }
}

impl Reporter for Progress {
    fn report(&self, event: &Event) {
        if self.verbose {
            let line = serde_json::to_string(event).expect("events are plain data");
            output::note(&(line + "\n"));
        }
        match event {
            Event::Failed { .. }
            | Event::Warned { .. }
            | Event::Committed { .. }
            | Event::Shrunk { .. }
            | Event::Standing(_) => {
                self.batch(event);
            }
            Event::Step { .. } | Event::Epoch { .. } => self.training(event),
            _ => self.single(event),
        }
    }
}

/// Prints while nothing is drawn.
fn aside(bar: Option<&ProgressBar>, print: impl FnOnce()) {
    match bar {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

/// Columns of the terminal that is drawn on; a line that fills the last one would be broken by some.
fn columns() -> usize {
    terminal_size::terminal_size_of(std::io::stderr())
        .map_or(COLUMNS, |(width, _)| usize::from(width.0))
        .saturating_sub(1)
}

fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).expect("a constant template")
}

fn new_line() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(template("{spinner} {prefix} {msg} ({elapsed})"));
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

/// The line of one input.
fn show(bar: &ProgressBar, event: &Event) {
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
        Event::Finished { .. }
        | Event::Failed { .. }
        | Event::Warned { .. }
        | Event::Committed { .. }
        | Event::Shrunk { .. }
        | Event::Step { .. }
        | Event::Epoch { .. }
        | Event::Standing(_) => {}
    }
}
