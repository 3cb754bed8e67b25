//! One of the spans of a pass: what it has got so far.

use std::ops::Range;

use affekt_core::{Seconds, Span};

use crate::info::MediaInfo;
use crate::timeline::Timeline;
use crate::warning::{Track, Warning};

/// Spans that start earlier than this are decoded from the beginning: a seek would gain nothing.
pub(crate) const SEEK_FROM: f64 = 2.0;
/// Sound from so long before a span on goes into its resampler, in seconds.
const LEAD: f64 = 1.0;

/// A span on its way.
pub(crate) struct Lane {
    /// Its number for the caller.
    pub(crate) index: usize,
    pub(crate) span: Span,
    pub(crate) window: Range<f64>,
    pub(crate) sound: Option<Hearing>,
    pub(crate) picture: Option<Seeing>,
}

impl Lane {
    pub(crate) fn new(index: usize, span: Span) -> Self {
        let window = span.start.0..span.end.map_or(f64::INFINITY, |end| end.0);
        Self { index, span, window, sound: None, picture: None }
    }

    /// Gives it a place for sound; `seeks` tells whether time survives a seek in the recording.
    pub(crate) fn listen(&mut self, info: &MediaInfo, seeks: bool) {
        let timeline =
            Timeline::new(self.index, self.window.clone(), info.duration.map(|duration| duration.0));
        let deep = seeks && self.window.start >= SEEK_FROM;
        let from = if deep { self.window.start - LEAD } else { f64::NEG_INFINITY };
        self.sound = Some(Hearing { timeline, from, on_grid: deep, failed: false, damaged: 0, lost: 0.0 });
    }

    /// Gives it a place for pictures.
    pub(crate) fn look(&mut self) {
        self.picture = Some(Seeing::default());
    }

    /// Whether both streams have passed its end.
    pub(crate) fn is_complete(&self) -> bool {
        self.sound.as_ref().is_none_or(|sound| sound.timeline.is_complete())
            && self.picture.as_ref().is_none_or(|picture| picture.complete)
    }
}

/// What a span hears.
pub(crate) struct Hearing {
    pub(crate) timeline: Timeline,
    /// Blocks that end before this are not for it.
    pub(crate) from: f64,
    /// Whether coarse timestamps are made exact: as after a seek.
    pub(crate) on_grid: bool,
    /// Whether the last packet gave a block that could not be taken.
    pub(crate) failed: bool,
    pub(crate) damaged: usize,
    pub(crate) lost: f64,
}

impl Hearing {
    /// Whether a block that ends at `end` is for it; blocks of unknown time are for all.
    pub(crate) fn wants(&self, end: Option<f64>) -> bool {
        !self.timeline.is_complete() && end.is_none_or(|end| end > self.from)
    }

    /// Notes a packet of `time` that lasts `lasting` seconds and did not become sound. After a seek, the first packets
    /// may be torn: what is before the span does not count.
    pub(crate) fn note_damage(&mut self, time: Option<f64>, lasting: f64) {
        if time.is_none_or(|time| self.timeline.wants(time)) && !self.timeline.is_complete() {
            self.damaged += 1;
            self.lost += lasting;
        }
    }

    /// What could not be decoded.
    pub(crate) fn damage(&self) -> Option<Warning> {
        let (silenced, lasting) = self.timeline.silenced();
        let (count, lasting) = (self.damaged + silenced, Seconds(self.lost + lasting));
        (count > 0).then_some(Warning::Damaged { track: Track::Audio, count, lasting })
    }
}

/// What a span sees.
#[derive(Default)]
pub(crate) struct Seeing {
    /// Frames handed out.
    pub(crate) frames: usize,
    pub(crate) complete: bool,
    /// Whether the caller asked for no more frames.
    pub(crate) stopped: bool,
    /// Where the last decoded frame ends; `None` before the first.
    pub(crate) end: Option<f64>,
    pub(crate) damaged: usize,
    pub(crate) gaps: usize,
    pub(crate) gap_seconds: f64,
}

impl Seeing {
    /// Where the picture pauses.
    pub(crate) fn gaps(&self) -> Option<Warning> {
        let (track, count, lasting) = (Track::Video, self.gaps, Seconds(self.gap_seconds));
        (count > 0).then_some(Warning::Gaps { track, count, lasting })
    }

    /// What could not be decoded, where a frame lasts `step` seconds.
    pub(crate) fn damage(&self, step: f64) -> Option<Warning> {
        let lasting = Seconds(self.damaged as f64 * step);
        (self.damaged > 0).then_some(Warning::Damaged { track: Track::Video, count: self.damaged, lasting })
    }
}
