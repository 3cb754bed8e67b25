//! How the learning rate goes.

use serde::{Deserialize, Serialize};

use crate::Error;

/// Linear warm-up, then a factor every few epochs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Epochs of warm-up: epoch e, from 0, has (e + 1) / warmup of the rate. 0 for none.
    pub warmup: usize,
    /// What the rate is multiplied by ..
    pub factor: f64,
    /// .. every so many epochs after the warm-up.
    pub every: usize,
}

impl Default for Schedule {
    /// The paper's: 5 epochs of warm-up, then 0.9 every 10.
    fn default() -> Self {
        Self { warmup: 5, factor: 0.9, every: 10 }
    }
}

impl Schedule {
    /// Checks that the settings have a meaning.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.factor > 0.0 && self.factor <= 1.0) {
            let value = self.factor.to_string();
            return Err(Error::Setting {
                name: "schedule.factor",
                value,
                wanted: "it must be above 0 and at most 1",
            });
        }
        if self.every == 0 {
            return Err(Error::Setting {
                name: "schedule.every",
                value: "0".into(),
                wanted: "it must be at least 1 (a factor of 1 switches the steps off)",
            });
        }
        Ok(())
    }

    /// What the rate is multiplied by in `epoch`, from 0.
    pub fn at(&self, epoch: usize) -> f64 {
        if epoch < self.warmup {
            return (epoch + 1) as f64 / self.warmup as f64;
        }
        let steps = (epoch + 1 - self.warmup) / self.every;
        self.factor.powi(i32::try_from(steps).unwrap_or(i32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_schedule() {
        let schedule = Schedule::default();
        for (epoch, factor) in [(0, 0.2), (3, 0.8), (4, 1.0), (5, 1.0), (13, 1.0), (14, 0.9), (24, 0.81)] {
            assert!((schedule.at(epoch) - factor).abs() < 1e-12, "{epoch}");
        }
        assert_eq!(Schedule { warmup: 0, factor: 1.0, every: 1 }.at(0), 1.0);
    }

    #[test]
    fn settings_without_a_meaning_are_refused() {
        for (schedule, name) in [
            (Schedule { factor: 0.0, ..Schedule::default() }, "factor"),
            (Schedule { factor: f64::NAN, ..Schedule::default() }, "factor"),
            (Schedule { every: 0, ..Schedule::default() }, "every"),
        ] {
            assert!(schedule.check().unwrap_err().to_string().contains(name));
        }
    }
}
