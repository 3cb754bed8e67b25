//! A run, or an evaluation, as a block for people.

use std::fmt::{Result, Write};

use affekt_core::Seconds;

use super::Training;
use crate::duration;
use crate::metrics::{Gap, Metric};
use crate::page::number::{counted, grouped};
use crate::table::on_one_line;

impl Training {
    /// What the run reaches: every metric of every flow on every split, fully named, with its samples; gaps, the rule of the
    /// choice, warnings. It ends in a line break.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> Result {
        let Self { method, name, seed, device, .. } = self;
        let spent = duration(Seconds(self.seconds.total));
        let did = match self.epochs.len() {
            0 => "evaluated".to_owned(),
            epochs => counted(epochs, "epoch", "epochs"),
        };
        let parameters = grouped(self.parameters);
        let name = on_one_line(name);
        writeln!(
            out,
            "{name}: method {method}, seed {seed}, {parameters} parameters; {did} on {device}, {spent}"
        )?;
        self.choice(out)?;
        for split in self.judged_splits() {
            for flow in &self.flows {
                if let Some(outcome) = self.outcome(split, flow) {
                    writeln!(out, "\n{flow} on {split}\n{}", outcome.metrics.summary().trim_end())?;
                }
            }
            self.gaps(out, split)?;
        }
        if !self.warnings.is_empty() {
            writeln!(out)?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(out, "warning: {}", on_one_line(warning)))
    }

    fn choice(&self, out: &mut String) -> Result {
        let chosen = &self.chosen;
        if chosen.epoch == 0 {
            return writeln!(out, "chosen by: {}", on_one_line(&chosen.rule));
        }
        let phase =
            if chosen.phase.is_empty() { String::new() } else { format!(" of phase {}", chosen.phase) };
        let value = chosen.value.map_or_else(String::new, |value| format!(": {}", Metric::Mae.shown(value)));
        writeln!(
            out,
            "parameters of epoch {}{phase}, chosen by: {}{value}",
            chosen.epoch,
            on_one_line(&chosen.rule)
        )
    }

    /// Between the first flow, which has everything, and each other one.
    fn gaps(&self, out: &mut String, split: &str) -> Result {
        let Some((first, others)) = self.flows.split_first() else { return Ok(()) };
        for other in others {
            let outcomes = self.outcome(split, first).zip(self.outcome(split, other));
            let Some((of_first, of_other)) = outcomes else { continue };
            let gap = Gap::between(&of_first.metrics, &of_other.metrics);
            writeln!(out, "\ngap between {first} and {other} on {split}")?;
            let gaps = [
                (Metric::Mae, Some(gap.mae)),
                (Metric::Acc2Has0, Some(gap.acc2_has0)),
                (Metric::Acc2Non0, gap.acc2_non0),
            ];
            let width = gaps.iter().map(|(metric, _)| metric.title().len()).max().unwrap_or_default();
            for (metric, gap) in gaps {
                let gap = gap.map_or_else(|| "undefined".into(), |gap| metric.shown(gap));
                writeln!(out, "  {:width$}  {gap:>8}", metric.title())?;
            }
        }
        Ok(())
    }
}
