//! What every error of affekt can say about itself beyond its message.

use serde::{Deserialize, Serialize};

/// The kind of an error, for programs; the message is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// No file there.
    NotFound,
    /// A folder where a file is needed.
    IsFolder,
    /// The file has no bytes.
    Empty,
    /// The system refuses to read it.
    Unreadable,
    /// Not a media file, or one that is damaged beyond use.
    NotMedia,
    /// A media file without picture and sound.
    NoStreams,
    /// A time span that the recording does not have.
    BadSpan,
    /// Neither voice, nor face, nor words.
    NothingToJudge,
    /// A transcript that cannot be used.
    BadTranscript,
    /// A dataset, its manifest or its table of labels that cannot be used.
    BadDataset,
    /// A bundle, its weights or its tokenizer that cannot be used.
    BadModel,
    /// A server that cannot be reached, or that refuses.
    Network,
    /// Input tensors that do not fit the network.
    BadInput,
    /// A value on the command line or in a configuration.
    BadConfig,
    /// An output that cannot be written.
    Unwritable,
    /// Work that was told to stop; it can be continued.
    Interrupted,
    /// A device that is not there or has failed.
    Device,
    /// A fault in affekt.
    Internal,
}

/// Kind and remedy of an error. Implemented by each crate's error type.
pub trait Explain: std::error::Error {
    /// The kind, for programs.
    fn kind(&self) -> ErrorKind;

    /// What the user can do about it, one sentence; `None` where the message says it all.
    fn hint(&self) -> Option<String>;
}
