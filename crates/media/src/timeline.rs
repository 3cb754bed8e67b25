//! One mono waveform at 16 kHz, built from blocks of samples that say when they sound.
//!
//! Output sample n sounds at exactly n / 16000 s, whatever span is asked for: each resampled run of blocks begins at an
//! input sample that coincides with an output sample, so that a span equals the same stretch of the whole.

use std::ops::Range;

use affekt_core::{SampleRate, Seconds, Waveform};
use ffmpeg_next::Error;

use crate::ffi::{Block, BlockSpec, Resampler};
use crate::time::{gcd, latest_credible};
use crate::warning::Warning;

/// Timestamps that are off by less than this are jitter: blocks stay joined. Half a frame of video.
const JITTER: f64 = 0.02;
/// Steps back by more than this are a clock that was set anew, not an overlap.
const OVERLAP: f64 = 1.0;
/// How much input beyond the end the resampling filter can look at.
pub(crate) const TAIL: f64 = 0.05;

const OUT: u32 = SampleRate::SPEECH.0;

/// The waveform in the making.
pub(crate) struct Timeline {
    span: Range<f64>,
    declared: Option<f64>,
    first: i64,
    samples: Vec<f32>,
    run: Option<Run>,
    chunk: Vec<f32>,
    gaps: usize,
    gap_seconds: f64,
    end: Option<f64>,
}

/// Blocks without a gap between them, through one resampler.
struct Run {
    spec: BlockSpec,
    resampler: Resampler,
    /// Where the next block is expected, in input samples from time zero.
    next: i64,
    /// Where the next resampled sample goes, in output samples from time zero.
    place: i64,
}

impl Timeline {
    /// For the samples of `span`, seconds from time zero (the end may be infinite), of a recording whose header says
    /// that it lasts `declared` seconds.
    pub(crate) fn new(span: Range<f64>, declared: Option<f64>) -> Self {
        let first = Seconds(span.start).to_samples(SampleRate::SPEECH) as i64;
        let samples = Vec::new();
        Self {
            span,
            declared,
            first,
            samples,
            run: None,
            chunk: Vec::new(),
            gaps: 0,
            gap_seconds: 0.0,
            end: None,
        }
    }

    /// Takes a block that starts `at` input samples after time zero, or right after the last one if unknown.
    pub(crate) fn take(&mut self, block: &Block<'_>, at: Option<i64>) -> Result<(), Error> {
        let (count, spec) = (block.samples() as i64, block.spec());
        if count == 0 {
            return Ok(());
        }
        let rate = f64::from(spec.rate.max(1));
        let expected = self.expected(spec.rate);
        let at = self.believe(at, expected, rate);
        let joined = expected.is_some_and(|expected| (at - expected).abs() as f64 <= JITTER * rate);
        let in_span = at as f64 > self.span.start * rate;
        if let Some(expected) = expected.filter(|expected| !joined && in_span && at > *expected) {
            self.gaps += 1;
            self.gap_seconds += (at - expected) as f64 / rate;
        }
        if !joined || self.run.as_ref().is_none_or(|run| run.spec != spec) {
            self.finish_run()?;
            // Joined blocks of another format continue where the last one ended.
            self.run = Some(Run::start(spec, expected.filter(|_| joined).unwrap_or(at))?);
        }
        let run = self.run.as_mut().expect("a run was just started where there was none");
        run.resampler.convert(block, &mut self.chunk)?;
        run.next += count;
        self.end = Some(self.end.unwrap_or(0.0).max(run.next as f64 / rate));
        self.write();
        Ok(())
    }

    /// Whether what sounds at `time` belongs to the span.
    pub(crate) fn wants(&self, time: f64) -> bool {
        self.span.contains(&time)
    }

    /// Whether everything that the span needs has come.
    pub(crate) fn is_complete(&self) -> bool {
        let run = self.run.as_ref();
        run.is_some_and(|run| run.next as f64 / f64::from(run.spec.rate) >= self.span.end + TAIL)
    }

    /// Where the last block ended, in seconds from time zero; `None` before the first.
    pub(crate) fn end(&self) -> Option<f64> {
        self.end
    }

    /// What was strange.
    pub(crate) fn warning(&self) -> Option<Warning> {
        (self.gaps > 0).then_some(Warning::Gaps { count: self.gaps, lasting: Seconds(self.gap_seconds) })
    }

    /// The waveform up to `end` seconds, silent where nothing sounded.
    pub(crate) fn finish(mut self, end: f64) -> Result<Waveform, Error> {
        self.finish_run()?;
        let last = Seconds(end).to_samples(SampleRate::SPEECH) as i64;
        self.samples.resize((last - self.first).max(0) as usize, 0.0);
        Ok(Waveform { samples: self.samples, rate: SampleRate::SPEECH })
    }

    /// Where the next block is expected, in samples of `rate`; `None` before the first.
    fn expected(&self, rate: u32) -> Option<i64> {
        let run = self.run.as_ref()?;
        let scaled = i128::from(run.next) * i128::from(rate) / i128::from(run.spec.rate);
        Some(scaled as i64)
    }

    /// The time that a block claims, or the time that is expected where the claim cannot be true.
    fn believe(&self, at: Option<i64>, expected: Option<i64>, rate: f64) -> i64 {
        let fallback = expected.unwrap_or(0);
        let Some(at) = at else { return fallback };
        let known = expected.map_or(self.span.start, |expected| expected as f64 / rate);
        let latest = latest_credible(self.declared, known);
        let set_back = expected.is_some_and(|expected| ((expected - at) as f64) > OVERLAP * rate);
        if set_back || at as f64 > latest * rate { fallback } else { at }
    }

    fn finish_run(&mut self) -> Result<(), Error> {
        if let Some(run) = &mut self.run {
            run.resampler.finish(&mut self.chunk)?;
            self.write();
            self.run = None;
        }
        Ok(())
    }

    /// Moves the resampled chunk to its place, leaving out what is before or after the span or already there.
    fn write(&mut self) {
        let run = self.run.as_mut().expect("only called while there is a run");
        let start = run.place;
        run.place += self.chunk.len() as i64;
        let cursor = self.first + self.samples.len() as i64;
        let last = if self.span.end.is_finite() {
            Seconds(self.span.end).to_samples(SampleRate::SPEECH) as i64
        } else {
            i64::MAX
        };
        let (from, to) = (start.max(cursor), run.place.min(last));
        if from < to {
            self.samples.resize((from - self.first) as usize, 0.0);
            self.samples.extend_from_slice(&self.chunk[(from - start) as usize..(to - start) as usize]);
        }
        self.chunk.clear();
    }
}

impl Run {
    /// A run whose first block starts `at` input samples after time zero.
    fn start(spec: BlockSpec, at: i64) -> Result<Self, Error> {
        let mut resampler = Resampler::new(&spec, OUT)?;
        // Every `step`-th input sample coincides with an output sample: silence fills up from the last such one.
        let step = i64::from(spec.rate) / gcd(u128::from(spec.rate), u128::from(OUT)) as i64;
        let early = at.rem_euclid(step);
        if early > 0 {
            resampler.inject_silence(early as usize)?;
        }
        let place = (at - early) / step * (step * i64::from(OUT) / i64::from(spec.rate));
        Ok(Self { spec, resampler, next: at, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::Layout;

    const RATE: u32 = 44_100;

    fn tone(range: Range<usize>) -> Vec<f32> {
        range.map(|n| (n as f32 * 0.05).sin() * 0.5).collect()
    }

    fn feed(timeline: &mut Timeline, range: Range<usize>, at: i64) {
        let planes = [tone(range)];
        let layout = Layout { channels: 1, mask: None };
        timeline.take(&Block::Planes { planes: &planes, rate: RATE, layout }, Some(at)).unwrap();
    }

    #[test]
    fn a_span_equals_the_same_stretch_of_the_whole() {
        let mut whole = Timeline::new(0.0..f64::INFINITY, Some(2.0));
        feed(&mut whole, 0..88_200, 0);
        let whole = whole.finish(2.0).unwrap();
        assert_eq!(whole.samples.len(), 32_000);
        let mut part = Timeline::new(1.0..1.5, Some(2.0));
        feed(&mut part, 30_001..88_200, 30_001);
        assert!(part.is_complete());
        let part = part.finish(1.5).unwrap();
        assert_eq!(part.samples, whole.samples[16_000..24_000]);
    }

    #[test]
    fn gaps_are_silent_and_overlaps_are_cut() {
        let mut timeline = Timeline::new(0.0..f64::INFINITY, Some(2.0));
        feed(&mut timeline, 0..22_050, 0);
        feed(&mut timeline, 44_100..66_150, 44_100);
        feed(&mut timeline, 61_740..88_200, 61_740);
        assert_eq!(timeline.end(), Some(2.0));
        assert_eq!(timeline.warning(), Some(Warning::Gaps { count: 1, lasting: Seconds(0.5) }));
        let wave = timeline.finish(2.0).unwrap();
        assert!(wave.samples[8_100..15_900].iter().all(|sample| *sample == 0.0));
        assert_eq!(wave.samples.len(), 32_000);
    }

    #[test]
    fn impossible_timestamps_do_not_stretch_the_recording() {
        let mut timeline = Timeline::new(0.0..f64::INFINITY, Some(1.0));
        feed(&mut timeline, 0..22_050, 0);
        feed(&mut timeline, 22_050..33_075, i64::MAX / 8);
        feed(&mut timeline, 33_075..44_100, -44_100);
        assert_eq!(timeline.end(), Some(1.0));
    }
}
