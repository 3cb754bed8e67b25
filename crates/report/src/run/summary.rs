//! A batch run as a block for people.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use affekt_core::{ClipId, FeatureKind, Stage};

use super::{Batches, Counts, Device, Ending, Failed, Generation, RunRecord, Warned};
use crate::duration::duration;
use crate::table::on_one_line;

/// Kinds of reasons that are shown.
const REASONS: usize = 10;
/// Letters of a reason that are shown; the record has all of them.
const LETTERS: usize = 120;

impl RunRecord {
    /// What became of the clips, why some failed, and how fast it went, ending in a line break; the record itself is the
    /// file `path`.
    pub fn summary(&self, path: &Path) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = write_summary(&mut out, self, path);
        out
    }
}

fn write_summary(out: &mut String, record: &RunRecord, path: &Path) -> std::fmt::Result {
    let name = "feature";
    writeln!(out, "  {name:<12}{:>9}{:>9}{:>9}{:>9}", "done", "absent", "failed", "skipped")?;
    for (feature, Counts { done, absent, failed, skipped }) in &record.counts {
        writeln!(out, "  {:<12}{done:>9}{absent:>9}{failed:>9}{skipped:>9}", feature.name())?;
    }
    writeln!(out)?;
    reasons(out, &record.failures)?;
    warnings(out, &record.warnings)?;
    if let Some(caution) = &record.bundle.caution {
        writeln!(out, "  warning     {}", on_one_line(caution))?;
    }
    if record.ended_by != Ending::Finished {
        writeln!(out, "  ended       {}", ending(record.ended_by))?;
    }
    writeln!(out, "  clips       {}", clips(record))?;
    let limit = record.limit.map(|stage| format!("limited by {}", stage.name()));
    let padding = record.padding_waste.map(|share| format!("padding {:.1}%", 100.0 * share));
    let memory = record
        .peak_memory_bytes
        .map(|bytes| format!("peak memory {:.0} MB beside the workers'", bytes as f64 / 1e6));
    let facts: Vec<String> = [limit, padding, memory].into_iter().flatten().collect();
    if !facts.is_empty() {
        writeln!(out, "  run         {}", facts.join(", "))?;
    }
    for Device { name, busy, waited, batches, .. } in &record.devices {
        let (busy, waited) = (100.0 * busy, 100.0 * waited);
        write!(out, "  device      {name}: busy {busy:.0}%, waited for clips {waited:.0}%")?;
        for Batches { stage, unit, first, last } in
            batches.iter().filter(|batches| batches.last < batches.first)
        {
            write!(out, ", {} short of memory: {last} {unit} at once in place of {first}", stage.name())?;
        }
        writeln!(out)?;
    }
    if let Some(Generation { mean_in_flight, most_in_flight, peak_cache_bytes, .. }) = record.generation {
        let cache = peak_cache_bytes as f64 / 1e6;
        writeln!(
            out,
            "  generation  {mean_in_flight:.1} clips in flight, {most_in_flight} at most, cache {cache:.0} MB"
        )?;
    }
    writeln!(out, "  record      {}", path.display())
}

/// How many clips are doubtful, and the first of them.
fn warnings(out: &mut String, warnings: &[Warned]) -> std::fmt::Result {
    let clips: BTreeSet<&ClipId> = warnings.iter().map(|warned| &warned.clip).collect();
    let Some(Warned { clip, warning }) = warnings.first() else { return Ok(()) };
    let warning: String = on_one_line(warning).chars().take(LETTERS).collect();
    let many = if clips.len() == 1 { "1 clip is".into() } else { format!("{} clips are", clips.len()) };
    writeln!(out, "  warnings    {many} there, but not as one would wish; the first: {clip}: {warning}")?;
    writeln!(out, "              all of them are in the record\n")
}

fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Running => "running",
        Ending::Finished => "finished",
        Ending::Interrupted => "interrupted",
        Ending::Stopped => "stopped",
        Ending::Failed => "failed",
    }
}

/// How many are through, how long that took, and what that makes a second and of real time.
fn clips(record: &RunRecord) -> String {
    let (clips, times) = (record.clips, record.seconds);
    let through = match clips.total {
        0 => "all in the cache already".into(),
        total => format!("{} of {total} through, {} failed", clips.done, clips.failed),
    };
    let mut said = format!("{through}; {}", duration(times.total));
    let per_second =
        |amount: f64| Some(amount / times.total.0).filter(|rate| rate.is_finite() && *rate > 0.0);
    if let Some(rate) = per_second(clips.done as f64) {
        let _ = write!(said, ", {rate:.2} clips/s");
    }
    if let Some(rate) = per_second(times.media.0) {
        let _ = write!(said, ", {rate:.1} times real time");
    }
    said
}

/// Failures of one kind.
struct Group<'r> {
    first: &'r Failed,
    count: usize,
}

/// The kinds of reasons, the most frequent first, each with its first clip.
fn reasons(out: &mut String, failures: &[Failed]) -> std::fmt::Result {
    if failures.is_empty() {
        return Ok(());
    }
    let groups = grouped(failures);
    writeln!(out, "  failed      stage     reason")?;
    for Group { first, count } in groups.iter().take(REASONS) {
        let features: Vec<&str> = first.features.iter().copied().map(FeatureKind::name).collect();
        let (reason, features, clip) = (shortened(&first.reason), features.join(", "), &first.clip);
        let which = if *count == 1 { "" } else { "first " };
        writeln!(out, "  {count:<12}{:<10}{reason} ({which}{clip}: {features})", first.stage.name())?;
    }
    let more: usize = groups.iter().skip(REASONS).map(|group| group.count).sum();
    if more > 0 {
        writeln!(out, "  {more:<12}for other reasons")?;
    }
    writeln!(out, "  each clip with its reason is in the record\n")
}

/// Most frequent first; of equals, the one that came first.
fn grouped(failures: &[Failed]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<(Stage, String), usize> = HashMap::new();
    for first in failures {
        let place = *places.entry((first.stage, kind(&first.reason))).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.count += 1,
            None => groups.push(Group { first, count: 1 }),
        }
    }
    groups.sort_by_key(|group| Reverse(group.count));
    groups
}

/// What a reason says whatever the file, the clip and the numbers: words that name a path, or hold digits, count as one.
fn kind(reason: &str) -> String {
    let word = |word: &str| {
        let special = |letter: char| letter.is_ascii_digit() || letter == '/' || letter == '\\';
        if word.contains(special) { "*".to_owned() } else { word.to_owned() }
    };
    reason.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// At most [`LETTERS`] letters, on one line.
fn shortened(reason: &str) -> String {
    let reason = on_one_line(reason);
    match reason.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}...", &reason[..end]),
        None => reason,
    }
}
