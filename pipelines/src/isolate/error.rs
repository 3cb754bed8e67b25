//! Why a worker gave no result.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use affekt_core::{ErrorKind, Explain};

/// Errors of work in another process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No worker can be started at all.
    #[error("{}: cannot be started as a worker: {reason}", program.display())]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// What the system says, or what the program did instead.
        reason: String,
    },
    /// The worker found something wrong; what its own error says.
    #[error("{message}")]
    Failed {
        /// Its kind.
        kind: ErrorKind,
        /// Its message, which names the file.
        message: String,
        /// Its remedy.
        hint: Option<String>,
    },
    /// The file has cost a worker.
    #[error("{}: {end}", path.display())]
    Lost {
        /// The file.
        path: PathBuf,
        /// What became of the worker.
        end: End,
    },
}

/// How a worker was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It died by itself.
    Died {
        /// Its exit status.
        status: ExitStatus,
        /// The last that it said on stderr.
        said: Option<String>,
    },
    /// It was killed, since it took too long.
    Slow {
        /// How long it had.
        limit: Duration,
    },
    /// It was killed, since what it answered is no answer.
    Nonsense {
        /// How that shows.
        reason: String,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Died { status, said } => {
                write!(f, "the decoder {} on this file", Death(*status))?;
                said.as_ref().map_or(Ok(()), |said| write!(f, ": {said}"))
            }
            Self::Slow { limit } => write!(f, "the decoder took longer than {limit:?} on this file"),
            Self::Nonsense { reason } => write!(f, "the decoder answered nonsense on this file: {reason}"),
        }
    }
}

/// `died by signal 11`, `ended with exit code 101`.
pub(super) struct Death(pub ExitStatus);

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&self.0) {
            return write!(f, "died by signal {signal}");
        }
        match self.0.code() {
            Some(code) => write!(f, "ended with exit code {code}"),
            None => write!(f, "ended with {}", self.0),
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotStarted { .. } => ErrorKind::Internal,
            Self::Failed { kind, .. } => *kind,
            Self::Lost { .. } => ErrorKind::NotMedia,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotStarted { .. } => {
                Some("start it again; if the program was replaced meanwhile, that is all it needs".into())
            }
            Self::Failed { hint, .. } => hint.clone(),
            Self::Lost { .. } => {
                Some("re-encode it with another program, or leave it out: `ffmpeg -i IN OUT.mp4`".into())
            }
        }
    }
}
