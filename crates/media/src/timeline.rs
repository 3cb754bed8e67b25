//! One mono signal at 16 kHz, built from blocks of samples that say when they sound, and handed out as it grows.
//!
//! Output sample n sounds at exactly n / 16000 s, whatever span is asked for: each resampled run of blocks begins at an
//! input sample that coincides with an output sample, so that a span equals the same stretch of the whole.

use std::ops::Range;

use affekt_core::{SampleRate, Seconds};
use ffmpeg_next::Error;

use crate::ffi::{Block, BlockSpec, Resampler};
use crate::outlet::Outlet;
use crate::time::{gcd, latest_credible};
use crate::warning::{Track, Warning};

/// Timestamps that are off by less than this are jitter: blocks stay joined. Half a frame of video.
const JITTER: f64 = 0.02;
/// Steps back by more than this are a clock that was set anew, not an overlap.
const OVERLAP: f64 = 1.0;
/// How much input beyond the end the resampling filter can look at.
pub(crate) const TAIL: f64 = 0.05;
/// All gaps together last at most this long, in seconds: damaged timestamps must not make days of silence.
const MOST_SILENCE: f64 = 6.0 * 3_600.0;
/// Silence is handed out in pieces of so many samples.
const SILENCE: [f32; 4_096] = [0.0; 4_096];
/// Louder samples, full scale being 1, come from damage. Files of floating-point numbers may hold those of 32-bit integers,
/// but nothing beyond.
const LOUDEST: f32 = 4_294_967_296.0;

const OUT: u32 = SampleRate::SPEECH.0;

/// The signal in the making.
pub(crate) struct Timeline {
    /// Number of the span, for the caller.
    index: usize,
    span: Range<f64>,
    declared: Option<f64>,
    /// The first output sample of the span.
    first: i64,
    /// The output sample that is handed out next.
    cursor: i64,
    stopped: bool,
    run: Option<Run>,
    chunk: Vec<f32>,
    gaps: usize,
    gap_seconds: f64,
    /// Stretches that no microphone gives, and samples in them.
    silenced: (usize, usize),
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
    /// For the samples of `span` number `index`, seconds from time zero (the end may be infinite), of a recording whose
    /// header says that it lasts `declared` seconds.
    pub(crate) fn new(index: usize, span: Range<f64>, declared: Option<f64>) -> Self {
        let first = Seconds(span.start).to_samples(SampleRate::SPEECH) as i64;
        Self {
            index,
            span,
            declared,
            first,
            cursor: first,
            stopped: false,
            run: None,
            chunk: Vec::new(),
            gaps: 0,
            gap_seconds: 0.0,
            silenced: (0, 0),
            end: None,
        }
    }

    /// Takes a block that starts `at` input samples after time zero, or right after the last one if unknown.
    pub(crate) fn take(
        &mut self,
        block: &Block<'_>,
        at: Option<i64>,
        outlet: &mut Outlet<'_>,
    ) -> Result<(), Error> {
        let (count, spec) = (block.samples() as i64, block.spec());
        if count == 0 || self.stopped {
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
            self.finish_run(self.span.end, outlet)?;
            // Joined blocks of another format continue where the last one ended.
            self.run = Some(Run::start(spec, expected.filter(|_| joined).unwrap_or(at))?);
        }
        let run = self.run.as_mut().expect("a run was just started where there was none");
        run.resampler.convert(block, &mut self.chunk)?;
        run.next += count;
        self.end = Some(self.end.unwrap_or(0.0).max(run.next as f64 / rate));
        self.write(self.span.end, outlet);
        Ok(())
    }

    /// Whether what sounds at `time` belongs to the span.
    pub(crate) fn wants(&self, time: f64) -> bool {
        self.span.contains(&time)
    }

    /// Whether everything that the span needs has come, or the caller broke off.
    pub(crate) fn is_complete(&self) -> bool {
        let run = self.run.as_ref();
        self.stopped
            || run.is_some_and(|run| run.next as f64 / f64::from(run.spec.rate) >= self.span.end + TAIL)
    }

    /// Whether the caller broke off.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Where the last block ended, in seconds from time zero; `None` before the first.
    pub(crate) fn end(&self) -> Option<f64> {
        self.end
    }

    /// What was strange.
    pub(crate) fn warning(&self) -> Option<Warning> {
        let (track, count, lasting) = (Track::Audio, self.gaps, Seconds(self.gap_seconds));
        (count > 0).then_some(Warning::Gaps { track, count, lasting })
    }

    /// How many stretches were no sound and are silent now, and their seconds.
    pub(crate) fn silenced(&self) -> (usize, f64) {
        let (places, samples) = self.silenced;
        (places, SampleRate::SPEECH.seconds(samples).0)
    }

    /// Hands out the rest up to `end` seconds, silence where nothing sounded; gives the number of samples in all.
    pub(crate) fn finish(mut self, end: f64, outlet: &mut Outlet<'_>) -> Result<usize, Error> {
        self.finish_run(end, outlet)?;
        self.fill(Seconds(end).to_samples(SampleRate::SPEECH) as i64, outlet);
        Ok((self.cursor - self.first) as usize)
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
        let latest = latest.min(known + MOST_SILENCE - self.gap_seconds);
        let set_back = expected.is_some_and(|expected| ((expected - at) as f64) > OVERLAP * rate);
        if set_back || at as f64 > latest * rate { fallback } else { at }
    }

    fn finish_run(&mut self, end: f64, outlet: &mut Outlet<'_>) -> Result<(), Error> {
        if let Some(run) = &mut self.run {
            run.resampler.finish(&mut self.chunk)?;
            self.write(end, outlet);
            self.run = None;
        }
        Ok(())
    }

    /// Hands out the resampled chunk, without what is before the span, after `end` seconds or already out.
    fn write(&mut self, end: f64, outlet: &mut Outlet<'_>) {
        let run = self.run.as_mut().expect("only called while there is a run");
        let start = run.place;
        run.place += self.chunk.len() as i64;
        let last = match end.is_finite() {
            true => Seconds(end).to_samples(SampleRate::SPEECH) as i64,
            false => i64::MAX,
        };
        let (from, to) = (start.max(self.cursor), run.place.min(last));
        if from < to {
            self.fill(from, outlet);
            let heard = &mut self.chunk[(from - start) as usize..(to - start) as usize];
            if !self.stopped {
                let (places, samples) = silence(heard);
                self.silenced = (self.silenced.0 + places, self.silenced.1 + samples);
                self.stopped = outlet.hear(self.index, self.cursor, heard).is_break();
                self.cursor = to;
            }
        }
        self.chunk.clear();
    }

    /// Hands out silence up to the output sample `to`.
    fn fill(&mut self, to: i64, outlet: &mut Outlet<'_>) {
        while self.cursor < to && !self.stopped {
            let count = (to - self.cursor).min(SILENCE.len() as i64);
            self.stopped = outlet.hear(self.index, self.cursor, &SILENCE[..count as usize]).is_break();
            self.cursor += count;
        }
    }
}

/// Silences what is no number, or too large a one; gives its stretches and its samples.
///
/// Done last, sample by sample, so that a span still equals the same stretch of the whole.
fn silence(samples: &mut [f32]) -> (usize, usize) {
    let (mut places, mut count, mut last) = (0, 0, false);
    for sample in samples {
        let is_sound = sample.abs() <= LOUDEST;
        if !is_sound {
            *sample = 0.0;
            count += 1;
            places += usize::from(!last);
        }
        last = !is_sound;
    }
    (places, count)
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
    use std::ops::ControlFlow;

    use super::*;
    use crate::ffi::Layout;
    use crate::outlet::Piece;
    use crate::spans::Step;

    const RATE: u32 = 44_100;

    fn tone(range: Range<usize>) -> Vec<f32> {
        range.map(|n| (n as f32 * 0.05).sin() * 0.5).collect()
    }

    fn feed(timeline: &mut Timeline, range: Range<usize>, at: i64, outlet: &mut Outlet<'_>) {
        let planes = [tone(range)];
        let layout = Layout { channels: 1, mask: None };
        let block = Block::Planes { planes: &planes, rate: RATE, layout };
        timeline.take(&block, Some(at), outlet).unwrap();
    }

    struct Heard {
        samples: Vec<f32>,
        end: Option<f64>,
        warning: Option<Warning>,
    }

    /// What a timeline over `span` makes of tones, each given by its samples and its place.
    fn hear(span: Range<f64>, declared: f64, tones: &[(Range<usize>, i64)]) -> Heard {
        let mut samples = Vec::new();
        let mut on_piece = |step: Step<'_>| {
            let Step::Piece { span: 3, piece: Piece::Sound { start, samples: heard } } = step else {
                panic!("there is nothing but sound")
            };
            let place = span.start + samples.len() as f64 / f64::from(OUT);
            assert!((start.0 - place).abs() < 1e-9);
            samples.extend_from_slice(heard);
            ControlFlow::Continue(())
        };
        let mut outlet = Outlet::new(&mut on_piece);
        let mut timeline = Timeline::new(3, span.clone(), Some(declared));
        for (range, at) in tones {
            feed(&mut timeline, range.clone(), *at, &mut outlet);
        }
        let (end, warning) = (timeline.end(), timeline.warning());
        let count = timeline.finish(span.end.min(declared), &mut outlet).unwrap();
        assert_eq!(count, samples.len());
        Heard { samples, end, warning }
    }

    #[test]
    fn a_span_equals_the_same_stretch_of_the_whole() {
        let whole = hear(0.0..f64::INFINITY, 2.0, &[(0..88_200, 0)]);
        assert_eq!(whole.samples.len(), 32_000);
        let part = hear(1.0..1.5, 2.0, &[(30_001..88_200, 30_001)]);
        assert_eq!(part.samples, whole.samples[16_000..24_000]);
    }

    #[test]
    fn gaps_are_silent_and_overlaps_are_cut() {
        let tones = [(0..22_050, 0), (44_100..66_150, 44_100), (61_740..88_200, 61_740)];
        let heard = hear(0.0..f64::INFINITY, 2.0, &tones);
        assert_eq!(heard.end, Some(2.0));
        let gap = Warning::Gaps { track: Track::Audio, count: 1, lasting: Seconds(0.5) };
        assert_eq!(heard.warning, Some(gap));
        assert!(heard.samples[8_100..15_900].iter().all(|sample| *sample == 0.0));
        assert_eq!(heard.samples.len(), 32_000);
    }

    #[test]
    fn what_is_no_number_is_silenced_where_it_stands() {
        let sound = hear(0.0..f64::INFINITY, 1.0, &[(0..44_100, 0)]);
        let mut samples = tone(0..44_100);
        samples[11_025] = f32::NAN;
        (samples[22_050], samples[33_075]) = (f32::INFINITY, -1e30);
        let mut heard = Vec::new();
        let mut on_piece = |step: Step<'_>| {
            let Step::Piece { piece: Piece::Sound { samples, .. }, .. } = step else {
                panic!("there is nothing but sound")
            };
            heard.extend_from_slice(samples);
            ControlFlow::Continue(())
        };
        let mut outlet = Outlet::new(&mut on_piece);
        let mut timeline = Timeline::new(3, 0.0..f64::INFINITY, Some(1.0));
        let planes = [samples];
        let block = Block::Planes { planes: &planes, rate: RATE, layout: Layout { channels: 1, mask: None } };
        timeline.take(&block, Some(0), &mut outlet).unwrap();
        let (places, seconds) = timeline.silenced();
        timeline.finish(1.0, &mut outlet).unwrap();
        assert_eq!((places, heard.len()), (3, sound.samples.len()));
        let differ = heard.iter().zip(&sound.samples).filter(|(one, other)| one != other).count();
        assert!(seconds < 0.02 && differ < 320, "{seconds} s, {differ} samples");
        assert!(heard.iter().all(|sample| sample.abs() < 1.0));
    }

    #[test]
    fn impossible_timestamps_do_not_stretch_the_recording() {
        let tones = [(0..22_050, 0), (22_050..33_075, i64::MAX / 8), (33_075..44_100, -44_100)];
        let heard = hear(0.0..f64::INFINITY, 1.0, &tones);
        assert_eq!(heard.end, Some(1.0));
    }

    #[test]
    fn days_of_gaps_are_not_believed() {
        let hour = 3_600 * i64::from(RATE);
        let tones: Vec<_> = (0..48).map(|n| (0..4_410, n * hour)).collect();
        let mut longest = 0;
        let mut on_piece = |step: Step<'_>| {
            let Step::Piece { piece: Piece::Sound { samples, .. }, .. } = step else {
                panic!("there is nothing but sound")
            };
            longest = longest.max(samples.len());
            ControlFlow::Continue(())
        };
        let mut outlet = Outlet::new(&mut on_piece);
        let mut timeline = Timeline::new(3, 0.0..f64::INFINITY, Some(1e9));
        for (range, at) in tones {
            feed(&mut timeline, range, at, &mut outlet);
        }
        assert!(timeline.end().unwrap() < MOST_SILENCE + 60.0);
        assert!(longest <= SILENCE.len());
    }

    #[test]
    fn breaking_off_ends_the_sound() {
        let mut pieces = 0;
        let mut on_piece = |_: Step<'_>| {
            pieces += 1;
            ControlFlow::Break(())
        };
        let mut outlet = Outlet::new(&mut on_piece);
        let mut timeline = Timeline::new(3, 0.0..f64::INFINITY, Some(2.0));
        for n in 0..4 {
            feed(&mut timeline, 0..22_050, n * 22_050, &mut outlet);
        }
        assert!(timeline.is_complete() && timeline.is_stopped());
        timeline.finish(2.0, &mut outlet).unwrap();
        assert_eq!(pieces, 1);
    }
}
