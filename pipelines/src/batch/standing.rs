//! How a run stands, once a second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use affekt_core::{Event, Reporter, Seconds, Stage, StageStanding, Standing};
use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::Crew;
use super::ledger::{Ledger, Reading};

/// How often the caller hears of it.
const INTERVAL: Duration = Duration::from_secs(1);
/// Rates are means over so many seconds.
const WINDOW: usize = 60;
/// Before so many clips are through, what is left cannot be estimated.
const FEW: usize = 3;

/// Looks at a run from outside.
pub struct Watch<'a> {
    ledger: &'a Ledger<'a>,
    reporter: &'a dyn Reporter,
    /// How many threads the stages have.
    crew: Crew,
    /// Clips that wait for each stage.
    waiting: &'a (dyn Fn(Stage) -> usize + Sync),
    past: VecDeque<(Instant, Vec<(Stage, Reading)>)>,
}

impl<'a> Watch<'a> {
    /// Of the run of `ledger`.
    pub fn new(
        ledger: &'a Ledger<'a>,
        reporter: &'a dyn Reporter,
        crew: Crew,
        waiting: &'a (dyn Fn(Stage) -> usize + Sync),
    ) -> Self {
        let past = VecDeque::from([(ledger.started(), ledger.readings())]);
        Self { ledger, reporter, crew, waiting, past }
    }

    /// Reports until `end` is closed, and once more then.
    pub fn run(mut self, end: &Receiver<()>) {
        while end.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            self.report();
        }
        self.report();
    }

    fn report(&mut self) {
        let now = (Instant::now(), self.ledger.readings());
        let standing = self.standing(&now);
        self.past.push_back(now);
        if self.past.len() > WINDOW {
            self.past.pop_front();
        }
        self.reporter.report(&Event::Standing(standing));
    }

    fn standing(&self, (now, readings): &(Instant, Vec<(Stage, Reading)>)) -> Standing {
        let counts = self.ledger.counts();
        let elapsed = now.duration_since(self.ledger.started()).as_secs_f64();
        let (since, past) = self.past.front().expect("the start is kept until something newer is");
        let time = now.duration_since(*since).as_secs_f64().max(1e-9);
        let stages = readings.iter().zip(past).map(|((stage, reading), (_, past))| {
            let waiting = (self.waiting)(*stage);
            stage_standing((*stage, reading), past, time, self.crew, waiting)
        });
        let stages: Vec<StageStanding> = stages.collect();
        let left = (counts.through >= FEW.min(counts.total))
            .then(|| elapsed / counts.through.max(1) as f64 * (counts.total - counts.through) as f64);
        Standing {
            elapsed: Seconds(elapsed).rounded(),
            total: counts.total,
            done: counts.through,
            committed: counts.committed,
            failed: counts.failed,
            limit: limit(&stages),
            left: left.map(|left| Seconds(left).rounded()),
            stages,
        }
    }
}

/// What a stage did between two readings, `time` seconds apart, by the threads of `crew`; writing has one.
fn stage_standing(
    (stage, reading): (Stage, &Reading),
    past: &Reading,
    time: f64,
    crew: Crew,
    waiting: usize,
) -> StageStanding {
    let threads = match stage {
        Stage::Decode => crew.workers,
        Stage::Write => 1,
        _ => crew.devices,
    };
    let threads = threads.max(1) as f64;
    StageStanding {
        stage,
        done: reading.done,
        total: reading.total,
        per_second: (reading.done - past.done) as f64 / time,
        busy: ((reading.busy.0 - past.busy.0) / (time * threads)).clamp(0.0, 1.0),
        waiting,
    }
}

/// The stage that the others waited for in a whole run of `elapsed`.
pub fn limit_of(readings: &[(Stage, Reading)], elapsed: Seconds, crew: Crew) -> Option<Stage> {
    let time = elapsed.0.max(1e-9);
    let none = Reading::default();
    let standing =
        |(stage, reading): &(Stage, Reading)| stage_standing((*stage, reading), &none, time, crew, 0);
    limit(&readings.iter().map(standing).collect::<Vec<_>>())
}

/// The stage that the others wait for: the busiest of the thread that is busiest.
fn limit(stages: &[StageStanding]) -> Option<Stage> {
    let groups = [
        &[Stage::Decode][..],
        &[Stage::Audio, Stage::Video, Stage::Recognise, Stage::Text, Stage::Simulate],
        &[Stage::Write],
    ];
    let of = |group: &[Stage]| -> Vec<&StageStanding> {
        stages.iter().filter(|standing| group.contains(&standing.stage)).collect()
    };
    let busy = |group: &[Stage]| of(group).iter().map(|standing| standing.busy).sum::<f64>();
    let busiest = groups.into_iter().max_by(|a, b| busy(a).total_cmp(&busy(b)))?;
    let stage = of(busiest).into_iter().max_by(|a, b| a.busy.total_cmp(&b.busy))?;
    (stage.busy > 0.0).then_some(stage.stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_of_one_thread_limit_together() {
        let standing =
            |stage, busy| StageStanding { stage, done: 0, total: 1, per_second: 0.0, busy, waiting: 0 };
        let (decode, audio) = (standing(Stage::Decode, 0.6), standing(Stage::Audio, 0.3));
        let (video, write) = (standing(Stage::Video, 0.5), standing(Stage::Write, 0.1));
        assert_eq!(limit(&[decode.clone(), audio, video, write]), Some(Stage::Video));
        assert_eq!(limit(&[decode]), Some(Stage::Decode));
        assert_eq!(limit(&[standing(Stage::Decode, 0.0)]), None);
    }
}
