//! The book of one clip's search. It knows no model: scores come in, tokens and the rows to carry over go out, so
//! that many clips can share one forward pass.

use affekt_nn::top_k::Likeliest;

use crate::candidates::{self, Candidate, LogProbs};
use crate::hypotheses::{Hypotheses, Hypothesis, Path};
use crate::{Error, Scorer, Settings};

/// Sum of the beams that have not started: only the first one counts in the first step, else all would be equal.
const NOT_STARTED: f32 = -1e9;

/// Running beams and ended hypotheses.
pub(crate) struct Beams {
    settings: Settings,
    running: Vec<Beam>,
    hypotheses: Hypotheses,
    /// Steps taken.
    steps: usize,
}

struct Beam {
    /// Sum of log-probabilities.
    sum: f32,
    path: Path,
}

/// What to feed next.
#[derive(Debug, PartialEq)]
pub(crate) struct Next {
    /// One token a beam.
    pub tokens: Vec<u32>,
    /// The row of the scores just given that each beam continues.
    pub rows: Vec<u32>,
}

impl Beams {
    pub fn new(settings: Settings) -> Self {
        let beam = |at| Beam { sum: if at == 0 { 0.0 } else { NOT_STARTED }, path: Path::default() };
        Self {
            running: (0..settings.beams).map(beam).collect(),
            hypotheses: Hypotheses::new(settings.scorer, settings.beams),
            settings,
            steps: 0,
        }
    }

    /// Takes the logits of the next token: a row a beam, or one row where all beams stand at the same prompt.
    ///
    /// `None` when the search is over.
    pub fn advance<R: AsRef<[f32]>>(&mut self, logits: &[R]) -> Result<Option<Next>, Error> {
        let rows: Option<Vec<LogProbs>> = logits.iter().map(|row| LogProbs::of(row.as_ref())).collect();
        let rows = rows.ok_or(Error::NotFinite { step: self.steps, found: None })?;
        let candidates = candidates::best(&self.sums(), &rows, self.settings.candidates());
        Ok(self.take(&candidates, logits.len()))
    }

    /// As [`Self::advance`], with the likeliest tokens of each row, [`Settings::candidates`] or all there are.
    pub fn advance_by(&mut self, rows: &[&Likeliest]) -> Result<Option<Next>, Error> {
        if rows.iter().any(|row| row.tokens.is_empty()) {
            return Err(Error::NotFinite { step: self.steps, found: None });
        }
        let candidates = candidates::best_of(&self.sums(), rows, self.settings.candidates());
        Ok(self.take(&candidates, rows.len()))
    }

    fn sums(&self) -> Vec<f32> {
        self.running.iter().map(|beam| beam.sum).collect()
    }

    /// Books a step over `rows` rows.
    fn take(&mut self, candidates: &[Candidate], rows: usize) -> Option<Next> {
        let going_on = self.sort_out(candidates);
        self.steps += 1;
        if self.steps == self.settings.max_new_tokens {
            self.cut_off(candidates, &going_on);
            return None;
        }
        if self.is_decided(candidates, &going_on) {
            return None;
        }
        self.running = going_on.iter().map(|chosen| self.follow(chosen)).collect();
        Some(Next {
            tokens: going_on.iter().map(|chosen| chosen.token).collect(),
            rows: going_on.iter().map(|chosen| chosen.beam.min(rows - 1) as u32).collect(),
        })
    }

    /// Books the ended candidates and returns those that go on, one a beam. An ended candidate counts only if its rank
    /// is below the number of beams; lower ones are there to keep all beams running.
    fn sort_out(&mut self, candidates: &[Candidate]) -> Vec<Candidate> {
        let mut going_on = Vec::with_capacity(self.settings.beams);
        for (rank, candidate) in candidates.iter().enumerate() {
            let ended = self.settings.eos.contains(&candidate.token);
            if ended && rank < self.settings.beams {
                let path = self.follow(candidate).path;
                self.hypotheses.end(candidate.score, path);
            } else if !ended && going_on.len() < self.settings.beams {
                going_on.push(*candidate);
            }
        }
        going_on
    }

    fn follow(&self, candidate: &Candidate) -> Beam {
        let path = self.running[candidate.beam].path.with(candidate.token, candidate.beam);
        Beam { sum: candidate.score, path }
    }

    /// Books what still runs when the limit of tokens is reached: in 5.x the limit ends a candidate just as the end
    /// token does, in 4.35 all running beams become hypotheses unless the search is decided anyway.
    fn cut_off(&mut self, candidates: &[Candidate], going_on: &[Candidate]) {
        let beams = self.settings.beams;
        let cut: Vec<&Candidate> = match self.settings.scorer {
            Scorer::Hf5 => {
                let unended = |candidate: &&Candidate| !self.settings.eos.contains(&candidate.token);
                candidates.iter().take(beams).filter(unended).collect()
            }
            Scorer::Hf4 if self.is_decided(candidates, going_on) => Vec::new(),
            Scorer::Hf4 => going_on.iter().collect(),
        };
        for candidate in cut {
            let path = self.follow(candidate).path;
            self.hypotheses.cut(candidate.score, path);
        }
    }

    /// Whether nothing that still runs is expected to beat the hypotheses at hand.
    fn is_decided(&self, candidates: &[Candidate], going_on: &[Candidate]) -> bool {
        // `generate` with one beam is greedy decoding: its first end is its end.
        if self.settings.beams == 1 {
            return !self.hypotheses.is_empty();
        }
        let best = match self.settings.scorer {
            Scorer::Hf5 => going_on.first(),
            Scorer::Hf4 => candidates.first(),
        };
        let attainable = best.map_or(f64::NEG_INFINITY, |best| self.hypotheses.score(best.score, self.steps));
        self.hypotheses.is_full() && attainable <= self.hypotheses.worst()
    }

    /// The winning text.
    pub fn into_best(self) -> Result<Hypothesis, Error> {
        let step = self.steps;
        self.hypotheses.into_best().ok_or(Error::NotFinite { step, found: None })
    }

    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EOS: u32 = 2;

    fn settings(beams: usize, max_new_tokens: usize, scorer: Scorer) -> Settings {
        Settings { beams, max_new_tokens, scorer, ..Settings::default() }
    }

    /// Logits over five tokens that give token `i` the probability `p[i]`.
    fn row(p: [f32; 5]) -> Vec<f32> {
        p.map(f32::ln).to_vec()
    }

    #[test]
    fn one_beam_is_greedy_and_its_first_end_is_its_end() {
        let settings = settings(1, 10, Scorer::Hf5);
        let mut beams = Beams::new(settings);
        let next = beams.advance(&[row([0.1, 0.2, 0.3, 0.35, 0.05])]).unwrap();
        assert_eq!(next, Some(Next { tokens: vec![3], rows: vec![0] }));
        assert_eq!(beams.advance(&[row([0.1, 0.1, 0.5, 0.2, 0.1])]).unwrap(), None);
        let best = beams.into_best().unwrap();
        assert_eq!(best.path.tokens, [3, EOS]);
        assert!((best.score - f64::from((0.35_f32 * 0.5).ln() / 2.0)).abs() < 1e-6);
    }

    #[test]
    fn an_end_below_the_beams_rank_does_not_count() {
        let settings = settings(2, 2, Scorer::Hf5);
        let mut beams = Beams::new(settings);
        let next = beams.advance(&[row([0.4, 0.3, 0.2, 0.05, 0.05])]).unwrap();
        assert_eq!(next, Some(Next { tokens: vec![0, 1], rows: vec![0, 0] }));
        let flat = row([0.3, 0.3, 0.2, 0.1, 0.1]);
        assert_eq!(beams.advance(&[flat.clone(), flat]).unwrap(), None);
        assert_eq!(beams.into_best().unwrap().path.tokens, [0, 0]);
    }

    #[test]
    fn paths_remember_the_slots_that_chose_their_tokens() {
        let settings = settings(2, 3, Scorer::Hf5);
        let mut beams = Beams::new(settings);
        beams.advance(&[row([0.5, 0.4, 0.01, 0.05, 0.04])]).unwrap();
        let sure = |token: usize| {
            let mut p = [0.01; 5];
            p[token] = 0.96;
            row(p)
        };
        let unsure = row([0.2; 5]);
        // The second beam overtakes the first, so the winner moves from slot 1 to slot 0.
        let next = beams.advance(&[unsure, sure(3)]).unwrap().unwrap();
        assert_eq!((next.tokens[0], next.rows[0]), (3, 1));
        assert_eq!(beams.advance(&[sure(4), row([0.2; 5])]).unwrap(), None);
        let best = beams.into_best().unwrap();
        assert_eq!((best.path.tokens, best.path.slots), (vec![1, 3, 4], vec![0, 1, 0]));
    }

    #[test]
    fn scores_that_are_no_numbers_are_an_error() {
        let settings = settings(2, 3, Scorer::Hf5);
        let error = Beams::new(settings).advance(&[[f32::NAN; 5]]).unwrap_err();
        assert!(matches!(error, Error::NotFinite { step: 0, found: None }));
    }
}
