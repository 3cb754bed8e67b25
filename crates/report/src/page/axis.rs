//! The axis of time that all plots share, and how instants are written.

use affekt_core::Seconds;

use crate::{Exhibit, Prediction};

/// Distances between ticks that read well, in seconds; beyond them whole days do not occur.
const STEPS: [f64; 23] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0,
    1_800.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0, 86_400.0,
];
/// More ticks than this run into each other on a phone.
const MOST_TICKS: f64 = 6.0;

/// A stretch of the recording, drawn from 0 to 100 percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// First instant, in seconds.
    pub start: f64,
    /// Last instant; after the first one.
    pub end: f64,
}

/// A mark on the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where, in percent.
    pub at: f64,
    /// What is written there.
    pub label: String,
}

impl Axis {
    /// From the first to the last instant that anything is known of.
    pub fn of(prediction: &Prediction, exhibit: &Exhibit) -> Self {
        let envelope = &exhibit.envelope;
        let heard = envelope.start.0 + envelope.step.0 * envelope.steps.len() as f64;
        let heard = (!envelope.steps.is_empty()).then_some((envelope.start.0, heard));
        let windows = prediction.timeline.iter().map(|window| (window.start.0, window.end.0));
        let pictures = exhibit.pictures.iter().map(|picture| (picture.time.0, picture.time.0));
        let known =
            windows.chain(heard).chain(pictures).filter(|(start, end)| start.is_finite() && end.is_finite());
        let (start, end) = known.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0.0, 0.0));
        let end = end.max(start + prediction.duration_s.0);
        // An axis has a length.
        Self { start, end: if end > start + 1e-3 { end } else { start + 1e-3 } }
    }

    /// Where `time` lies, in percent of the axis; times outside are drawn at its ends.
    pub fn at(&self, time: Seconds) -> f64 {
        (100.0 * (time.0 - self.start) / (self.end - self.start)).clamp(0.0, 100.0)
    }

    /// Marks at round times.
    pub fn ticks(&self) -> Vec<Tick> {
        let length = self.end - self.start;
        let last = STEPS[STEPS.len() - 1];
        let step = STEPS.into_iter().find(|step| length / step <= MOST_TICKS);
        let step = step.unwrap_or_else(|| last * (length / last / MOST_TICKS).ceil());
        let decimals = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
        let (first, count) = ((self.start / step - 1e-6).ceil(), (length / step).floor() as usize + 1);
        let times = (0..count).map(|index| (first + index as f64) * step);
        let inside = times.filter(|time| *time <= self.end + 1e-6 * step);
        inside
            .map(|time| Tick { at: self.at(Seconds(time)), label: self.clock(Seconds(time), decimals) })
            .collect()
    }

    /// An instant as the length of the recording wants it: `7.5 s`, `1:07.5`, `2:01:07.5`, with `decimals`.
    pub fn clock(&self, time: Seconds, decimals: usize) -> String {
        let scale = 10_u64.pow(decimals as u32);
        // Rounded before it is taken apart, or 59.99 s would become 0:60.0.
        let units = (time.0.max(0.0) * scale as f64).round() as u64;
        let (whole, part) = (units / scale, units % scale);
        let part = if decimals == 0 { String::new() } else { format!(".{part:0decimals$}") };
        let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
        if self.end < 60.0 {
            format!("{whole}{part} s")
        } else if self.end < 3_600.0 {
            format!("{}:{seconds:02}{part}", whole / 60)
        } else {
            format!("{hours}:{minutes:02}:{seconds:02}{part}")
        }
    }

    /// An instant as exactly as the length asks for: to a hundredth below two seconds, whole seconds from an hour on.
    pub fn instant(&self, time: Seconds) -> String {
        let decimals = match self.end - self.start {
            length if length < 2.0 => 2,
            length if length < 3_600.0 => 1,
            _ => 0,
        };
        self.clock(time, decimals)
    }

    /// An instant for tables: to a tenth of a second, or a hundredth below a minute.
    pub fn exact(&self, time: Seconds) -> String {
        self.clock(time, if self.end < 60.0 { 2 } else { 1 })
    }

    /// A stretch: `1:07.5 – 1:20.0`.
    pub fn stretch(&self, start: Seconds, end: Seconds) -> String {
        format!("{} \u{2013} {}", self.instant(start), self.instant(end))
    }
}

/// How long something is: `0.35 s`, `8.2 s`, `3 min 05 s`, `2 h 04 min`.
pub fn length(time: Seconds) -> String {
    let seconds = time.0.max(0.0);
    if seconds < 1.0 {
        return format!("{seconds:.2} s");
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    if whole < 3_600 {
        return format!("{} min {:02} s", whole / 60, whole % 60);
    }
    let minutes = (seconds / 60.0).round() as u64;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(start: f64, end: f64) -> Vec<String> {
        Axis { start, end }.ticks().into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_from_a_fifth_of_a_second_to_days() {
        assert_eq!(labels(0.0, 0.2), ["0.00 s", "0.05 s", "0.10 s", "0.15 s", "0.20 s"]);
        assert_eq!(labels(0.0, 8.0), ["0 s", "2 s", "4 s", "6 s", "8 s"]);
        assert_eq!(labels(61.0, 75.0), ["1:05", "1:10", "1:15"]);
        assert_eq!(
            labels(0.0, 10_800.0),
            ["0:00:00", "0:30:00", "1:00:00", "1:30:00", "2:00:00", "2:30:00", "3:00:00"]
        );
        for power in -20..25 {
            let count = labels(0.0, 1.7_f64.powi(power).max(1e-3)).len();
            assert!((1..=7).contains(&count), "1.7 to the {power}: {count}");
        }
    }

    #[test]
    fn instants_are_rounded_before_they_are_taken_apart() {
        let (short, long, longest) =
            (Axis { start: 0.0, end: 8.0 }, Axis { start: 0.0, end: 90.0 }, Axis { start: 0.0, end: 9e3 });
        assert_eq!(short.instant(Seconds(7.96)), "8.0 s");
        assert_eq!(long.instant(Seconds(59.97)), "1:00.0");
        assert_eq!(longest.stretch(Seconds(59.0), Seconds(3_661.25)), "0:00:59 \u{2013} 1:01:01");
    }

    #[test]
    fn lengths_are_written_for_people() {
        let written = [0.2, 8.04, 59.97, 185.0, 7_440.0].map(|seconds| length(Seconds(seconds)));
        assert_eq!(written, ["0.20 s", "8.0 s", "1 min 00 s", "3 min 05 s", "2 h 04 min"]);
    }
}
