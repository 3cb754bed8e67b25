//! What is asked and answered, and its bytes in a pipe: the length (4 bytes, little endian), then JSON, `[NUMBER, MESSAGE]`.
//! An answer bears the number of its request, the first, [`Answer::Ready`], 0.

use std::ffi::OsString;
use std::io::{Error, ErrorKind, Read, Result, Write};

use affekt_core::{Explain, Seconds};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Bytes that a message may have: more is no message.
const LONGEST: u32 = 1 << 20;

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How long is this recording?
    Probe {
        /// The media file; its name need not be text.
        path: OsString,
    },
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To no request: the worker has started.
    Ready {
        /// The version that it is of.
        version: String,
    },
    /// To [`Request::Probe`].
    Duration {
        /// Seconds, as [`f64::to_bits`], since decimals may lose the last bit; `None` where the headers do not tell.
        bits: Option<u64>,
    },
    /// It cannot be done.
    Failed {
        /// Kind of the error.
        kind: affekt_core::ErrorKind,
        /// Its message.
        message: String,
        /// Its remedy.
        hint: Option<String>,
    },
}

impl Answer {
    /// That this version has started.
    pub(super) fn ready() -> Self {
        Self::Ready { version: env!("CARGO_PKG_VERSION").into() }
    }

    /// A duration, or why there is none.
    pub fn duration(duration: std::result::Result<Option<Seconds>, impl Explain>) -> Self {
        match duration {
            Ok(duration) => Self::Duration { bits: duration.map(|seconds| seconds.0.to_bits()) },
            Err(error) => Self::Failed { kind: error.kind(), message: error.to_string(), hint: error.hint() },
        }
    }
}

/// Writes one message.
pub(super) fn write(to: &mut impl Write, number: u64, message: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec(&(number, message))?;
    let length = u32::try_from(json.len()).ok().filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "a message too long"))?;
    // In one piece: a pipe takes it, or the other side is gone.
    to.write_all(&[&length.to_le_bytes(), json.as_slice()].concat())?;
    to.flush()
}

/// Reads one message; `None` at the end.
///
/// # Errors
/// [`ErrorKind::InvalidData`] where the bytes are no message, and those of `from`: [`ErrorKind::UnexpectedEof`] where the
/// end comes inside a message.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<(u64, T)>> {
    let mut head = Vec::new();
    from.take(4).read_to_end(&mut head)?;
    if head.is_empty() {
        return Ok(None);
    }
    let head = head.try_into().map_err(|_| ErrorKind::UnexpectedEof)?;
    let length = u32::from_le_bytes(head);
    if length > LONGEST {
        return Err(Error::new(ErrorKind::InvalidData, format!("a message of {length} bytes")));
    }
    let mut json = vec![0; length as usize];
    from.read_exact(&mut json)?;
    serde_json::from_slice(&json).map(Some).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn messages_come_back_as_they_went() {
        let failed = Answer::duration(affekt_media::probe(Path::new("absent.mp4")).map(|info| info.duration));
        let seconds = Answer::duration(Ok::<_, affekt_media::Error>(Some(Seconds(0.1 + 0.2))));
        let answers = [Answer::ready(), seconds, Answer::Duration { bits: None }, failed];
        let mut pipe = Vec::new();
        for (number, answer) in (0..).zip(&answers) {
            write(&mut pipe, number, answer).unwrap();
        }
        let mut pipe = pipe.as_slice();
        for (number, answer) in (0..).zip(answers) {
            assert_eq!(read(&mut pipe).unwrap(), Some((number, answer)));
        }
        assert_eq!(read::<Answer>(&mut pipe).unwrap(), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_comes_back() {
        use std::os::unix::ffi::OsStringExt as _;
        let request = Request::Probe { path: OsString::from_vec(b"caf\xe9\n.mp4".into()) };
        let mut pipe = Vec::new();
        write(&mut pipe, 7, &request).unwrap();
        assert_eq!(read(&mut pipe.as_slice()).unwrap(), Some((7, request)));
    }

    #[test]
    fn damaged_messages_are_refused() {
        let mut message = Vec::new();
        write(&mut message, 1, &Answer::ready()).unwrap();
        affekt_testkit::fuzz::damaged(
            &[message],
            |mut bytes| while let Ok(Some(_)) = read::<Answer>(&mut bytes) {},
        );
        for bytes in [&[255; 40][..], b"\x05\0\0\0hello"] {
            assert_eq!(read::<Answer>(&mut &*bytes).unwrap_err().kind(), ErrorKind::InvalidData);
        }
        assert_eq!(read::<Answer>(&mut &b"\x05\0\0"[..]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
