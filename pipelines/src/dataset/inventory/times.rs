//! Clips against the durations of their recordings and against each other.

use std::collections::BTreeMap;
use std::path::Path;

use affekt_core::Seconds;

use super::Durations;
use crate::dataset::{Kind, Manifest, Problem, Row};

/// How far a clip may end after its recording, in seconds: durations in headers are rounded to a frame or a packet.
const BEYOND_S: f64 = 0.1;
/// Shortest stretch that counts as shared, in seconds: times are written to the millisecond.
const SHARED_S: f64 = 1e-3;

/// Recordings that cannot be read, clips outside theirs, clips that overlap.
pub fn compare(manifest: &Manifest, durations: &Durations, problems: &mut Vec<Problem>) {
    let mut recordings: BTreeMap<&Path, Vec<&Row>> = BTreeMap::new();
    for row in &manifest.rows {
        recordings.entry(&row.media).or_default().push(row);
    }
    for (media, duration) in durations {
        match duration {
            Err(reason) => {
                // The reason begins with the path, which stands before every problem.
                let reason = reason.strip_prefix(&format!("{}: ", media.display())).unwrap_or(reason);
                problems.push(Kind::UnreadableMedia.in_file(media, reason));
            }
            Ok(None) => {
                problems
                    .push(Kind::UnknownDuration.in_file(media, "its header does not tell how long it is"));
            }
            Ok(Some(duration)) => {
                let rows = recordings.get(media.as_path()).into_iter().flatten();
                problems.extend(rows.filter_map(|row| outside(row, *duration)));
            }
        }
    }
    for rows in recordings.values_mut() {
        rows.sort_by(|a, b| a.span.start.0.total_cmp(&b.span.start.0));
        overlaps(rows, problems);
    }
}

fn outside(row: &Row, duration: Seconds) -> Option<Problem> {
    let beyond = |time: Seconds| time.0 > duration.0 + BEYOND_S;
    let (verb, time) = if row.span.start >= duration {
        ("starts", row.span.start)
    } else {
        ("ends", row.span.end.filter(|&end| beyond(end))?)
    };
    let message = format!("{} {verb} at {time}, its recording ends at {duration}", row.id);
    Some(Kind::SpanOutsideMedia.in_file(&row.media, message).of_clip(row.id.as_str()))
}

/// A problem for each clip that begins before the end of one before it; `rows` in the order of their starts.
fn overlaps(rows: &[&Row], problems: &mut Vec<Problem>) {
    let mut last: Option<&Row> = None;
    for &row in rows {
        let end = |row: &Row| row.span.end.map_or(f64::INFINITY, |end| end.0);
        if let Some(before) = last {
            let shared = end(before).min(end(row)) - row.span.start.0;
            if shared > SHARED_S {
                let message = format!("{} shares {} with {}", row.id, time(shared), before.id);
                problems.push(Kind::Overlap.in_file(&row.media, message).of_clip(row.id.as_str()));
            }
        }
        if last.is_none_or(|before| end(row) > end(before)) {
            last = Some(row);
        }
    }
}

fn time(seconds: f64) -> String {
    if seconds.is_finite() { Seconds(seconds).to_string() } else { "the rest of the recording".into() }
}
