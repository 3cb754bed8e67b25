//! What can go wrong before and in a run.

use std::path::PathBuf;

use affekt_core::{ErrorKind, Explain};

use super::config::presets;

/// Errors of training and evaluation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration that is neither a preset nor a file.
    #[error("there is no configuration {name}")]
    NoConfig {
        /// What was asked for.
        name: String,
    },
    /// A configuration that cannot be.
    #[error("the configuration {name} cannot be: {reason}")]
    Config {
        /// Its name or file.
        name: String,
        /// Why.
        reason: String,
    },
    /// A single setting that is no setting.
    #[error("{text:?} is no setting")]
    Change {
        /// What was given.
        text: String,
    },
    /// A method that there is not.
    #[error("there is no method {name:?}")]
    NoMethod {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// The method of the command line is another than that of the configuration.
    #[error("the configuration {config} is one of the method {found}, not of {wanted}")]
    OtherMethod {
        /// The configuration.
        config: String,
        /// Its method.
        found: String,
        /// The method asked for.
        wanted: String,
    },
    /// A flow that the method does not have.
    #[error("selection.flow is {flow}, but the method has {}", flows.join(" and "))]
    NoFlow {
        /// What was asked for.
        flow: String,
        /// Those that there are.
        flows: Vec<String>,
    },
    /// The folder of the run holds something else.
    #[error("{} {reason}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A state that cannot be continued.
    #[error("{} cannot be continued: {reason}", path.display())]
    State {
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A loss that is no number.
    #[error("{what} is {value} in epoch {epoch}, at the batch with the clips {clips}")]
    Diverged {
        /// Which loss.
        what: String,
        /// What it is.
        value: f64,
        /// Epoch, from 1.
        epoch: usize,
        /// Some of the clips.
        clips: String,
    },
    /// A file that cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file that cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// The run was told to stop; its state is on disk.
    #[error("interrupted after {epochs} epochs")]
    Interrupted {
        /// Epochs that are done.
        epochs: usize,
    },
    /// Metrics that cannot be computed.
    #[error(transparent)]
    Metrics(#[from] affekt_report::metrics::Error),
    /// Of the clips.
    #[error(transparent)]
    Data(Box<super::data::Error>),
    /// Of a checkpoint.
    #[error(transparent)]
    Checkpoint(Box<super::checkpoint::Error>),
    /// Of released weights.
    #[error(transparent)]
    Weights(Box<crate::Error>),
    /// Of the report.
    #[error(transparent)]
    Report(#[from] affekt_report::training::file::Error),
    /// Of the harness and of methods.
    #[error(transparent)]
    Method(#[from] affekt_train::Error),
    /// The tensor library's word.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// Whether a card had no memory left for what was asked of it.
    fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Tensor(error) | Self::Method(affekt_train::Error::Tensor(error)) => {
                affekt_nn::device::out_of_memory(error)
            }
            Self::Weights(error) => error.is_out_of_memory(),
            _ => false,
        }
    }

    /// Of released weights.
    pub(super) fn of_weights(error: crate::Error) -> Self {
        Self::Weights(Box::new(error))
    }
}

impl From<super::data::Error> for Error {
    fn from(error: super::data::Error) -> Self {
        Self::Data(Box::new(error))
    }
}

impl From<super::checkpoint::Error> for Error {
    fn from(error: super::checkpoint::Error) -> Self {
        Self::Checkpoint(Box::new(error))
    }
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            _ if self.is_out_of_memory() => ErrorKind::Device,
            Self::NoConfig { .. } | Self::Folder { .. } => ErrorKind::NotFound,
            Self::Config { .. }
            | Self::Change { .. }
            | Self::NoMethod { .. }
            | Self::OtherMethod { .. }
            | Self::NoFlow { .. }
            | Self::Diverged { .. } => ErrorKind::BadConfig,
            Self::State { .. } => ErrorKind::BadModel,
            Self::Read { .. } => ErrorKind::Unreadable,
            Self::Write { .. } => ErrorKind::Unwritable,
            Self::Metrics(_) => ErrorKind::BadDataset,
            Self::Method(error) => error.kind(),
            Self::Interrupted { .. } => ErrorKind::Interrupted,
            Self::Data(error) => error.kind(),
            Self::Checkpoint(error) => error.kind(),
            Self::Weights(error) => error.kind(),
            Self::Report(error) => error.kind(),
            Self::Tensor(_) => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            _ if self.is_out_of_memory() => Some(
                "a smaller training.batch may fit, or another card: `affekt doctor` lists their memory"
                    .into(),
            ),
            Self::NoConfig { .. } => {
                Some(format!("name a TOML file, or one of {}", presets::NAMES.join(", ")))
            }
            Self::Change { .. } => Some("write KEY=VALUE, such as training.epochs=3".into()),
            Self::NoMethod { known, .. } => Some(format!("there are: {}", known.join(", "))),
            Self::Folder { .. } => Some("name another folder with --out, or remove this one".into()),
            Self::State { .. } => Some("remove it to begin the run anew".into()),
            Self::Diverged { .. } => {
                Some("a smaller optimiser.lr, a longer schedule.warmup or training.clip may help".into())
            }
            Self::Interrupted { .. } => Some("the same command goes on where it ended".into()),
            Self::Method(error) => error.hint(),
            Self::Data(error) => error.hint(),
            Self::Checkpoint(error) => error.hint(),
            Self::Weights(error) => error.hint(),
            Self::Report(error) => error.hint(),
            _ => None,
        }
    }
}
