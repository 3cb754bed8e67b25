//! The side that asks: one worker process, its answers, its end.

use std::io::{self, ErrorKind, Read, Write as _};
use std::ops::ControlFlow;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::Program;
use super::error::{Death, End, Error};
use super::protocol::{self, Answer, Bulk, Request};

/// Whoever waits for an answer may break off so often.
const MOMENT: Duration = Duration::from_millis(250);

/// Within this time a worker has started, and within this time one that has closed its output is gone.
const START: Duration = Duration::from_secs(30);
const DEATH: Duration = Duration::from_secs(2);
/// Bytes of stderr that are kept, the last.
const TAIL: usize = 4096;

type Numbered = io::Result<protocol::Numbered<Answer>>;

/// How long a worker may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// For each answer.
    pub each: Duration,
    /// For all answers to a request, without the time for which nobody listened.
    pub all: Duration,
}

/// A process that answers; killed when it is dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    requests: Sender<Vec<u8>>,
    answers: Receiver<Numbered>,
    said: Receiver<String>,
    /// Requests so far: the number of the last.
    asked: u64,
}

impl Worker {
    /// Starts one, and waits until it is ready.
    pub fn start(program: &Program, memory: Option<u64>) -> Result<Self, Error> {
        let failed = |reason: String| Error::NotStarted { program: program.path.clone(), reason };
        let mut worker = Self::spawn(program).map_err(|error| failed(error.to_string()))?;
        worker.bound(memory).map_err(|error| failed(format!("its memory cannot be limited: {error}")))?;
        match worker.answer(START).map(|(answer, _)| answer) {
            Ok(ready) if ready == Answer::ready() => Ok(worker),
            Ok(Answer::Ready { version }) => Err(failed(format!("it is of version {version} by now"))),
            Ok(_) => Err(failed("it does not say that it is ready".into())),
            Err(End::Died { status, said }) => Err(failed(
                said.map_or(format!("it {}", Death(status)), |said| format!("it {}: {said}", Death(status))),
            )),
            Err(End::Slow { limit }) => Err(failed(format!("it takes longer than {limit:?}"))),
            Err(End::Nonsense { reason }) => Err(failed(format!("it speaks another language: {reason}"))),
        }
    }

    fn spawn(program: &Program) -> io::Result<Self> {
        let mut command = Command::new(&program.path);
        // One line of what it says is kept: a backtrace would drive out the message.
        command.args(&program.arguments).env("RUST_BACKTRACE", "0");
        // There is a worker for each core: more threads in one would take time from the others.
        command.env("RAYON_NUM_THREADS", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(io::Error::other("it has no pipes"));
        };
        Ok(Self { child, requests: speak(stdin), answers: hear(stdout), said: tail(stderr), asked: 0 })
    }

    /// Limits its memory. Data, not addresses: threads and allocators reserve many addresses that they never use.
    #[cfg(target_os = "linux")]
    fn bound(&self, memory: Option<u64>) -> io::Result<()> {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        let Some(memory) = memory else { return Ok(()) };
        // This process may have less already, and cannot give more than it has.
        let most = getrlimit(Resource::Data).maximum.map_or(memory, |most| most.min(memory));
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Data, limit)?;
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn bound(&self, _memory: Option<u64>) -> io::Result<()> {
        Ok(())
    }

    /// Whether it is still there: the system may have killed it while it was idle.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks; `hear` gets its answers, until it breaks off with what they come to, or says why one is none. `wait` is asked
    /// now and then while nothing comes, and may break off too. After an error, or where it is not through with its answers,
    /// it is of no more use.
    pub fn ask<T>(
        &mut self,
        request: &Request,
        limits: Limits,
        mut hear: impl FnMut(Answer, Bulk) -> Result<ControlFlow<T>, String>,
        mut wait: impl FnMut() -> ControlFlow<T>,
    ) -> Result<T, End> {
        self.asked += 1;
        let nonsense = |reason: String| End::Nonsense { reason };
        let bytes = protocol::bytes(self.asked, request).map_err(|error| nonsense(error.to_string()))?;
        // Where it does not take its requests any more, there will be no answers either.
        let _ = self.requests.send(bytes);
        let mut left = limits.all;
        loop {
            let start = Instant::now();
            let limit = limits.each.min(left);
            let answered = loop {
                match self.answer(limit.saturating_sub(start.elapsed()).min(MOMENT)) {
                    Err(End::Slow { .. }) if start.elapsed() < limit => {
                        if let ControlFlow::Break(result) = wait() {
                            return Ok(result);
                        }
                    }
                    answered => break answered,
                }
            };
            let (answer, bulk) = answered.map_err(|end| match end {
                End::Slow { .. } if limit < limits.each => End::Slow { limit: limits.all },
                End::Slow { .. } => End::Slow { limit: limits.each },
                end => end,
            })?;
            left = left.saturating_sub(start.elapsed());
            if let ControlFlow::Break(result) = hear(answer, bulk).map_err(nonsense)? {
                return Ok(result);
            }
        }
    }

    fn answer(&mut self, limit: Duration) -> Result<(Answer, Bulk), End> {
        match self.answers.recv_timeout(limit) {
            Ok(Ok((number, answer, bulk))) if number == self.asked => Ok((answer, bulk)),
            Ok(Ok((number, ..))) => {
                Err(End::Nonsense { reason: format!("an answer to request {number} of {}", self.asked) })
            }
            Ok(Err(error)) if error.kind() == ErrorKind::InvalidData => {
                Err(End::Nonsense { reason: error.to_string() })
            }
            Err(RecvTimeoutError::Timeout) => Err(End::Slow { limit }),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(self.end()),
        }
    }

    /// How it has died, after its pipes are closed.
    fn end(&mut self) -> End {
        match self.status() {
            Some(status) => {
                End::Died { status, said: self.said.recv_timeout(DEATH).ok().and_then(|said| last(&said)) }
            }
            None => End::Nonsense { reason: "it has closed its output".into() },
        }
    }

    /// Its exit status, as soon as it has one.
    fn status(&mut self) -> Option<ExitStatus> {
        let until = Instant::now() + DEATH;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(1)),
                ended => return ended.ok().flatten(),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Fails only where it is dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes requests, which may be larger than a pipe; the thread ends with the worker.
fn speak(mut stdin: ChildStdin) -> Sender<Vec<u8>> {
    let (sender, requests) = bounded::<Vec<u8>>(1);
    thread::spawn(move || requests.iter().try_for_each(|request| stdin.write_all(&request)));
    sender
}

/// The answers, as they come; the thread ends with the worker.
fn hear(mut stdout: ChildStdout) -> Receiver<Numbered> {
    let (sender, answers) = bounded(1);
    thread::spawn(move || {
        while let Some(answer) = protocol::read(&mut stdout).transpose() {
            let failed = answer.is_err();
            if sender.send(answer).is_err() || failed {
                break;
            }
        }
    });
    answers
}

/// The end of stderr, once it is closed; until then it is read, so that no worker waits for a reader.
fn tail(mut stderr: ChildStderr) -> Receiver<String> {
    let (sender, said) = bounded(1);
    thread::spawn(move || {
        let (mut kept, mut piece) = (Vec::new(), [0; 1024]);
        while let Ok(count @ 1..) = stderr.read(&mut piece) {
            kept.extend_from_slice(&piece[..count]);
            kept.drain(..kept.len().saturating_sub(TAIL));
        }
        // Who has no more use for it has gone on.
        let _ = sender.send(String::from_utf8_lossy(&kept).into_owned());
    });
    said
}

/// The last line that says something; Rust's notes on backtraces do not.
fn last(said: &str) -> Option<String> {
    let mut lines =
        said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("note: "));
    lines.next_back().map(str::to_owned)
}
