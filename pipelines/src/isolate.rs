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
//! | `worker` | the side that asks: one process, its answers, its end |

pub mod error;
pub mod protocol;
pub mod serve;
mod worker;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use affekt_core::Seconds;
use crossbeam_channel::{Receiver, Sender, bounded};

pub use error::{End, Error};
pub use protocol::{Answer, Request};
pub use serve::{answer, serve};
use worker::Worker;

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
    /// How long an answer may take, before the worker is killed.
    pub limit: Duration,
    /// Bytes of memory that a worker may have for data of its own; without effect outside Linux.
    pub memory: Option<u64>,
}

impl Default for Settings {
    /// A worker for each core, 30 s, 1 GiB.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { workers, limit: Duration::from_secs(30), memory: Some(1 << 30) }
    }
}

/// Workers, started when they are needed and killed when the pool is dropped.
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
        match self.ask(path, &Request::Probe { path: path.into() })? {
            Answer::Duration { bits } => Ok(bits.map(|bits| Seconds(f64::from_bits(bits)))),
            Answer::Failed { kind, message, hint } => Err(Error::Failed { kind, message, hint }),
            Answer::Ready { .. } => Err(Error::Lost {
                path: path.into(),
                end: End::Nonsense { reason: "it starts again".into() },
            }),
        }
    }

    fn ask(&self, path: &Path, request: &Request) -> Result<Answer, Error> {
        let mut worker = self.worker().inspect_err(|_| self.leave(None))?;
        let answer = worker.ask(request, self.settings.limit);
        self.leave(answer.is_ok().then_some(worker));
        answer.map_err(|end| Error::Lost { path: path.into(), end })
    }

    /// The next that is idle; a new one in the place of one that is lost or was never started.
    fn worker(&self) -> Result<Worker, Error> {
        let idle = self.take.recv().expect("the pool holds the other end");
        let living = idle.and_then(|mut worker| worker.is_alive().then_some(worker));
        living.map_or_else(|| Worker::start(&self.program, self.settings.memory), Ok)
    }

    fn leave(&self, worker: Option<Worker>) {
        self.give.send(worker).expect("the pool holds the other end");
    }
}
