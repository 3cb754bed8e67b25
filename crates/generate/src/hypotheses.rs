//! Ended candidates, and when they are good enough.

use crate::Scorer;

/// A text and where its tokens came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Path {
    /// Generated tokens.
    pub tokens: Vec<u32>,
    /// For every token, the beam slot whose state chose it.
    pub slots: Vec<usize>,
}

impl Path {
    /// The path with one more token, chosen at beam slot `slot`.
    pub fn with(&self, token: u32, slot: usize) -> Self {
        let mut longer = self.clone();
        longer.tokens.push(token);
        longer.slots.push(slot);
        longer
    }
}

/// An ended text with its final score.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hypothesis {
    pub score: f64,
    pub path: Path,
}

/// The best ended texts of a search, as many as there are beams.
#[derive(Debug)]
pub(crate) struct Hypotheses {
    scorer: Scorer,
    capacity: usize,
    /// In the order in which they ended.
    kept: Vec<Hypothesis>,
}

impl Hypotheses {
    pub fn new(scorer: Scorer, capacity: usize) -> Self {
        Self { scorer, capacity, kept: Vec::new() }
    }

    /// Score of a text of `length` tokens, or of the one that would be, by sum of log-probabilities.
    ///
    /// 5.x divides in f32, 4.35 in f64: a hypothesis may win by the last bit.
    pub fn score(&self, sum: f32, length: usize) -> f64 {
        match self.scorer {
            Scorer::Hf5 => f64::from(sum / length as f32),
            Scorer::Hf4 => f64::from(sum) / length as f64,
        }
    }

    /// Takes a text that the end token, its last, has ended.
    pub fn end(&mut self, sum: f32, path: Path) {
        let length = match self.scorer {
            Scorer::Hf5 => path.tokens.len(),
            // 4.35 divides by zero, an error, where the text is the end token alone.
            Scorer::Hf4 => (path.tokens.len() - 1).max(1),
        };
        self.add(self.score(sum, length), path);
    }

    /// Takes a text that the limit of tokens has cut off.
    pub fn cut(&mut self, sum: f32, path: Path) {
        self.add(self.score(sum, path.tokens.len()), path);
    }

    fn add(&mut self, score: f64, path: Path) {
        // 5.x fills its list with placeholders of -1e9, which candidates of beams that never started do not beat.
        if self.scorer == Scorer::Hf5 && score <= -1e9 {
            return;
        }
        if self.is_full() {
            if score <= self.worst() {
                return;
            }
            self.evict();
        }
        self.kept.push(Hypothesis { score, path });
    }

    /// Removes the worst; of equals 4.35 gives up the first to end, 5.x the last.
    fn evict(&mut self) {
        let worst = self.worst();
        let is_worst = |kept: &Hypothesis| kept.score == worst;
        let at = match self.scorer {
            Scorer::Hf5 => self.kept.iter().rposition(is_worst),
            Scorer::Hf4 => self.kept.iter().position(is_worst),
        };
        if let Some(at) = at {
            self.kept.remove(at);
        }
    }

    /// As many as there are beams.
    pub fn is_full(&self) -> bool {
        self.kept.len() == self.capacity
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Lowest score kept.
    pub fn worst(&self) -> f64 {
        self.kept.iter().map(|kept| kept.score).fold(f64::INFINITY, f64::min)
    }

    /// The winner; of equals 5.x takes the first to end, 4.35 the last.
    pub fn into_best(self) -> Option<Hypothesis> {
        let best = self.kept.iter().map(|kept| kept.score).fold(f64::NEG_INFINITY, f64::max);
        let mut winners = self.kept.into_iter().filter(|kept| kept.score == best);
        match self.scorer {
            Scorer::Hf5 => winners.next(),
            Scorer::Hf4 => winners.next_back(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(tokens: &[u32]) -> Path {
        Path { tokens: tokens.to_vec(), slots: vec![0; tokens.len()] }
    }

    #[test]
    fn the_end_token_counts_in_5_and_not_in_4_35() {
        for (scorer, score) in [(Scorer::Hf5, -2.0), (Scorer::Hf4, -3.0)] {
            let mut hypotheses = Hypotheses::new(scorer, 2);
            hypotheses.end(-6.0, path(&[5, 6, 2]));
            assert_eq!(hypotheses.into_best().unwrap().score, score);
        }
        let mut alone = Hypotheses::new(Scorer::Hf4, 2);
        alone.end(-6.0, path(&[2]));
        assert_eq!(alone.into_best().unwrap().score, -6.0);
    }

    #[test]
    fn the_best_are_kept_and_equals_follow_the_release() {
        for (scorer, survivors, winner) in [(Scorer::Hf5, [1, 3], 3), (Scorer::Hf4, [2, 3], 3)] {
            let mut hypotheses = Hypotheses::new(scorer, 2);
            hypotheses.cut(-2.0, path(&[1]));
            hypotheses.cut(-2.0, path(&[2]));
            hypotheses.cut(-3.0, path(&[4]));
            hypotheses.cut(-1.0, path(&[3]));
            let kept: Vec<u32> = hypotheses.kept.iter().map(|kept| kept.path.tokens[0]).collect();
            assert_eq!(kept, survivors);
            assert_eq!(hypotheses.into_best().unwrap().path.tokens, [winner]);
        }
    }
}
