//! Media files with random damage, opened and cut in workers: none dies, hangs, or takes more than it may.
//!
//! A case is a number: it chooses a clip, what is done to it, and the spans that are cut. `AFFEKT_FUZZ_CASES` says how many
//! (150), `AFFEKT_FUZZ_SEED` the first (0). A failure prints its number and keeps its file.
//!
//! | module | holds |
//! |---|---|
//! | `seeds` | the clips that are damaged: every container that is known here, and real ones where there are any |
//! | `damage` | what is done to them |
//! | `random` | numbers from the number of a case |
//! | `watched` | a worker whose memory and last words are known |
//! | `contract` | what an answer has to be |
//! | `tally` | what came of all cases |
#![cfg(all(target_os = "linux", feature = "media"))]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod contract;
mod damage;
mod random;
mod seeds;
mod tally;
mod watched;

use std::collections::BTreeSet;

use std::fs::{self, OpenOptions};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use affekt_core::{Seconds, Span};
use affekt_pipelines::cut::{Cut, Detector, Failure, Found, Order, Sign};
use affekt_pipelines::isolate::{Error, Request, Speaker, Work, serve};

use random::Random;
use seeds::Seed;
use tally::{Outcome, Tally};
use watched::{PIPE, Watched};

/// Cases of a run that nobody asked for more: a part of every `cargo test`.
const CASES: u64 = 150;
/// Nothing may take longer, whether it gives signs of life or not.
const LONGEST: Duration = Duration::from_secs(30);

/// A file of this name makes a worker panic, and live on.
const PANIC: &str = "panic";

/// Run by the pools of the other tests: what `affekt worker` does.
#[test]
fn worker() {
    let Some(pipe) = std::env::var_os(PIPE) else { return };
    let mut work = Work::default();
    let pipe = OpenOptions::new().write(true).open(pipe).unwrap();
    let answer = |request: &Request, speaker: &mut Speaker<'_>| {
        if matches!(request, Request::Probe { path } if path == PANIC) {
            let _ = std::panic::catch_unwind(|| panic!("a bad header"));
        }
        work.answer(request, speaker)
    };
    serve(io::stdin(), pipe, answer).unwrap();
}

#[test]
fn a_panic_is_seen_though_the_worker_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = Watched::start(folder.path());
    for seen in [true, false, true] {
        watched.forget();
        let media = if seen { PANIC } else { "absent.mp4" };
        assert!(matches!(watched.pool.probe(Path::new(media)), Err(Error::Failed { .. })));
        let panics = watched.panics();
        assert_eq!(panics.other.is_some(), seen, "{}", panics.last_words);
        assert!(watched.peak() > 1);
    }
}

#[test]
fn no_damaged_file_costs_a_worker() {
    let (first, cases) = (number("AFFEKT_FUZZ_SEED", 0), number("AFFEKT_FUZZ_CASES", CASES));
    let folder = tempfile::tempdir().unwrap();
    let seeds = seeds::all(folder.path());
    let (next, tally) = (AtomicU64::new(first), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for thread in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (seeds, next, tally) = (&seeds, &next, &tally);
            let place = folder.path().join(thread.to_string());
            scope.spawn(move || {
                fs::create_dir(&place).unwrap();
                let mut watched = Watched::start(&place);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= first + cases {
                        break;
                    }
                    let outcome = Case::new(number, seeds, &place).run(&mut watched);
                    tally.lock().unwrap().add(number, outcome);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("{} clips, {tally}", seeds.len());
    tally.must_be_clean();
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// A damaged file, and what is asked of it.
struct Case {
    number: u64,
    /// The clip that it was.
    name: String,
    order: Order,
}

impl Case {
    fn new(number: u64, seeds: &[Seed], folder: &Path) -> Self {
        let random = &mut Random::new(number);
        let seed = random.choose(seeds);
        let bytes = damage::damage(seed, random.choose(seeds), random);
        let spans = spans(seed.seconds, random);
        // Readers are chosen by the content, and by the name where that says nothing.
        let name = if random.one_in(8) { &random.choose(seeds).name } else { &seed.name };
        let extension = Path::new(name).extension().unwrap();
        let media = folder.join("case").with_extension(extension);
        fs::write(&media, bytes).unwrap();
        let order = Order {
            media,
            spans,
            unwanted: BTreeSet::new(),
            sound: true,
            faces: Some(Detector::RustFace),
            decoder: affekt_media::Decoder::Cpu,
        };
        Self { number, name: seed.name.clone(), order }
    }

    fn run(&self, watched: &mut Watched) -> Outcome {
        watched.forget();
        let start = Instant::now();
        let probed = watched.pool.probe(&self.order.media);
        let probing = start.elapsed();
        let mut clips = Vec::new();
        let ended = watched.pool.cut(&self.order, |found| {
            if let Sign::Found(Found::Clip(clip)) = found {
                clips.push(clip);
            }
            ControlFlow::Continue(())
        });
        let longest = probing.max(start.elapsed() - probing);
        let wrong = self.wrong(&probed, &clips, ended.as_ref().err(), longest);
        let panics = watched.panics();
        let wrong = wrong.or_else(|| panics.other.clone().map(|panic| format!("it goes on after {panic}")));
        let wrong = wrong.map(|wrong| self.keep(&wrong, &panics.last_words));
        fs::remove_file(&self.order.media).unwrap();
        let ends = [probed.err(), ended.err()].map(|error| error.map(|error| tally::class(&error)));
        Outcome {
            ends,
            whole: clips.iter().filter(|clip| clip.is_ok()).count(),
            asked: self.order.spans.len(),
            crops: clips.iter().flatten().map(contract::crops).sum(),
            refused_memory: tally::is_of_memory(&clips),
            caught: panics.caught,
            peak: watched.peak(),
            longest,
            wrong,
        }
    }

    /// What is wrong with the answers; an ordinary error is not.
    fn wrong(
        &self,
        probed: &Result<Option<Seconds>, Error>,
        clips: &[Result<Cut, Failure>],
        ended: Option<&Error>,
        longest: Duration,
    ) -> Option<String> {
        let errors = [probed.as_ref().err(), ended];
        let lost = errors.into_iter().flatten().find(|error| !matches!(error, Error::Failed { .. }));
        if let Some(lost) = lost {
            return Some(lost.to_string());
        }
        if longest > LONGEST {
            return Some(format!("it took {longest:?}"));
        }
        if let Ok(Some(duration)) = probed
            && !(duration.0.is_finite() && duration.0 >= 0.0)
        {
            return Some(format!("a duration of {duration}"));
        }
        clips.iter().flatten().find_map(contract::broken)
    }

    /// Keeps the file of a failure, and says how to repeat it.
    fn keep(&self, wrong: &str, last_words: &str) -> String {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        fs::create_dir_all(&folder).unwrap();
        let extension = self.order.media.extension().unwrap();
        let kept: PathBuf = folder.join(format!("case-{}", self.number)).with_extension(extension);
        fs::copy(&self.order.media, &kept).unwrap();
        let (number, name, spans) = (self.number, &self.name, &self.order.spans);
        format!(
            "case {number}, of {name}, kept as {}: {wrong}\n  spans {spans:?}\n  again with \
             AFFEKT_FUZZ_SEED={number} AFFEKT_FUZZ_CASES=1\n{last_words}",
            kept.display()
        )
    }
}

/// Two or three short spans of a clip of so many seconds, some of them odd.
fn spans(seconds: f64, random: &mut Random) -> Vec<Span> {
    let span = |random: &mut Random| {
        let start = match random.below(16) {
            0..3 => 0.0,
            3 => seconds + 1e6 * random.fraction(),
            _ => seconds * 1.1 * random.fraction(),
        };
        let is_open = random.one_in(8) && seconds < 4.0;
        let end = (!is_open).then(|| start + 0.02 + 0.4 * random.fraction());
        Span::new(Some(start), end).unwrap()
    };
    (0..2 + random.below(2)).map(|_| span(random)).collect()
}
