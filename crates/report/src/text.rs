//! Results as blocks for people.

use affekt_core::TextSource;
use std::fmt::Write;

use crate::prediction::{Label, Prediction, Shares, Window};
use crate::{Failure, failure};

/// Letters of the simulated text that are shown.
const HYPOTHESIS: usize = 60;
/// Columns of a bar.
const BAR: usize = 20;
/// Windows that are all listed; of more, the lowest and the highest.
const LISTED: usize = 12;
/// How many of each.
const EXTREMES: usize = 3;

/// The block for a prediction, ending in a line break.
pub fn prediction(result: &Prediction) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_prediction(&mut out, result);
    out
}

fn write_prediction(out: &mut String, result: &Prediction) -> std::fmt::Result {
    let (input, seconds, bundle) = (&result.input, result.duration_s.0, &result.bundle);
    writeln!(out, "{input}  ({seconds:.1} s, bundle {bundle})")?;
    for warning in &result.warnings {
        writeln!(out, "  warning: {warning}")?;
    }
    writeln!(out)?;
    let (valence, scale, label) = ("valence", "-3 to 3", "label");
    writeln!(out, "  {valence:<14}{scale:>8}  {label:<10}audio / text / video")?;
    if let (Some(valence), Some(shares)) = (result.valence.with_text, result.attention.with_text) {
        row(out, "with text", valence, shares)?;
    }
    row(out, "without text", result.valence.without_text, result.attention.without_text)?;
    timeline(out, &result.timeline)?;
    writeln!(out)?;
    writeln!(out, "  words     {}", words(result))?;
    writeln!(out, "  voice     {}", voice(result))?;
    writeln!(out, "  face      {}", face(result))?;
    let stages = result.timing_s.stages.iter().map(|(stage, time)| format!("{} {:.2}", stage.name(), time.0));
    let stages = stages.collect::<Vec<_>>().join(", ");
    writeln!(out, "  time      {:.2} s: {stages}", result.timing_s.total.0)
}

fn row(out: &mut String, name: &str, valence: f64, shares: Shares) -> std::fmt::Result {
    let label = Label::of(valence).word();
    let Shares { audio, text, video } = shares;
    let percent = |share: f64| format!("{:.0}%", 100.0 * share);
    let (bar, audio, text, video) = (bar(shares), percent(audio), percent(text), percent(video));
    writeln!(out, "  {name:<14}{valence:>+8.3}  {label:<10}{bar} {audio} / {text} / {video}")
}

/// The windows of a long recording.
fn timeline(out: &mut String, windows: &[Window]) -> std::fmt::Result {
    if windows.len() < 2 {
        return Ok(());
    }
    let (from, with, without) = ("window", "with text", "without text");
    writeln!(out, "\n  {from:<22}{with:>12}{without:>14}")?;
    if windows.len() <= LISTED {
        return windows.iter().try_for_each(|window| window_row(out, window));
    }
    let valence = |window: &&Window| window.with_text.or(window.without_text);
    let mut ordered: Vec<&Window> = windows.iter().filter(|window| valence(window).is_some()).collect();
    ordered.sort_by(|a, b| valence(a).partial_cmp(&valence(b)).unwrap_or(std::cmp::Ordering::Equal));
    let (lowest, rest) = ordered.split_at(EXTREMES.min(ordered.len()));
    let highest = &rest[rest.len().saturating_sub(EXTREMES)..];
    let left = windows.len() - lowest.len() - highest.len();
    lowest.iter().try_for_each(|window| window_row(out, window))?;
    writeln!(out, "  ... {left} between the lowest and the highest; --json has them all")?;
    highest.iter().try_for_each(|window| window_row(out, window))
}

fn window_row(out: &mut String, window: &Window) -> std::fmt::Result {
    let span = format!("{} - {}", clock(window.start.0), clock(window.end.0));
    let number = |valence: Option<f64>| valence.map_or("-".into(), |valence| format!("{valence:+.3}"));
    let (with, without) = (number(window.with_text), number(window.without_text));
    writeln!(out, "  {span:<22}{with:>12}{without:>14}")
}

/// `1:02:03.4`, without hours where there are none.
pub(crate) fn clock(seconds: f64) -> String {
    let tenths = (10.0 * seconds).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let (seconds, tenth) = (rest / 10, rest % 10);
    match hours {
        0 => format!("{minutes}:{seconds:02}.{tenth}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}.{tenth}"),
    }
}

/// A bar of letters: as many `a`, `t`, `v` as the modality has of the whole.
fn bar(shares: Shares) -> String {
    let audio = (shares.audio * BAR as f64).round() as usize;
    let upto_text = ((shares.audio + shares.text) * BAR as f64).round() as usize;
    (0..BAR)
        .map(|at| match at {
            at if at < audio => 'a',
            at if at < upto_text => 't',
            _ => 'v',
        })
        .collect()
}

fn words(result: &Prediction) -> String {
    let given = match result.text_source {
        Some(TextSource::Transcript) => "transcript given",
        Some(TextSource::Asr) => "recognised",
        None => "no transcript",
    };
    match &result.simulated.hypothesis {
        Some(text) => format!("{given}; simulated from speech: {:?}", shortened(text)),
        None => format!("{given}; none simulated"),
    }
}

/// At most [`HYPOTHESIS`] letters; `--json` has all of them.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(HYPOTHESIS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn voice(result: &Prediction) -> String {
    match (result.audio.present, result.audio.silent) {
        (false, _) => "none".into(),
        (true, true) => format!("{:.1} s, silent", result.audio.seconds.0),
        (true, false) => format!("{:.1} s", result.audio.seconds.0),
    }
}

fn face(result: &Prediction) -> String {
    let faces = &result.faces;
    if faces.frames == 0 {
        return "no picture".into();
    }
    let tracks = if faces.tracks == 1 { "1 track".into() } else { format!("{} tracks", faces.tracks) };
    let share = 100.0 * faces.coverage;
    format!("in {} of {} frames ({share:.0}%), {tracks}", faces.with_face, faces.frames)
}

/// The lines for a failure, ending in a line break.
pub fn failure(failure: &Failure) -> String {
    let failure::Reason { message, hint, .. } = &failure.error;
    let hint = hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
    format!("error: {message}\n{hint}")
}
