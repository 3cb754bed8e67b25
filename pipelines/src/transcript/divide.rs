//! Plain text over windows.

use affekt_core::Seconds;

use super::words::{ends_sentence, words};

/// How many words a border moves for the end of a sentence, at most.
const FEW: usize = 3;

/// See [`super::Transcript::divide`].
pub fn over(text: &str, speech: &[Seconds]) -> Vec<Option<String>> {
    let words = words(text);
    let ends_at = |border: usize| border > 0 && ends_sentence(&text[words[border - 1].clone()]);
    let wanted = borders(words.len(), speech);
    let mut start = 0;
    let mut parts = Vec::with_capacity(speech.len());
    for (at, &border) in wanted.iter().enumerate() {
        // Neither this window nor the next loses its last word to the other.
        let next = wanted.get(at + 1).copied().unwrap_or(border);
        let last = (border + FEW).min(next.saturating_sub(1));
        let room = (border.saturating_sub(FEW).max(start + 1)..=last).filter(|&near| ends_at(near));
        let nearest =
            room.min_by_key(|near| near.abs_diff(border)).filter(|_| border > start && next > border);
        let end = nearest.unwrap_or(border).max(start);
        let part = &words[start..end];
        parts.push(part.first().zip(part.last()).map(|(first, last)| text[first.start..last.end].to_owned()));
        start = end;
    }
    parts
}

/// Where each window's words end, were sentences of no matter. Rounding the running sum leaves out no word.
fn borders(count: usize, speech: &[Seconds]) -> Vec<usize> {
    let heard = |seconds: &Seconds| if seconds.0.is_finite() { seconds.0.max(0.0) } else { 0.0 };
    let silent = speech.iter().all(|seconds| heard(seconds) == 0.0);
    let weights: Vec<f64> = speech.iter().map(|seconds| if silent { 1.0 } else { heard(seconds) }).collect();
    let total: f64 = weights.iter().sum();
    let sums = weights.iter().scan(0.0, |sum, weight| {
        *sum += weight;
        Some(*sum)
    });
    sums.map(|sum| (sum / total * count as f64).round() as usize).collect()
}
