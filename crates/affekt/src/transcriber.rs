//! Recognised words as a library.

use affekt_core::Reporter;
use affekt_pipelines::recognise::Recogniser;
use affekt_pipelines::transcribe::{Request, transcribe};
use affekt_pipelines::{Error, device};
use affekt_report::Transcription;

use crate::bundles;

/// A loaded recogniser, ready to listen to any number of recordings.
///
/// ```no_run
/// # fn main() -> Result<(), affekt::Error> {
/// let transcriber = affekt::Transcriber::load("tiny", "auto")?;
/// let transcription = transcriber.transcribe(&"interview.mp4".into(), &affekt_core::Silent)?;
/// println!("{}", transcription.text);
/// # Ok(())
/// # }
/// ```
pub struct Transcriber {
    recogniser: Recogniser,
}

impl Transcriber {
    /// Loads the network `whisper` of the bundle `models` (`tiny`, or a folder) on `device` (`auto`, `cpu`, `cuda:INDEX`);
    /// no other network is needed.
    pub fn load(models: &str, device: &str) -> Result<Self, Error> {
        let device = device::named(device)?;
        Ok(Self { recogniser: Recogniser::load(&bundles::open(models)?, &device)? })
    }

    /// Whether `language`, a code such as `en`, is one that it knows; an error that lists them where it is not.
    pub fn knows(&self, language: &str) -> Result<(), Error> {
        self.recogniser.knows(Some(language))
    }

    /// Recognises the words of one recording; `reporter` hears how it goes.
    pub fn transcribe(&self, request: &Request, reporter: &dyn Reporter) -> Result<Transcription, Error> {
        transcribe(&self.recogniser, request, reporter)
    }
}
