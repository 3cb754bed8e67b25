//! What the clips add up to: in all, and by recording.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{DISAGREES, Judged};

/// Bands of the word error rate: ten tenths, and one for 1 and more.
pub const BANDS: usize = 11;

/// What all clips add up to. Rates are of clips with a hypothesis.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Clips with a transcript.
    pub clips: usize,
    /// Clips without one: they are not in this report.
    pub without_transcript: usize,
    /// Of the clips, those that were compared.
    pub compared: usize,
    /// Those without a hypothesis.
    pub without_hypothesis: usize,
    /// Those with a hypothesis that could not be compared.
    pub incomparable: usize,
    /// Word errors of all compared clips.
    pub word_errors: usize,
    /// Words of their transcripts.
    pub words: usize,
    /// Word error rate of the corpus: all errors over all words; `None` where nothing was compared.
    pub wer: Option<f64>,
    /// Character error rate of the corpus.
    pub cer: Option<f64>,
    /// The word error rate that half of the clips do not exceed.
    pub median_wer: Option<f64>,
    /// Compared clips by word error rate: from 0 in tenths, the last band 1 and more.
    pub bands: [usize; BANDS],
    /// Compared clips above [`DISAGREES`], those that looped, refused or were capped among them.
    pub disagreeing: usize,
    /// Hypotheses that have run into a loop.
    pub looped: usize,
    /// Hypotheses that refuse.
    pub refused: usize,
    /// Hypotheses that the limit of tokens ended.
    pub capped: usize,
    /// Hypotheses that fit another time of their recording.
    pub shifted: usize,
    /// Recordings of which clips were compared.
    pub recordings: usize,
    /// Recordings of at least two compared clips that all disagree, failed generations aside.
    pub disagreeing_recordings: usize,
    /// Recordings whose timestamps seem to be wrong.
    pub shifted_recordings: usize,
}

/// What the compared clips of a recording add up to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recording {
    /// The recording.
    pub media: String,
    /// Its compared clips.
    pub clips: usize,
    /// Those that looped, refused or were capped: they tell nothing of the timestamps.
    pub flagged: usize,
    /// Of the others, those above [`DISAGREES`].
    pub disagreeing: usize,
    /// Mean of their word error rates, each counted as 1 at most: one loop says little of a recording.
    pub mean_wer: f64,
    /// All word errors over all words.
    pub wer: f64,
    /// Clips whose words fit another time.
    pub shifted: usize,
    /// Where at least half of the disagreeing clips, and two, fit a later time, or an earlier one: by how many seconds.
    pub shift: Option<CommonShift>,
}

/// By how many seconds the timestamps of a recording seem to be late; early where that is negative.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CommonShift {
    /// The median.
    pub seconds: f64,
    /// The least.
    pub from: f64,
    /// The most: far from the least where the clocks of sound and transcript drift apart.
    pub to: f64,
    /// Clips that tell so.
    pub clips: usize,
}

impl Recording {
    /// Whether it has at least two clips that are not flagged, and all of these disagree.
    pub fn disagrees(&self) -> bool {
        let telling = self.clips - self.flagged;
        telling > 1 && self.disagreeing == telling
    }
}

/// The recordings, the worst first: by mean word error rate, then by the share of clips that disagree, then by name.
pub fn recordings(clips: &[Judged]) -> Vec<Recording> {
    let mut by_media: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for clip in clips.iter().filter(|clip| clip.errors.is_some()) {
        if let Some(media) = &clip.compared.media {
            by_media.entry(media).or_default().push(clip);
        }
    }
    let mut recordings: Vec<Recording> =
        by_media.into_iter().map(|(media, clips)| recording(media, &clips)).collect();
    let share = |one: &Recording| one.disagreeing as f64 / one.clips as f64;
    recordings.sort_by(|one, other| {
        other.mean_wer.total_cmp(&one.mean_wer).then(share(other).total_cmp(&share(one)))
    });
    recordings
}

fn recording(media: &str, clips: &[&Judged]) -> Recording {
    let rates = || clips.iter().filter_map(|clip| clip.errors);
    let errors: usize = rates().map(|rate| rate.word_errors).sum();
    let words: usize = rates().map(|rate| rate.words).sum();
    let disagreeing = clips.iter().filter(|clip| clip.disagrees()).count();
    let shifts: Vec<f64> = clips.iter().filter_map(|clip| Some(clip.shift.as_ref()?.seconds)).collect();
    Recording {
        media: media.into(),
        clips: clips.len(),
        flagged: clips.iter().filter(|clip| clip.flagged()).count(),
        disagreeing,
        mean_wer: rates().map(|rate| rate.wer.min(1.0)).sum::<f64>() / clips.len() as f64,
        wer: errors as f64 / words as f64,
        shifted: shifts.len(),
        shift: common(&shifts, disagreeing),
    }
}

/// The direction that enough clips share.
fn common(shifts: &[f64], disagreeing: usize) -> Option<CommonShift> {
    let (late, early): (Vec<f64>, Vec<f64>) = shifts.iter().partition(|shift| **shift > 0.0);
    let mut shared = if late.len() >= early.len() { late } else { early };
    shared.sort_by(f64::total_cmp);
    let (from, to) = (*shared.first()?, *shared.last()?);
    let common = CommonShift { seconds: median(shared.clone())?, from, to, clips: shared.len() };
    (shared.len() >= 2 && 2 * shared.len() >= disagreeing).then_some(common)
}

/// The value in the middle, the lower one of two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

impl Totals {
    /// Adds up.
    pub(super) fn of(clips: &[Judged], recordings: &[Recording], without_transcript: usize) -> Self {
        let count = |is: fn(&&Judged) -> bool| clips.iter().filter(is).count();
        let rates = || clips.iter().filter_map(|clip| clip.errors);
        let sum = |of: fn(&crate::ErrorRate) -> usize| rates().map(|rate| of(&rate)).sum::<usize>();
        let over = |errors: usize, all: usize| (all > 0).then(|| errors as f64 / all as f64);
        let (word_errors, words) = (sum(|rate| rate.word_errors), sum(|rate| rate.words));
        let mut bands = [0; BANDS];
        // The tenths as a reader sees them: 0.3 is not the 0.29999 of floating point.
        rates().for_each(|rate| bands[(10 * rate.word_errors / rate.words).min(BANDS - 1)] += 1);
        Self {
            clips: clips.len(),
            without_transcript,
            compared: rates().count(),
            without_hypothesis: count(|clip| clip.compared.hypothesis.is_none()),
            incomparable: count(|clip| clip.compared.hypothesis.is_some() && clip.errors.is_none()),
            word_errors,
            words,
            wer: over(word_errors, words),
            cer: over(sum(|rate| rate.char_errors), sum(|rate| rate.chars)),
            median_wer: median(rates().map(|rate| rate.wer).collect()),
            bands,
            disagreeing: rates().filter(|rate| rate.wer > DISAGREES).count(),
            looped: count(|clip| clip.compared.looped),
            refused: count(|clip| clip.compared.refused),
            capped: count(|clip| clip.compared.capped),
            shifted: count(|clip| clip.shift.is_some()),
            recordings: recordings.len(),
            disagreeing_recordings: recordings.iter().filter(|one| one.disagrees()).count(),
            shifted_recordings: recordings.iter().filter(|one| one.shift.is_some()).count(),
        }
    }
}
