//! What the language model is asked to do with a voice.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use affekt_core::{ErrorKind, Explain};
use serde::Deserialize;

/// A prompt of more bytes is no prompt.
const MOST_BYTES: u64 = 64 << 10;

const SDUMC: &str = "USER: Transcribe speech to text. Output the transcription directly without redundant content. \
                     Ensure that the output is not duplicated. \n ASSISTANT:";
const SLAM: &str = "USER: Transcribe speech to text. \n ASSISTANT:";

/// The prompts that published checkpoints were trained with, or words of one's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Prompt {
    /// SDUMC's.
    Sdumc,
    /// SLAM-ASR's.
    Slam,
    /// These words. They follow the voice as SDUMC's do.
    Own(String),
}

/// Why a prompt cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BadPrompt {
    /// A name that no prompt has.
    #[error("there is no prompt {0:?}: name sdumc, slam or @FILE")]
    Unknown(String),
    /// A file that cannot be read.
    #[error("cannot read the prompt {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is no prompt.
    #[error("the prompt {} {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Prompt {
    /// The words, of published ones byte for byte as in training.
    pub fn text(&self) -> &str {
        match self {
            Self::Sdumc => SDUMC,
            Self::Slam => SLAM,
            Self::Own(text) => text,
        }
    }

    /// The prompt that a command line names: `sdumc`, `slam`, or `@FILE` with its words in UTF-8. One line break at the end of
    /// the file is an editor's and does not count; everything else does.
    ///
    /// # Errors
    /// [`BadPrompt`].
    pub fn from_argument(argument: &str) -> Result<Self, BadPrompt> {
        match argument.strip_prefix('@') {
            Some(path) => Self::read(Path::new(path)),
            None => argument.parse(),
        }
    }

    fn read(path: &Path) -> Result<Self, BadPrompt> {
        let unreadable = |source| BadPrompt::Unreadable { path: path.into(), source };
        let unusable = |reason: &str| BadPrompt::Unusable { path: path.into(), reason: reason.into() };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(unusable("has more than 64 KiB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| unusable("is not UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        match text {
            // By the words alone a cache could not tell it from the named prompt, after which more differs.
            SLAM => Ok(Self::Slam),
            SDUMC => Ok(Self::Sdumc),
            text if text.trim().is_empty() => Err(unusable("has no text")),
            text => Ok(Self::Own(text.into())),
        }
    }
}

impl FromStr for Prompt {
    type Err = BadPrompt;
    fn from_str(name: &str) -> Result<Self, BadPrompt> {
        match name {
            "sdumc" => Ok(Self::Sdumc),
            "slam" => Ok(Self::Slam),
            _ => Err(BadPrompt::Unknown(name.into())),
        }
    }
}

impl TryFrom<String> for Prompt {
    type Error = BadPrompt;
    fn try_from(name: String) -> Result<Self, BadPrompt> {
        name.parse()
    }
}

impl Explain for BadPrompt {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadConfig
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown(_) => Some("write the words into a file and name it as @FILE".into()),
            Self::Unreadable { path, .. } | Self::Unusable { path, .. } => Some(format!(
                "write what the language model shall do to {}, as plain text, or name sdumc or slam",
                path.display()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_pinned_byte_for_byte() {
        assert_eq!(Prompt::Slam.text(), "USER: Transcribe speech to text. \n ASSISTANT:");
        let sdumc = Prompt::Sdumc;
        assert!(
            sdumc.text().starts_with("USER: Transcribe speech to text. Output the transcription directly")
        );
        assert!(sdumc.text().ends_with("content. Ensure that the output is not duplicated. \n ASSISTANT:"));
    }

    #[test]
    fn a_file_is_taken_word_for_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompt.txt");
        let read = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            Prompt::from_argument(&format!("@{}", path.display()))
        };
        assert_eq!(read(b" Write it down. \n A:\r\n").unwrap(), Prompt::Own(" Write it down. \n A:".into()));
        assert_eq!(read(format!("{SLAM}\n").as_bytes()).unwrap(), Prompt::Slam);
        for (bad, why) in [(&b" \n\n"[..], "no text"), (b"", "no text"), (b"\xff\xfe", "UTF-8")] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("prompt.txt"), "{error}");
        }
        assert!(Prompt::from_argument("@/no/such/file").is_err());
        assert!(Prompt::from_argument("own").unwrap_err().to_string().contains("@FILE"));
    }
}
