//! Recordings to clips.

use std::collections::BTreeSet;

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use affekt_core::{Reporter, Span, Stage};
use affekt_media::{Decoder, Want, stream_spans};

use super::{Cutting, Material, Means, Measured, Stages, begin};
use crate::bench::clock::Spent;
use crate::bench::{Clips, Error};
use crate::cut::{Cost, Cut, Found, Order, Part, Sign};
use crate::isolate::{self, Pool, Settings, memory_of};

/// Bytes of crops and sound that are kept for the networks.
const KEPT: usize = 1 << 30;

/// Decoding alone, then the whole way to the crops by one worker and by all; what the last of them made.
pub fn measure(
    clips: &Clips,
    means: &Means<'_>,
    stages: &mut Stages,
    reporter: &dyn Reporter,
) -> Result<Vec<Material>, Error> {
    begin(Stage::Decode, reporter);
    if !means.looks() {
        let (passed, spent) = pass(clips, means, means.workers)?;
        stages.measured.push(Measured { in_flow: true, ..row(Stage::Decode, means.workers, clips, spent) });
        return passed.close(stages);
    }
    let third = clips.third();
    let ((), spent) = Spent::on(|| decode(&third, means))?;
    stages.measured.push(row(Stage::Decode, 1, &third, spent));
    begin(Stage::Faces, reporter);
    if means.workers > 1 {
        let (_, spent) = pass(&third, means, 1)?;
        stages.measured.push(row(Stage::Faces, 1, &third, spent));
    }
    let (passed, spent) = pass(clips, means, means.workers)?;
    stages.measured.push(Measured { in_flow: true, ..row(Stage::Faces, means.workers, clips, spent) });
    passed.close(stages)
}

fn row(stage: Stage, workers: usize, clips: &Clips, spent: Spent) -> Measured {
    let (seconds, video_seconds) = (clips.seconds(), clips.video_seconds());
    Measured { stage, workers, in_flow: false, clips: clips.rows.len(), seconds, video_seconds, spent }
}

/// Decodes the clips in this process, by one thread, one pass over each recording, and looks at nothing.
fn decode(clips: &Clips, means: &Means<'_>) -> Result<(), Error> {
    let want = Want { audio: means.hears(), video: means.looks(), by: Decoder::Cpu };
    clips.recordings.iter().try_for_each(|(media, rows)| {
        let spans: Vec<Span> = rows.iter().map(|row| clips.rows[*row].span).collect();
        Ok(stream_spans(media, &spans, want, 1, |_| ControlFlow::Continue(()))?)
    })
}

/// What came of a pass over all recordings.
#[derive(Default)]
struct Passed {
    cut: Cutting,
    kept: Vec<Material>,
    bytes: usize,
    failed: usize,
    /// Why the first of them failed.
    reason: Option<String>,
}

impl Passed {
    fn close(mut self, stages: &mut Stages) -> Result<Vec<Material>, Error> {
        stages.cutting = self.cut;
        stages.failed += self.failed;
        if self.kept.is_empty() {
            return Err(Error::Nothing { reason: self.reason.unwrap_or_else(|| "no clip came back".into()) });
        }
        self.kept.sort_by_key(|material| material.row);
        Ok(self.kept)
    }

    fn take(&mut self, row: usize, cut: Cut) {
        let waveform = if let Part::There(sound) = cut.sound { Some(sound) } else { None };
        let crops = if let Part::There(picture) = cut.picture { picture.crops } else { Vec::new() };
        self.cut.with_face += crops.iter().flatten().count();
        let sound = waveform.as_ref().map_or(0, |waveform| 4 * waveform.samples.len());
        let bytes = sound + crops.iter().flatten().map(|crop| crop.data.len()).sum::<usize>();
        if self.kept.is_empty() || self.bytes + bytes <= KEPT {
            self.bytes += bytes;
            let seconds = cut.span.duration().map_or(0.0, |time| time.0);
            self.kept.push(Material { row, seconds, waveform, crops });
        }
    }

    fn fail(&mut self, clips: usize, reason: &str) {
        self.failed += clips;
        self.reason.get_or_insert_with(|| reason.to_owned());
    }

    fn add(&mut self, cost: Cost) {
        self.cut.decode += cost.decode.0;
        self.cut.faces += cost.faces.0;
        self.cut.frames += cost.frames;
    }
}

/// All recordings by so many workers, which start and end with it.
fn pass(clips: &Clips, means: &Means<'_>, workers: usize) -> Result<(Passed, Spent), Error> {
    Spent::on(|| {
        let memory = memory_of(Decoder::Cpu, means.detector);
        let settings = Settings { workers, memory, ..Settings::default() };
        let pool = Pool::start(means.program.clone(), settings)?;
        let (next, passed) = (AtomicUsize::new(0), Mutex::new(Passed::default()));
        let work = || {
            while let Some(recording) = clips.recordings.get(next.fetch_add(1, Ordering::Relaxed)) {
                cut(clips, means, recording, &pool, &passed)?;
            }
            Ok(())
        };
        let done: Result<(), Error> = thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect::<Vec<_>>().into_iter().collect()
        });
        done?;
        Ok(passed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    })
}

fn cut(
    clips: &Clips,
    means: &Means<'_>,
    (media, rows): &(std::path::PathBuf, Vec<usize>),
    pool: &Pool,
    passed: &Mutex<Passed>,
) -> Result<(), Error> {
    let order = Order {
        media: media.clone(),
        spans: rows.iter().map(|row| clips.rows[*row].span).collect(),
        unwanted: BTreeSet::new(),
        sound: means.hears(),
        faces: means.looks().then(|| means.detector.clone()),
        decoder: Decoder::Cpu,
    };
    let mut left = rows.len();
    let lock = || passed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let cost = pool.cut(&order, |sign| {
        let Sign::Found(found) = sign else { return ControlFlow::Continue(()) };
        match found {
            Found::Opened { .. } => return ControlFlow::Continue(()),
            Found::Clip(Ok(cut)) => lock().take(rows[cut.index], cut),
            Found::Clip(Err(failure)) => lock().fail(1, &failure.reason),
        }
        left = left.saturating_sub(1);
        ControlFlow::Continue(())
    });
    match cost {
        Ok(cost) => lock().add(cost),
        Err(error @ isolate::Error::NotStarted { .. }) => return Err(error.into()),
        Err(error) => lock().fail(left, &error.to_string()),
    }
    Ok(())
}
