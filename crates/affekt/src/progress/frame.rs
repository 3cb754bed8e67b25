//! How a batch run stands, as lines for a terminal: a bar a stage, and below them the run.

use affekt_core::{StageStanding, Standing};
use affekt_report::duration;

use super::log::{known, rate};

/// The longest name of a stage.
const NAME: usize = 8;
/// A bar is no longer than this, and not drawn where it would be shorter than that.
const BAR: (usize, usize) = (40, 4);
/// Behind the stage that holds up the others.
const LIMIT: &str = " < limit";

/// A line, as pieces one beside the other.
pub type Line = Vec<Piece>;

/// Part of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    text: String,
    tone: Tone,
}

/// How a piece looks where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As everything.
    Plain,
    /// What is the same in every frame.
    Faint,
    /// The stage that holds up the others.
    Marked,
    /// What has failed.
    Bad,
}

/// One entry a column, behind the bar.
struct Row {
    name: &'static str,
    /// Share done, 0 to 1.
    share: f64,
    cells: [String; 4],
    limits: bool,
}

/// Lines of at most `columns` columns each: a heading, a line a stage, the run.
pub fn frame(standing: &Standing, columns: usize) -> Vec<Line> {
    let rows: Vec<Row> = standing.stages.iter().map(|stage| row(stage, standing)).collect();
    let headings = ["done", "clips/s", "busy", "wait"];
    let mut widths = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row.cells[column].len());
        cells.chain([headings[column].len()]).max().unwrap_or(0)
    });
    // As wide at the beginning as at the end, so that nothing moves.
    let most = standing.stages.iter().map(|stage| stage.total).max().unwrap_or(0);
    widths[0] = widths[0].max(format!("{most}/{most}").len());
    let fixed = NAME + widths.iter().map(|width| 1 + width).sum::<usize>() + LIMIT.len();
    // With the blank before it.
    let bar = columns.saturating_sub(fixed + 1).min(BAR.0);
    let bar = if bar < BAR.1 { 0 } else { bar };
    let blank = " ".repeat(if bar > 0 { 1 + bar } else { 0 });
    let heading = format!("{:<NAME$}{blank}{}", "stage", cells(&headings.map(String::from), &widths));
    let mut lines = vec![vec![Piece { text: heading, tone: Tone::Faint }]];
    lines.extend(rows.iter().map(|row| stage(row, bar, &widths)));
    lines.push(run(standing, columns));
    lines.into_iter().map(|line| cut(line, columns)).collect()
}

fn row(stage: &StageStanding, standing: &Standing) -> Row {
    let StageStanding { done, total, per_second, busy, waiting, .. } = stage;
    Row {
        name: stage.stage.name(),
        share: if *total > 0 { *done as f64 / *total as f64 } else { 0.0 },
        cells: [
            format!("{done}/{total}"),
            rate(*per_second),
            format!("{:.0}%", 100.0 * busy),
            waiting.to_string(),
        ],
        limits: standing.limit == Some(stage.stage),
    }
}

/// Each cell to the right of its column.
fn cells(cells: &[String; 4], widths: &[usize; 4]) -> String {
    cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:>width$}")).collect()
}

fn stage(row: &Row, bar: usize, widths: &[usize; 4]) -> Line {
    let tone = if row.limits { Tone::Marked } else { Tone::Plain };
    let mut line = vec![Piece { text: format!("{:<NAME$}", row.name), tone }];
    if bar > 0 {
        let full = (row.share.clamp(0.0, 1.0) * bar as f64) as usize;
        line.push(Piece { text: format!(" {}", "━".repeat(full)), tone });
        line.push(Piece { text: "─".repeat(bar - full), tone: Tone::Faint });
    }
    let limit = if row.limits { LIMIT } else { "" };
    line.push(Piece { text: cells(&row.cells, widths) + limit, tone });
    line
}

/// The run as a whole: in the fullest words that fit.
fn run(standing: &Standing, columns: usize) -> Line {
    let Standing { total, done, failed, elapsed, left, .. } = standing;
    let tone = if *failed > 0 { Tone::Bad } else { Tone::Plain };
    let elapsed = duration(*elapsed);
    let left = known(*left).map(|left| format!(", {} left", duration(left))).unwrap_or_default();
    let percent = (100 * done).checked_div(*total).unwrap_or(100);
    let count = format!("{done}/{total}");
    let forms = [
        (format!("{count} clips ({percent}%), "), format!(", {elapsed} so far{left}")),
        (format!("{count} clips, "), format!(", {elapsed}{left}")),
        (format!("{count}, "), format!(", {elapsed}{left}")),
        (format!("{count}, "), left),
    ];
    let mut lines = forms.map(|(before, after)| {
        [(before, Tone::Plain), (format!("{failed} failed"), tone), (after, Tone::Plain)]
            .map(|(text, tone)| Piece { text, tone })
            .to_vec()
    });
    let fitting = lines.iter().position(|line| width(line) <= columns).unwrap_or(lines.len() - 1);
    std::mem::take(&mut lines[fitting])
}

/// Every letter that is drawn is one column wide.
fn width(line: &Line) -> usize {
    line.iter().map(|piece| piece.text.chars().count()).sum()
}

/// The first `columns` columns of a line.
fn cut(mut line: Line, columns: usize) -> Line {
    let mut room = columns;
    for piece in &mut line {
        piece.text = piece.text.chars().take(room).collect();
        room -= piece.text.chars().count();
    }
    line
}

/// The lines as a terminal takes them, without colours where they are not wanted.
pub fn painted(lines: &[Line], coloured: bool) -> String {
    let piece = |Piece { text, tone }: &Piece| match tone {
        Tone::Faint if coloured => format!("\u{1b}[2m{text}\u{1b}[0m"),
        Tone::Marked if coloured => format!("\u{1b}[1;33m{text}\u{1b}[0m"),
        Tone::Bad if coloured => format!("\u{1b}[1;31m{text}\u{1b}[0m"),
        _ => text.clone(),
    };
    let line = |line: &Line| line.iter().map(piece).collect::<String>();
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
