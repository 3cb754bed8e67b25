//! A long recording cut into windows at its pauses, while its sound streams in.
//!
//! # Where a cut lies
//! A recording of at most [`Cutter::WHOLE`] (30 s) is one window: the networks take that much at once. A longer one is
//! cut as soon as more than 30 s from the start of the window are there, and the choice looks at those 30 s alone, so it
//! does not depend on how the sound was delivered, and never more than 30 s are held.
//!
//! - **Inside a recording** the cut lies 10 to 20 s from the start of the window. What is left is longer than 10 s, so
//!   no cut leaves a stub.
//! - **At its end**, a rest of at most 20 s is one window. One of 20 to 30 s is cut in two, neither shorter than 8 s nor
//!   longer than 20 s.
//!
//! In both ranges the middle weighs most and the two ends half as much: at the end of a recording this balances the two
//! windows. Of the pauses whose cut falls into the range, the one with the largest product of length and weight wins;
//! lengths over 1 s count as 1 s, because a longer pause parts sentences no better. The cut lies in the middle of the
//! pause, or as near to it as the range allows; then its distance to the speech counts as half the length. What is a
//! pause is told in `windows/activity.rs`, by loudness alone. Where there is none of 0.06 s, which is the closure of a
//! stop inside a word, the cut lies in the quietest 0.2 s, with up to 3 dB held against places far from the middle.

mod activity;

use affekt_core::{SampleRate, Seconds, Span};

use activity::{Activity, FRAME, Levels};

/// One window with its sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Where it lies in the recording; its end is always known.
    pub span: Span,
    /// Its sound, mono at 16 kHz.
    pub samples: Vec<f32>,
    /// How much of it is speech: 0 for silence.
    pub speech: Seconds,
}

/// Cuts sound that arrives piece by piece. The windows tile it: no sample is lost or doubled.
#[derive(Debug)]
pub struct Cutter {
    /// Time of the first sample ever.
    start: Seconds,
    /// Samples already handed out.
    done: usize,
    /// Samples since the last cut: at most those of [`Cutter::WHOLE`] and one.
    held: Vec<f32>,
    /// Levels of the whole frames of `held`.
    levels: Levels,
    /// Whether the recording is longer than one window, however short its sound.
    long: bool,
}

/// [`Cutter::WHOLE`] in samples.
const WHOLE: usize = 30 * RATE;
/// [`Cutter::MOST`] in samples.
const MOST: usize = 20 * RATE;
/// No cut inside a recording lies nearer to the start of its window.
const LEAST_INSIDE: usize = 10 * RATE;
/// Neither of the two windows at the end is shorter.
const LEAST_AT_END: usize = 8 * RATE;
/// Pauses longer than this (in frames) are no better.
const LONG_PAUSE: f64 = 100.0;
/// Shorter ones (in frames) are no pauses.
const SHORT_PAUSE: f64 = 6.0;
/// Frames over which the quietest place is sought where nothing is a pause.
const QUIET: usize = 20;
/// Decibels held against a quiet place at the ends of the range.
const FAR: f64 = 3.0;
const RATE: usize = SampleRate::SPEECH.0 as usize;

impl Cutter {
    /// A recording up to this long is one window.
    pub const WHOLE: Seconds = Seconds((WHOLE / RATE) as f64);
    /// No window of a longer recording is longer than this.
    pub const MOST: Seconds = Seconds((MOST / RATE) as f64);

    /// A cutter for sound that starts at `start` in its recording.
    pub fn new(start: Seconds) -> Self {
        Self { start, done: 0, held: Vec::new(), levels: Levels::default(), long: false }
    }

    /// The same for a recording that is known to be longer than [`Self::WHOLE`], however short its sound: then even sound
    /// of less than that is cut.
    pub fn of_long(self, long: bool) -> Self {
        Self { long, ..self }
    }

    /// Takes the next samples, mono at 16 kHz, and returns the windows that are complete now: usually none.
    pub fn push(&mut self, mut samples: &[f32]) -> Vec<Window> {
        let mut windows = Vec::new();
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(WHOLE + 1 - self.held.len()));
            self.held.extend_from_slice(now);
            samples = later;
            if self.held.len() > WHOLE {
                windows.push(self.cut_inside());
            }
        }
        windows
    }

    /// The rest: no window where there was no sound at all, else one or two.
    pub fn finish(mut self) -> Vec<Window> {
        let rest = self.held.len();
        self.levels.read_rest(&self.held);
        let activity = self.levels.activity();
        // The first window may be the whole recording, and then up to 30 s long.
        if rest <= MOST || (self.done == 0 && !self.long) {
            return if rest == 0 { Vec::new() } else { vec![self.split(rest, &activity)] };
        }
        let least = LEAST_AT_END.max(rest - MOST);
        let cut = best_cut(&activity, least, rest - least);
        let first = self.split(cut, &activity);
        let activity = activity.after(cut / FRAME);
        let second = self.split(rest - cut, &activity);
        vec![first, second]
    }

    fn cut_inside(&mut self) -> Window {
        self.levels.read(&self.held);
        let activity = self.levels.activity();
        let cut = best_cut(&activity, LEAST_INSIDE, MOST);
        self.split(cut, &activity)
    }

    /// Takes the first `length` samples, whose activity is known, off as a window.
    fn split(&mut self, length: usize, activity: &Activity) -> Window {
        let time = |samples: usize| Seconds(self.start.0 + SampleRate::SPEECH.seconds(samples).0);
        let span = Span { start: time(self.done), end: Some(time(self.done + length)) };
        let speech = activity.speech(length);
        self.done += length;
        self.levels.forget(length / FRAME);
        // A copy, because what is split off a large buffer would keep all of its memory.
        let samples = self.held.drain(..length).collect();
        Window { span, samples, speech }
    }
}

/// The sample at which to cut, on the border of two frames, from `first` to `last`.
fn best_cut(activity: &Activity, first: usize, last: usize) -> usize {
    // Frames that begin in the range: the tail's range is not made of whole ones.
    let (first, last) = (first.div_ceil(FRAME), last / FRAME);
    let middle = (first + last) as f64 / 2.0;
    let half = ((last - first) as f64 / 2.0).max(1.0);
    let distance = |cut: usize| (cut as f64 - middle).abs() / half; // 0 in the middle, 1 at the ends
    let in_pause = activity.pauses().filter_map(|pause| {
        let cut = ((pause.start + pause.end) / 2).clamp(first, last);
        let to_speech = cut.checked_sub(pause.start)?.min(pause.end.checked_sub(cut)?);
        let length: f64 = 2.0 * to_speech as f64;
        let worth = length.min(LONG_PAUSE) * (1.0 - 0.5 * distance(cut));
        (length >= SHORT_PAUSE).then_some((cut, worth))
    });
    let in_quiet = || {
        let places = first..=last;
        places.map(|cut| (cut, -activity.level_around(cut, QUIET) - FAR * distance(cut)))
    };
    let best = |(cut, worth): (usize, f64), other: (usize, f64)| {
        if other.1 > worth { other } else { (cut, worth) }
    };
    let (cut, _) = in_pause.reduce(best).or_else(|| in_quiet().reduce(best)).unwrap_or((last, 0.0));
    cut * FRAME
}
