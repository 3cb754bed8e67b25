//! What can be wrong with a PyTorch file.

use crate::Error;

/// Why a PyTorch file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is damaged, or lies.
    Malformed(String),
    /// It calls something that no checkpoint needs.
    Call {
        /// Module and name.
        global: String,
        /// Byte of the pickle.
        position: usize,
    },
    /// It is sound, and no checkpoint of tensors.
    Refused {
        /// What it is.
        is: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl Flaw {
    pub fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed(reason.into())
    }

    pub fn big_endian() -> Self {
        Self::Refused {
            is: "a checkpoint of a big-endian machine".into(),
            remedy: "load it there and save its tensors as safetensors, which are the same everywhere",
        }
    }

    /// As an error that names the file.
    pub fn in_file(self, name: &str) -> Error {
        let file = name.to_owned();
        match self {
            Self::Malformed(reason) => Error::Malformed { file, format: "PyTorch", reason },
            Self::Call { global, position } => Error::Unsafe { file, global, position },
            Self::Refused { is, remedy } => Error::NotWeights { file, is, remedy },
        }
    }
}
