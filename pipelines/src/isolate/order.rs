//! The answers to an order: believed only as far as they can be true.

use std::ops::ControlFlow;
use std::time::Duration;

use affekt_core::{SampleRate, Seconds, Span, Waveform};

use super::error::Error;
use super::protocol::{Answer, Bulk, Head};
use crate::cut::{Cost, Cut, Found, LONGEST, Order, Part, Picture, Sign};

/// Every order has so long, beside what its recording takes.
const ANY: Duration = Duration::from_secs(60);
/// Decoding and finding faces may take so many times as long as the recording up to the end of its last clip, or as all
/// clips together.
const SLOWEST: f64 = 20.0;
/// A slow disk, over a network, reads so many bytes a second.
const SLOWEST_DISK: f64 = 4e6;

/// How long an order may take in all.
pub(super) fn limit(order: &Order) -> Duration {
    let end = |span: &Span| span.end.map_or(span.start.0 + LONGEST.0, |end| end.0);
    let last = order.spans.iter().map(end).fold(0.0, f64::max);
    let all: f64 = order.spans.iter().map(|span| end(span) - span.start.0).sum();
    let bytes = std::fs::metadata(&order.media).map_or(0, |metadata| metadata.len());
    let seconds = SLOWEST * last.max(all) + bytes as f64 / SLOWEST_DISK;
    // Whoever asks for the end of days has no limit.
    ANY.saturating_add(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// An order in the hands of a worker.
pub(super) struct Answers<'o> {
    order: &'o Order,
    opened: bool,
    given: Vec<bool>,
    frames: usize,
}

/// What an answer means.
pub(super) enum Heard {
    /// It goes on.
    Nothing,
    /// Something was found.
    Found(Box<Found>),
    /// It is over.
    Over(Result<Cost, Error>),
}

impl<'o> Answers<'o> {
    pub(super) fn to(order: &'o Order) -> Self {
        Self { order, opened: false, given: vec![false; order.spans.len()], frames: 0 }
    }

    /// What is known of the cost of an order that was not brought to its end.
    pub(super) fn cost(&self) -> Cost {
        Cost { frames: self.frames, ..Cost::default() }
    }

    /// What the next answer means; why it is none, where it is none.
    pub(super) fn hear(&mut self, answer: Answer, bulk: Bulk) -> Result<Heard, String> {
        let found = match answer {
            Answer::Ready { .. } => return Err("it starts again".into()),
            Answer::Duration { .. } => return Err("it answers another question".into()),
            Answer::Advanced { frames } => {
                self.frames = frames;
                return Ok(Heard::Nothing);
            }
            Answer::Failed { kind, message, hint } => {
                return Ok(Heard::Over(Err(Error::Failed { kind, message, hint })));
            }
            Answer::Over { decode, faces, frames } => return self.over(decode, faces, frames),
            Answer::Opened { digest } => {
                if std::mem::replace(&mut self.opened, true) {
                    return Err("it opens the file again".into());
                }
                Found::Opened { digest: digest.parse().map_err(|error| format!("{error}"))? }
            }
            Answer::Lost(failure) => {
                self.give(failure.index)?;
                Found::Clip(Err(failure))
            }
            Answer::Clip(head) => {
                self.give(head.index)?;
                Found::Clip(Ok(self.clip(head, bulk)?))
            }
        };
        Ok(Heard::Found(Box::new(found)))
    }

    fn give(&mut self, index: usize) -> Result<(), String> {
        let wanted = self.opened && !self.order.unwanted.contains(&index);
        let given = self.given.get_mut(index).filter(|_| wanted);
        match given.map(|given| std::mem::replace(given, true)) {
            Some(false) => Ok(()),
            Some(true) => Err(format!("clip {index} again")),
            None => Err(format!("clip {index}, which was not asked for")),
        }
    }

    fn clip(&self, head: Head, bulk: Bulk) -> Result<Cut, String> {
        let asked = self.order.spans[head.index];
        let start = Seconds(f64::from_bits(head.span.0));
        let end = head.span.1.map(|bits| Seconds(f64::from_bits(bits)));
        let ends = end.is_none_or(|end| end > start && asked.end.is_none_or(|asked| end <= asked));
        if start != asked.start || !ends {
            return Err(format!("clip {} of another span", head.index));
        }
        let is_asked = |part: &Part<usize>| *part != Part::Unasked;
        if is_asked(&head.sound) != self.order.sound || is_asked(&head.picture) != self.order.faces.is_some()
        {
            return Err(format!("clip {} of other streams", head.index));
        }
        let wave = Waveform { samples: bulk.samples, rate: SampleRate::SPEECH };
        Ok(Cut {
            index: head.index,
            span: Span { start, end },
            sound: whole(head.sound, wave),
            picture: whole(head.picture, Picture { crops: bulk.crops }),
            warnings: head.warnings,
        })
    }

    fn over(&self, decode: u64, faces: u64, frames: usize) -> Result<Heard, String> {
        let given = self.given.iter().filter(|given| **given).count();
        let missing = self.given.len() - self.order.unwanted.len() - given;
        if missing > 0 {
            return Err(format!("{missing} clips are missing"));
        }
        let seconds = [decode, faces].map(f64::from_bits);
        if !seconds.iter().all(|seconds| seconds.is_finite() && *seconds >= 0.0) {
            return Err("a cost that is no number".into());
        }
        let [decode, faces] = seconds.map(Seconds);
        Ok(Heard::Over(Ok(Cost { decode, faces, frames })))
    }
}

/// A part, and what it holds.
fn whole<T>(part: Part<usize>, there: T) -> Part<T> {
    match part {
        Part::Unasked => Part::Unasked,
        Part::Absent(reason) => Part::Absent(reason),
        Part::Failed(reason) => Part::Failed(reason),
        Part::There(_) => Part::There(there),
    }
}

/// Hands on what was heard; the result, where that was the end.
pub(super) fn hand_on(
    heard: Heard,
    so_far: Cost,
    take: &mut impl FnMut(Sign) -> ControlFlow<()>,
) -> ControlFlow<Ended> {
    let sign = match heard {
        Heard::Nothing => Sign::Alive { frames: so_far.frames },
        Heard::Found(found) => Sign::Found(*found),
        Heard::Over(result) => return ControlFlow::Break(Ended { result, in_the_middle: false }),
    };
    match take(sign) {
        ControlFlow::Continue(()) => ControlFlow::Continue(()),
        ControlFlow::Break(()) => ControlFlow::Break(Ended { result: Ok(so_far), in_the_middle: true }),
    }
}

/// The end of an order.
pub(super) struct Ended {
    pub(super) result: Result<Cost, Error>,
    /// Whether the worker is busy with it still.
    pub(super) in_the_middle: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_with_what_is_asked() {
        let order = |spans: &[(f64, Option<f64>)]| Order {
            unwanted: std::collections::BTreeSet::new(),
            media: "absent.mp4".into(),
            spans: spans
                .iter()
                .map(|(start, end)| Span { start: Seconds(*start), end: end.map(Seconds) })
                .collect(),
            sound: true,
            faces: None,
            decoder: affekt_media::Decoder::Cpu,
        };
        let seconds = |spans: &[(f64, Option<f64>)]| limit(&order(spans)).as_secs();
        assert_eq!(seconds(&[]), 60);
        assert_eq!(seconds(&[(0.0, Some(1.0)), (9.0, Some(10.0))]), 60 + 200);
        assert_eq!(seconds(&[(0.0, Some(10.0)), (0.0, Some(10.0))]), 60 + 400);
        assert_eq!(seconds(&[(30.0, None)]), 60 + 3_000);
        assert_eq!(limit(&order(&[(0.0, Some(f64::MAX))])), Duration::MAX);
    }
}
