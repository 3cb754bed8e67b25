//! What can go wrong between here and the hub.

use std::path::PathBuf;

use affekt_core::{ErrorKind, Explain};

/// Errors of the hub. `file` is `owner/name@revision: path` throughout.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A setting of the environment that cannot be followed.
    #[error("{name} = {value:?} cannot be used: {reason}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The network is not to be used, and the file is not in the cache.
    #[error("{file} is not in the cache at {cache}, and HF_HUB_OFFLINE forbids to fetch it", cache = cache.display())]
    Offline {
        /// The file.
        file: String,
        /// The cache.
        cache: PathBuf,
    },
    /// The hub wants to know who asks, or does not let them.
    #[error("the hub refuses {file} (HTTP {status})")]
    Refused {
        /// The file.
        file: String,
        /// 401 or 403.
        status: u16,
        /// Whether a token was sent.
        token: bool,
    },
    /// No such repository, revision or file.
    #[error("the hub has no {file} (HTTP 404)")]
    Absent {
        /// The file.
        file: String,
    },
    /// The hub cannot serve now.
    #[error("the hub answers HTTP {status} to {file}")]
    Status {
        /// The file.
        file: String,
        /// What it answered.
        status: u16,
    },
    /// No answer.
    #[error("the hub at {endpoint} cannot be reached for {file}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        endpoint: String,
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The connection broke again and again.
    #[error("{file}: the connection was lost at {got} of {size} bytes, {attempts} times in a row: {reason}")]
    Dropped {
        /// The file.
        file: String,
        /// Bytes that are there.
        got: u64,
        /// Bytes that there should be.
        size: u64,
        /// Attempts without a further byte.
        attempts: u32,
        /// Why.
        reason: String,
    },
    /// An answer that makes no sense.
    #[error("the hub's answer to {file} cannot be used: {reason}")]
    Answer {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The hub has another file than the known one.
    #[error("the hub announces {file} with SHA-256 {got}, but the bundle knows it with {wanted}")]
    Announced {
        /// The file.
        file: String,
        /// What the hub announces.
        got: String,
        /// What `bundle.toml` or `bundle.lock` says.
        wanted: String,
    },
    /// The bytes that came are not the right ones; they were removed.
    #[error("{file} came with SHA-256 {got}, but it must have {wanted}; what came was removed")]
    Bytes {
        /// The file.
        file: String,
        /// Of what came.
        got: String,
        /// What the bundle says, or the hub announced.
        wanted: String,
    },
    /// The cache cannot be written.
    #[error("the cache cannot be used: {path}: {reason}", path = path.display())]
    Cache {
        /// File or folder in it.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Explain for HubError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Setting { .. } => ErrorKind::BadConfig,
            Self::Offline { .. } => ErrorKind::NotFound,
            Self::Announced { .. } | Self::Bytes { .. } => ErrorKind::BadModel,
            Self::Cache { .. } => ErrorKind::Unwritable,
            _ => ErrorKind::Network,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Setting { .. } => "mend the variable or unset it".into(),
            Self::Offline { .. } => {
                "unset HF_HUB_OFFLINE, or bring the file with `affekt models import BUNDLE FILE PATH`".into()
            }
            Self::Refused { token: false, .. } => {
                "the repository is gated, private or absent: accept its terms on its page, then set HF_TOKEN or \
                 log in with `hf auth login`"
                    .into()
            }
            Self::Refused { .. } => {
                "the token does not open this repository: accept the repository's terms on its page with the account \
                 that the token belongs to"
                    .into()
            }
            Self::Absent { .. } => {
                "it may have moved: bring the file with `affekt models import BUNDLE FILE PATH`".into()
            }
            Self::Unreachable { .. } => {
                "check the network, or name a mirror with HF_ENDPOINT; a file from elsewhere goes in with \
                 `affekt models import BUNDLE FILE PATH`"
                    .into()
            }
            Self::Status { .. } | Self::Dropped { .. } => {
                "run the command again: it goes on where it stopped".into()
            }
            Self::Answer { .. } => "check HF_ENDPOINT: this does not speak as a Hugging Face hub does".into(),
            Self::Announced { .. } => {
                "the hub's file has changed: pin the revision that is meant in bundle.toml, or remove the file's \
                 entry from bundle.lock to accept the new one"
                    .into()
            }
            Self::Bytes { .. } => {
                "run the command again; if that does not help, the source or a mirror is damaged".into()
            }
            Self::Cache { .. } => "check the space and permissions there, or set HF_HOME to another place".into(),
        })
    }
}
