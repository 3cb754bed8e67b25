//! What is said about an input that could not be done.

use affekt_core::{ErrorKind, Explain};
use serde::Serialize;

/// An input and why it has no result: `{"input", "error": {"kind", "message", "hint"}}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    /// The input as it was named.
    pub input: String,
    /// Why it has no result.
    pub error: Reason,
}

/// Kind, message and remedy of an error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// For programs.
    pub kind: ErrorKind,
    /// For people: with the values and the file.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

impl Failure {
    /// Takes down `error` for `input`.
    pub fn new(input: impl Into<String>, error: &dyn Explain) -> Self {
        // The tensor library appends a stack trace where RUST_BACKTRACE is set: nothing for users.
        let message = error.to_string();
        let message =
            message.split_once("\n   0: ").map_or(message.as_str(), |(message, _)| message).to_owned();
        let error = Reason { kind: error.kind(), message, hint: error.hint() };
        Self { input: input.into(), error }
    }
}
