//! Frames to the windows that they belong to, and in each window to the speaker's face.

use std::time::Instant;

use affekt_core::{Frame, Seconds};
use affekt_faces::{FaceDetector, FaceTrack, Tracker};
use crossbeam_channel::{Receiver, Sender};

use super::clock::Meter;
use super::recording::{Clip, Heard, Job};
use super::sampler::{Sampler, Snapshot};
use crate::Error;
use crate::cut::ROUNDING;
use crate::windows::{Cutter, Window};

/// What comes from the picture's decoder.
pub(super) enum Sight {
    /// The next frame.
    Frame(Frame),
    /// The picture is over, and when.
    End(Seconds),
}

/// A stretch of the recording in the making.
struct Stretch {
    start: f64,
    /// Where its sound ends; for one without sound, where it shall end.
    end: f64,
    /// Frames from here on belong to the next.
    limit: f64,
    heard: Option<Window>,
    several: bool,
    /// Whether the sound goes on behind it.
    goes_on: bool,
}

/// The frames on their way, with one that was looked at and belongs to the next window.
struct Sights {
    receiver: Receiver<Sight>,
    carried: Option<Frame>,
    end: Option<f64>,
}

impl Sights {
    /// The next frame; `None` when the picture is over.
    fn next(&mut self) -> Option<Frame> {
        if let Some(frame) = self.carried.take() {
            return Some(frame);
        }
        match self.receiver.recv() {
            Ok(Sight::Frame(frame)) => Some(frame),
            Ok(Sight::End(end)) => {
                self.end = Some(end.0);
                None
            }
            Err(_) => None,
        }
    }

    /// Whether there is another frame.
    fn has_more(&mut self) -> bool {
        self.carried = self.next();
        self.carried.is_some()
    }
}

/// Makes clips of sound and frames.
pub(super) struct Watcher {
    heard: Receiver<Heard>,
    sights: Sights,
    /// Where the last stretch ended.
    reached: f64,
    /// Where the recording is said to end.
    declared: Option<f64>,
    index: usize,
    sampler: Option<Sampler>,
}

impl Watcher {
    pub(super) fn new(
        job: &Job<'_>,
        heard: Receiver<Heard>,
        receiver: Receiver<Sight>,
        sampler: Option<Sampler>,
    ) -> Self {
        let declared = job.declared_end();
        let sights = Sights { receiver, carried: None, end: None };
        Self { heard, sights, reached: job.span.start.0, declared, index: 0, sampler }
    }

    /// Sends every clip; returns the sampled frames. Ends early when nobody takes clips any more.
    pub(super) fn run(
        mut self,
        detector: &mut dyn FaceDetector,
        clips: &Sender<Clip>,
        meter: &Meter,
        advanced: &dyn Fn(usize),
    ) -> Result<Vec<Snapshot>, Error> {
        let mut done = 0;
        while let Some(stretch) = self.next_stretch() {
            let track = self.watch(&stretch, detector, meter, &mut done, advanced)?;
            if clips.send(self.close(stretch, track)).is_err() {
                break;
            }
        }
        Ok(self.sampler.map(Sampler::finish).unwrap_or_default())
    }

    /// The next window of the sound; behind the sound, one of the picture alone.
    fn next_stretch(&mut self) -> Option<Stretch> {
        let Ok(Heard { window, several, last }) = self.heard.recv() else { return self.silent_stretch() };
        let (start, end) = (window.span.start.0, window.span.end.map_or(f64::INFINITY, |end| end.0));
        let most = if several { Cutter::MOST.0 } else { Cutter::WHOLE.0 + ROUNDING };
        // A picture that outlasts the sound belongs to the last window, as far as that may grow.
        let limit = if last { start + most } else { end };
        Some(Stretch { start, end, limit, heard: Some(window), several, goes_on: !last })
    }

    /// Without sound there are no pauses: what is left of the picture is divided evenly.
    fn silent_stretch(&mut self) -> Option<Stretch> {
        if !self.sights.has_more() {
            return None;
        }
        let start = self.reached;
        let rest = self.declared.map(|end| end - start).filter(|rest| *rest > 0.0);
        let whole = |rest: &f64| self.index == 0 && *rest <= Cutter::WHOLE.0 + ROUNDING;
        let (length, limit) = match rest {
            Some(rest) if whole(&rest) => (rest, Cutter::WHOLE.0 + ROUNDING),
            Some(rest) => {
                let count = (rest / Cutter::MOST.0).ceil();
                // The last one may grow: headers round.
                (rest / count, if count > 1.0 { rest / count } else { Cutter::MOST.0 })
            }
            None => (Cutter::MOST.0, Cutter::MOST.0),
        };
        let several = self.index > 0 || rest.is_none_or(|rest| rest > length);
        Some(Stretch {
            start,
            end: start + length,
            limit: start + limit,
            heard: None,
            several,
            goes_on: false,
        })
    }

    fn watch(
        &mut self,
        stretch: &Stretch,
        detector: &mut dyn FaceDetector,
        meter: &Meter,
        done: &mut usize,
        advanced: &dyn Fn(usize),
    ) -> Result<FaceTrack, Error> {
        let mut tracker = Tracker::new(detector);
        let mut position = 0;
        while let Some(frame) = self.sights.next() {
            if frame.time.0 >= stretch.limit {
                self.sights.carried = Some(frame);
                break;
            }
            let start = Instant::now();
            if let Some(sampler) = &mut self.sampler {
                sampler.see(position, &frame);
            }
            tracker.push(frame)?;
            meter.tracked_since(start);
            position += 1;
            *done += 1;
            advanced(*done);
        }
        let start = Instant::now();
        let track = tracker.finish()?;
        if let Some(sampler) = &mut self.sampler {
            sampler.settle(&track);
        }
        meter.tracked_since(start);
        Ok(track)
    }

    /// The clip, and where it ends: with the later of its sound and its picture.
    fn close(&mut self, stretch: Stretch, track: FaceTrack) -> Clip {
        let Stretch { start, end, limit, heard, several, goes_on } = stretch;
        let picture_end = match (&self.sights.carried, self.sights.end) {
            (Some(_), _) => Some(limit),
            (None, picture_end) => picture_end.or(track.times.last().map(|time| time.0)),
        };
        let picture_end = picture_end.map(|end| end.min(limit));
        let end = match &heard {
            Some(_) => end.max(picture_end.unwrap_or(end)),
            None => picture_end.unwrap_or(end),
        };
        self.reached = end;
        self.index += 1;
        let samples = heard.map(|window| window.samples).unwrap_or_default();
        Clip {
            index: self.index - 1,
            several,
            last: !goes_on && self.sights.carried.is_none(),
            start: Seconds(start).rounded(),
            end: Seconds(end).rounded(),
            waveform: Clip::waveform(samples),
            track,
        }
    }
}
