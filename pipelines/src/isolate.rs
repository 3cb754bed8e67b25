//! Media work in processes of their own: a file that crashes the decoder, or holds it up, costs that file only.
//!
//! A [`Pool`] starts the same program again as workers and asks them through their stdin and stdout. A worker that dies,
//! takes too long or answers nonsense is replaced by another, and the file at hand gets an [`Error`] that says so.
//!
//! | module | holds |
//! |---|---|
//! | [`error`] | [`Error`], and [`End`]: how a worker was lost |
//! | [`protocol`] | [`Request`], [`Answer`], and their bytes in a pipe |
//! | [`serve()`](serve::serve) | the side of the worker |
//! | `order` | the answers to an order, as far as they can be true; how long it may take |
//! | `worker` | the side that asks: one process, its answers, its end |

pub mod error;
mod order;
pub mod protocol;
pub mod serve;
mod worker;

use std::cell::RefCell;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use affekt_core::Seconds;
use affekt_media::Decoder;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::cut::{Cost, Detector, Order, Sign};

use order::{Answers, Heard, hand_on};
use worker::{Limits, Worker};

pub use error::{End, Error};
pub use protocol::{Answer, Bulk, Head, Request};
pub use serve::{Speaker, Work, serve};

/// The command line of a worker: a program that calls [`serve()`](serve::serve) with its stdin and stdout.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// What workers may take.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many there are at most; at least one.
    pub workers: usize,
    /// How long a worker may give no sign, before it is killed. Beside this limit there is one for each recording as a
    /// whole: a minute, 20 times what is asked of it, and a second for each 4 MB of the file.
    pub limit: Duration,
    /// Bytes of memory that a worker may have for data of its own; without effect outside Linux.
    pub memory: Option<u64>,
}

/// Bytes of memory that a worker may have that uses a card: its driver takes memory of its own in every process.
const BESIDE_CARD: u64 = 16 << 30;

/// Bytes of memory that a worker may have that decodes by `decoder` and finds faces by `detector`.
pub fn memory_of(decoder: Decoder, detector: &Detector) -> Option<u64> {
    let looks_on_card = matches!(detector, Detector::YuNet { device, .. } if device != "cpu");
    let uses_card = looks_on_card || decoder.card().is_some();
    if uses_card { Some(BESIDE_CARD) } else { Settings::default().memory }
}

impl Default for Settings {
    /// A worker for each core, 30 s, 1 GiB.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { workers, limit: Duration::from_secs(30), memory: Some(1 << 30) }
    }
}

/// Workers, started when they are needed and killed when the pool is dropped; each for one core.
///
/// They end by themselves when this process dies, however it dies. Ctrl-C in a terminal does not reach them, since they
/// are a process group each: a program that catches it can still wait for the answers that it has asked for.
#[derive(Debug)]
pub struct Pool {
    program: Program,
    settings: Settings,
    give: Sender<Option<Worker>>,
    take: Receiver<Option<Worker>>,
}

impl Pool {
    /// A pool with its first worker, the others to follow on demand.
    ///
    /// # Errors
    /// [`Error::NotStarted`].
    pub fn start(program: Program, settings: Settings) -> Result<Self, Error> {
        let (give, take) = bounded(settings.workers.max(1));
        let pool = Self { program, settings, give, take };
        pool.leave(Some(Worker::start(&pool.program, settings.memory)?));
        (1..settings.workers).for_each(|_| pool.leave(None));
        Ok(pool)
    }

    /// The duration that the headers of the media file at `path` tell, where they do: [`affekt_media::probe()`] in a
    /// worker. To be called from as many threads as there are workers; others wait.
    ///
    /// # Errors
    /// [`Error::Failed`] with what is wrong with the file, [`Error::Lost`] where it has cost a worker,
    /// [`Error::NotStarted`] where none could be started in the place of another.
    pub fn probe(&self, path: &Path) -> Result<Option<Seconds>, Error> {
        let limits = Limits { each: self.settings.limit, all: self.settings.limit };
        let request = Request::Probe { path: path.into() };
        let worker = &mut self.worker()?;
        let answered = worker.ask(
            path,
            &request,
            limits,
            |answer, _| {
                Ok(ControlFlow::Break(match answer {
                    Answer::Duration { bits } => Ok(bits.map(|bits| Seconds(f64::from_bits(bits)))),
                    Answer::Failed { kind, message, hint } => Err(Error::Failed { kind, message, hint }),
                    Answer::Ready { .. } => return Err("it starts again".into()),
                    _ => return Err("it answers another question".into()),
                }))
            },
            || ControlFlow::Continue(()),
        )?;
        worker.keep();
        answered
    }

    /// All clips of one recording, from one pass over it, in a worker: [`crate::cut`]. `take` hears what is found as it
    /// comes, and at least twice a second that it goes on; where it breaks off, the worker is killed, and that is no error.
    /// To be called from as many threads as there are workers; others wait.
    ///
    /// # Errors
    /// Those of [`Pool::probe`]. Every clip of the order that `take` has not got by then cannot be had, for that reason.
    pub fn cut(&self, order: &Order, mut take: impl FnMut(Sign) -> ControlFlow<()>) -> Result<Cost, Error> {
        let limits = Limits { each: self.settings.limit, all: order::limit(order) };
        let mut answers = Answers::to(order);
        let worker = &mut self.worker()?;
        let request = Request::Cut(order.clone());
        let take = RefCell::new(&mut take);
        let hear = |answer, bulk| {
            let heard = answers.hear(answer, bulk)?;
            Ok(hand_on(heard, answers.cost(), &mut *take.borrow_mut()))
        };
        let wait = || hand_on(Heard::Nothing, Cost::default(), &mut *take.borrow_mut());
        let ended = worker.ask(&order.media, &request, limits, hear, wait)?;
        if !ended.in_the_middle {
            worker.keep();
        }
        ended.result
    }

    /// The next that is idle; a new one in the place of one that is lost or was never started.
    fn worker(&self) -> Result<Borrowed<'_>, Error> {
        let idle = self.take.recv().expect("the pool holds the other end");
        // From here on its place is filled again, whatever happens.
        let mut borrowed = Borrowed { pool: self, worker: None, kept: false };
        let living = idle.and_then(|mut worker| worker.is_alive().then_some(worker));
        borrowed.worker = match living {
            Some(worker) => Some(worker),
            None => Some(Worker::start(&self.program, self.settings.memory)?),
        };
        Ok(borrowed)
    }

    fn leave(&self, worker: Option<Worker>) {
        self.give.send(worker).expect("the pool holds the other end");
    }
}

/// A worker out of the pool; killed, and its place left empty, unless it is kept.
struct Borrowed<'p> {
    pool: &'p Pool,
    worker: Option<Worker>,
    kept: bool,
}

impl Borrowed<'_> {
    fn ask<T>(
        &mut self,
        path: &Path,
        request: &Request,
        limits: Limits,
        hear: impl FnMut(Answer, Bulk) -> Result<ControlFlow<T>, String>,
        wait: impl FnMut() -> ControlFlow<T>,
    ) -> Result<T, Error> {
        let worker = self.worker.as_mut().expect("there is one until the end");
        worker.ask(request, limits, hear, wait).map_err(|end| Error::Lost { path: path.into(), end })
    }

    /// It is through with what it was asked, and can be asked again.
    fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let worker = self.worker.take();
        self.pool.leave(worker.filter(|_| self.kept));
    }
}
