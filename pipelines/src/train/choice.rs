//! Which epoch's parameters are kept.

use affekt_report::training::{Chosen, Outcome};

use super::Error;
use super::config::{Keep, MEAN, Selection};

/// The rule of a run, and what it has seen.
#[derive(Clone, Debug)]
pub struct Choice {
    rule: Selection,
    /// Epoch, from 1, and what the rule saw there.
    best: Option<(usize, Option<f64>)>,
}

/// What an epoch means to the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its parameters are the ones to keep so far.
    pub keep: bool,
    /// Patience is at its end.
    pub enough: bool,
}

impl Choice {
    /// Nothing seen yet. A rule that looks at a flow that the method does not have is refused.
    pub fn new(rule: &Selection, flows: &[&str]) -> Result<Self, Error> {
        if rule.keep == Keep::Best && rule.flow != MEAN && !flows.contains(&rule.flow.as_str()) {
            let known = flows.iter().chain(&[MEAN]).map(|flow| (*flow).to_owned()).collect();
            return Err(Error::NoFlow { flow: rule.flow.clone(), flows: known });
        }
        Ok(Self { rule: rule.clone(), best: None })
    }

    /// Looks at an epoch, from 1, and its outcomes on the validation split.
    pub fn see(&mut self, epoch: usize, valid: &[Outcome]) -> Seen {
        if self.rule.keep == Keep::Last {
            self.best = Some((epoch, None));
            return Seen { keep: true, enough: false };
        }
        let counted: Vec<f64> = valid
            .iter()
            .filter(|outcome| self.rule.flow == MEAN || outcome.flow == self.rule.flow)
            .map(|outcome| outcome.metrics.mae)
            .collect();
        let value = counted.iter().sum::<f64>() / counted.len() as f64;
        let keep = match self.best {
            Some((_, Some(best))) => value < best,
            _ => true,
        };
        if keep {
            self.best = Some((epoch, Some(value)));
        }
        let since = epoch - self.best.map_or(epoch, |(best, _)| best);
        Seen { keep, enough: self.rule.patience > 0 && since >= self.rule.patience }
    }

    /// What was kept in `phase`; `None` before the first epoch.
    pub fn chosen(&self, phase: &str) -> Option<Chosen> {
        let (epoch, value) = self.best?;
        let rule = match (self.rule.keep, self.rule.flow.as_str()) {
            (Keep::Last, _) => "the last epoch, fixed beforehand".to_owned(),
            (Keep::Best, MEAN) => "lowest validation MAE, mean of all flows".to_owned(),
            (Keep::Best, flow) => format!("lowest validation MAE of the flow {flow}"),
        };
        Some(Chosen { phase: phase.to_owned(), epoch, rule, value })
    }
}

#[cfg(test)]
mod tests {
    use affekt_report::metrics::Metrics;

    use super::*;

    fn valid(errors: [f64; 2]) -> Vec<Outcome> {
        let outcome = |(flow, error): (&str, f64)| Outcome {
            split: "valid".into(),
            flow: flow.into(),
            metrics: Metrics::of(&[error, 1.0 - error], &[0.0, 1.0]).unwrap(),
        };
        [("complete", errors[0]), ("text-missing", errors[1])].into_iter().map(outcome).collect()
    }

    fn kept(selection: &Selection, errors: &[[f64; 2]]) -> (Vec<bool>, Vec<bool>, Choice) {
        let mut choice = Choice::new(selection, &["complete", "text-missing"]).unwrap();
        let seen: Vec<Seen> =
            errors.iter().enumerate().map(|(at, errors)| choice.see(at + 1, &valid(*errors))).collect();
        (seen.iter().map(|s| s.keep).collect(), seen.iter().map(|s| s.enough).collect(), choice)
    }

    const ERRORS: [[f64; 2]; 4] = [[0.5, 0.5], [0.2, 0.9], [0.4, 0.4], [0.4, 0.4]];

    #[test]
    fn the_first_of_the_lowest_is_kept() {
        let (keep, enough, choice) = kept(&Selection::default(), &ERRORS);
        assert_eq!(keep, [true, false, true, false]);
        assert!(!enough.contains(&true));
        let chosen = choice.chosen("all").unwrap();
        assert_eq!(chosen.epoch, 3);
        assert!((chosen.value.unwrap() - 0.4).abs() < 1e-12);
    }

    #[test]
    fn one_flow_may_count_alone() {
        let selection = Selection { flow: "complete".into(), patience: 2, ..Selection::default() };
        let (keep, enough, choice) = kept(&selection, &ERRORS);
        assert_eq!((keep, enough), (vec![true, true, false, false], vec![false, false, false, true]));
        assert!(choice.chosen("all").unwrap().rule.contains("complete"));
        let unknown = Selection { flow: "missing".into(), ..Selection::default() };
        let error = Choice::new(&unknown, &["complete", "text-missing"]).unwrap_err().to_string();
        assert!(error.contains("missing") && error.contains("text-missing and mean"), "{error}");
    }

    #[test]
    fn the_last_epoch_looks_at_nothing() {
        let selection = Selection { keep: Keep::Last, ..Selection::default() };
        let (keep, _, choice) = kept(&selection, &[[0.1, 0.1], [0.9, 0.9]]);
        assert_eq!(keep, [true, true]);
        let chosen = choice.chosen("all").unwrap();
        assert_eq!((chosen.epoch, chosen.value), (2, None));
    }
}
