//! What is said of a batch run, and when. Nothing is printed here, and the only clock is the run's own.

use affekt_core::{Event, FeatureKind, Seconds, Standing};
use affekt_report::table::on_one_line;

use super::log;

/// How often a log and programs hear how a run stands.
const INTERVAL: Seconds = Seconds(30.0);
/// Failures that are shown one by one.
const SHOWN: usize = 20;

/// A batch run as its events tell it.
#[derive(Debug, Default)]
pub struct Batch {
    /// Intervals that have been told.
    intervals: u64,
    /// How it stands, where that has not been told to programs.
    untold: Option<Standing>,
    /// Whether it has been told at all how it stands.
    stands: bool,
    failures: usize,
}

/// Something to say, and to whom.
#[derive(Debug, PartialEq)]
pub enum Told<'e> {
    /// The event itself, to programs.
    Data,
    /// A line of a log.
    Log(String),
    /// A line that stays on the terminal, above what is drawn.
    Above(String),
    /// What is drawn on the terminal.
    Frame(&'e Standing),
}

impl Batch {
    /// Whether the run has said how it stands: from then on, that is what a terminal shows.
    pub fn stands(&self) -> bool {
        self.stands
    }

    /// What is to be said of an event.
    pub fn hear<'e>(&mut self, event: &'e Event) -> Vec<Told<'e>> {
        match event {
            Event::Standing(standing) => self.stand(standing),
            Event::Committed { .. } | Event::Warned { .. } => vec![Told::Data],
            Event::Shrunk { device, stage, unit, first, last } => {
                let line = format!(
                    "warning: the memory of {device} does not hold a batch of {}: {last} {unit} at once from here on, \
                     {first} before",
                    stage.name()
                );
                vec![Told::Data, Told::Log(line.clone()), Told::Above(line)]
            }
            Event::Failed { clip, features, stage, reason } => {
                let features: Vec<&str> = features.iter().copied().map(FeatureKind::name).collect();
                let (features, stage) = (features.join(", "), stage.name());
                self.fail(format!("failed: {clip} ({features}) at {stage}: {}", on_one_line(reason)))
            }
            _ => Vec::new(),
        }
    }

    /// How the run stood last, where programs have not been told: due at its end.
    pub fn rest(&mut self) -> Option<Event> {
        self.untold.take().map(Event::Standing)
    }

    fn stand<'e>(&mut self, standing: &'e Standing) -> Vec<Told<'e>> {
        self.stands = true;
        let mut told = vec![Told::Frame(standing)];
        let intervals = (standing.elapsed.0 / INTERVAL.0) as u64;
        if intervals > self.intervals {
            self.intervals = intervals;
            self.untold = None;
            told.extend([Told::Data, Told::Log(log::line(standing))]);
        } else {
            self.untold = Some(standing.clone());
        }
        told
    }

    fn fail<'e>(&mut self, line: String) -> Vec<Told<'e>> {
        self.failures += 1;
        let mut told = vec![Told::Data];
        if self.failures <= SHOWN {
            told.push(Told::Above(line));
        } else if self.failures == SHOWN + 1 {
            let more = "more failures: see the summary at the end, or the run record";
            told.push(Told::Above(more.into()));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use affekt_core::{ClipId, Stage};

    use super::*;

    fn standing(elapsed: f64) -> Event {
        let (stages, elapsed) = (Vec::new(), Seconds(elapsed));
        Event::Standing(Standing {
            elapsed,
            total: 9,
            done: 3,
            committed: 2,
            failed: 0,
            stages,
            limit: None,
            left: None,
        })
    }

    fn failure(reason: &str) -> Event {
        Event::Failed {
            clip: ClipId::new("a_1").unwrap(),
            features: vec![FeatureKind::Audio, FeatureKind::Video],
            stage: Stage::Decode,
            reason: reason.into(),
        }
    }

    #[test]
    fn logs_and_programs_hear_of_a_run_twice_a_minute() {
        let mut batch = Batch::default();
        let heard = |elapsed: f64, batch: &mut Batch| {
            let event = standing(elapsed);
            let told = batch.hear(&event);
            assert!(matches!(told[0], Told::Frame(_)), "a terminal is drawn anew each time");
            let data = told.contains(&Told::Data);
            assert_eq!(told.iter().any(|told| matches!(told, Told::Log(_))), data);
            data
        };
        let told: Vec<f64> = (0..2_000)
            .map(f64::from)
            .map(|tenths| tenths / 10.0)
            .filter(|at| heard(*at, &mut batch))
            .collect();
        assert_eq!(told, [30.0, 60.0, 90.0, 120.0, 150.0, 180.0], "the first after an interval");
        assert!(heard(250.0, &mut batch), "late by a whole interval");
        assert!(!heard(255.0, &mut batch) && heard(270.5, &mut batch));
    }

    #[test]
    fn programs_hear_how_it_ended() {
        let mut batch = Batch::default();
        assert_eq!(batch.rest(), None);
        batch.hear(&standing(12.0));
        batch.hear(&standing(13.0));
        assert_eq!(batch.rest(), Some(standing(13.0)));
        assert_eq!(batch.rest(), None, "once");
        batch.hear(&standing(31.0));
        assert_eq!(batch.rest(), None, "told at the interval");
    }

    #[test]
    fn failures_are_data_at_once_and_the_first_of_them_lines() {
        let mut batch = Batch::default();
        let event = failure("cannot be read:\n\u{1b}[2Jno frames");
        let line = r"failed: a_1 (audio, video) at decode: cannot be read:\n\u{1b}[2Jno frames";
        assert_eq!(batch.hear(&event), [Told::Data, Told::Above(line.into())]);
        let above: Vec<String> = (0..50)
            .flat_map(|_| {
                let event = failure("no");
                let lines = batch.hear(&event).into_iter().filter_map(|told| match told {
                    Told::Above(line) => Some(line),
                    _ => None,
                });
                lines.collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(above.len(), SHOWN, "19 failures and where the others are");
        assert!(above[SHOWN - 2].starts_with("failed: ") && above[SHOWN - 1].starts_with("more "));
        let (feature, shard) = (FeatureKind::Text, "part-1.safetensors".to_owned());
        assert_eq!(batch.hear(&Event::Committed { feature, clips: 4, shard }), [Told::Data]);
    }
}
