//! Wall time by stage.

use std::time::Instant;

use affekt_core::{Event, Reporter, Seconds, Stage};
use affekt_report::prediction::Timing;

use super::clip::Clip;

/// Times stages and tells of them.
pub struct Clock<'r> {
    reporter: &'r dyn Reporter,
    start: Instant,
    stages: Vec<(Stage, Seconds)>,
}

impl<'r> Clock<'r> {
    /// Starts the total.
    pub fn new(reporter: &'r dyn Reporter) -> Self {
        Self { reporter, start: Instant::now(), stages: Vec::new() }
    }

    /// Runs the two stages that overlap, decoding and faces; they time themselves.
    pub fn open<E>(
        &mut self,
        work: impl FnOnce(&(dyn Fn(usize, Option<usize>) + Sync)) -> Result<Clip, E>,
    ) -> Result<Clip, E> {
        self.reporter.report(&Event::Started { stage: Stage::Faces });
        let reporter = self.reporter;
        let stage = Stage::Faces;
        let clip = work(&|done, total| reporter.report(&Event::Advanced { stage, done, total }))?;
        self.add(Stage::Decode, clip.decode_time);
        self.add(Stage::Faces, clip.faces_time);
        Ok(clip)
    }

    /// Runs one stage; `work` may tell how far it is.
    pub fn stage<T>(&mut self, stage: Stage, work: impl FnOnce(&dyn Fn(usize, Option<usize>)) -> T) -> T {
        self.reporter.report(&Event::Started { stage });
        let start = Instant::now();
        let reporter = self.reporter;
        let result = work(&|done, total| reporter.report(&Event::Advanced { stage, done, total }));
        self.add(stage, Seconds(start.elapsed().as_secs_f64()));
        result
    }

    /// Takes down a stage that was timed elsewhere.
    pub fn add(&mut self, stage: Stage, seconds: Seconds) {
        self.stages.push((stage, seconds));
        self.reporter.report(&Event::Finished { stage, seconds });
    }

    /// All stages in the order of the flow, and the total until now.
    pub fn read(mut self) -> Timing {
        self.stages.sort_by_key(|(stage, _)| *stage);
        Timing { stages: self.stages, total: Seconds(self.start.elapsed().as_secs_f64()) }
    }
}
