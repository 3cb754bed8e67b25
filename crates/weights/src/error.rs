//! What can be wrong with weights.

use std::path::PathBuf;

use affekt_core::{ErrorKind, Explain};

use crate::bundle::missing::{self, Missing};
use crate::hub::HubError;

/// Errors of this crate. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such file or folder.
    #[error("{path} does not exist")]
    NotFound {
        /// What was looked for.
        path: PathBuf,
    },
    /// The system's word on a file.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A folder that holds no weights.
    #[error("{path} holds no weights: none of {wanted} is there")]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// File names that would do.
        wanted: &'static str,
    },
    /// An index that names a file which is not there.
    #[error("{shard} does not exist, but {index} names it")]
    NoShard {
        /// The index.
        index: PathBuf,
        /// The file.
        shard: PathBuf,
    },
    /// A file that holds something else than weights.
    #[error("{file} holds no weights: it is {is}")]
    NotWeights {
        /// The file.
        file: String,
        /// What it is.
        is: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A pickle that is made to run a program.
    #[error(
        "{file} is no plain checkpoint: at byte {position} its pickle calls {global}, which loading weights never \
         needs. Nothing was run"
    )]
    Unsafe {
        /// The file.
        file: String,
        /// Module and name of what it calls.
        global: String,
        /// Byte of the pickle.
        position: usize,
    },
    /// A file that is not what its name says.
    #[error("{file} is not a valid {format} file: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What it should be.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Weights that do not fit the network.
    #[error("{file} does not fit the network:{}", list(missing, misshapen, unused))]
    Keys {
        /// The checkpoint.
        file: String,
        /// Tensors that the network needs and the checkpoint has not.
        missing: Vec<String>,
        /// Tensors of another shape than the network's, described.
        misshapen: Vec<String>,
        /// Tensors that the network has no place for.
        unused: Vec<String>,
    },
    /// Two published names that become one.
    #[error("{file}: {first} and {second} both stand for {name}")]
    Ambiguous {
        /// The checkpoint.
        file: String,
        /// One published name.
        first: String,
        /// The other.
        second: String,
        /// Our name for both.
        name: String,
    },
    /// An input tensor that is not there.
    #[error("{file} has no tensor `{name}`; it has {present}")]
    NoTensor {
        /// The file.
        file: String,
        /// The name.
        name: String,
        /// The names that are there.
        present: String,
    },
    /// An input tensor of the wrong rank, size or type.
    #[error("{file}: tensor `{name}` is {got}, wanted {wanted}")]
    BadTensor {
        /// The file.
        file: String,
        /// The name.
        name: String,
        /// What it is.
        got: String,
        /// What it should be.
        wanted: String,
    },
    /// A bundle file with the wrong bytes.
    #[error("{file} of bundle {bundle} has SHA-256 {got}, but it must have {wanted}")]
    Digest {
        /// The bundle's name.
        bundle: String,
        /// The file.
        file: String,
        /// Digest of what is there.
        got: String,
        /// Digest that should be.
        wanted: String,
    },
    /// A bundle whose two files disagree.
    #[error("{file} of bundle {bundle}: bundle.toml says SHA-256 {manifest}, but bundle.lock says {lock}")]
    LockDisagrees {
        /// The bundle's name.
        bundle: String,
        /// The file.
        file: String,
        /// Digest in `bundle.toml`.
        manifest: String,
        /// Digest in `bundle.lock`.
        lock: String,
    },
    /// A bundle without some of its files.
    #[error("bundle {bundle} lacks files that this needs:{}", missing::list(missing))]
    Missing {
        /// The bundle, as commands name it.
        bundle: String,
        /// The files.
        missing: Vec<Missing>,
    },
    /// A bundle that lacks something asked for.
    #[error("bundle {bundle} has no {what}")]
    NotInBundle {
        /// The bundle's name.
        bundle: String,
        /// What is missing.
        what: String,
    },
    /// A bundle name that is neither embedded nor a folder.
    #[error("there is no bundle {name:?}: it is neither known by this name nor a folder with a bundle.toml")]
    NoBundle {
        /// The name.
        name: String,
    },
    /// An output that cannot be written.
    #[error("cannot write {path}: {reason}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Of the hub.
    #[error(transparent)]
    Hub(Box<HubError>),
    /// The tensor library's word.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl From<HubError> for Error {
    fn from(error: HubError) -> Self {
        Self::Hub(Box::new(error))
    }
}

fn list(missing: &[String], misshapen: &[String], unused: &[String]) -> String {
    let part = |title: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!("\n  {title} ({}): {}", names.len(), names.join(", ")),
    };
    part("missing", missing) + &part("of another shape", misshapen) + &part("unused", unused)
}

impl Explain for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::NoShard { .. } => ErrorKind::NotFound,
            Self::Io { .. } => ErrorKind::Unreadable,
            Self::NoTensor { .. } | Self::BadTensor { .. } => ErrorKind::BadInput,
            Self::Write { .. } => ErrorKind::Unwritable,
            Self::Tensor(_) => ErrorKind::Internal,
            Self::Hub(error) => error.kind(),
            _ => ErrorKind::BadModel,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { .. } | Self::Io { .. } => "check the path and its permissions".into(),
            Self::NoWeights { .. } => {
                "give a folder as Hugging Face saves one, or a file (safetensors, .pt, .pth, .bin)".into()
            }
            Self::NoShard { .. } => "get the missing shard, or the whole checkpoint again".into(),
            Self::NotWeights { remedy, .. } => (*remedy).into(),
            Self::Unsafe { .. } => {
                "do not open it with other programs; take the safetensors form, or a checkpoint from a source that \
                 you trust"
                    .into()
            }
            Self::Malformed { .. } => "get the file again; it may be truncated or of another kind".into(),
            Self::Keys { .. } => {
                "these weights belong to another network or configuration; check the configuration (config.json, \
                 --config, or the bundle's) and the checkpoint"
                    .into()
            }
            Self::Digest { .. } => "get the file again from the source that the bundle names".into(),
            Self::LockDisagrees { file, .. } => format!(
                "if bundle.toml is right, remove the entry of {file} from bundle.lock and get the file again"
            ),
            Self::Missing { bundle, missing } => missing::commands(bundle, missing),
            Self::NoBundle { .. } => {
                "`affekt models ls` lists the bundles that are known; a folder is named by its path".into()
            }
            Self::Hub(error) => return error.hint(),
            Self::Write { .. } => "choose a place that can be written".into(),
            Self::Ambiguous { .. }
            | Self::NoTensor { .. }
            | Self::BadTensor { .. }
            | Self::NotInBundle { .. }
            | Self::Tensor(_) => return None,
        })
    }
}
