//! What decodes the picture: the processor, or the decoder of a card.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::ffi::hardware;

/// What decodes the picture. Sound is always decoded by the processor.
///
/// A card is expected to give the same frames: the standards of H.264 and its successors prescribe every bit of the decoded
/// picture, and times and order come from FFmpeg either way. Damaged film is patched up differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decoder {
    /// The processor.
    #[default]
    Cpu,
    /// NVDEC, the decoder of an NVIDIA card, for H.264, HEVC, VP8, VP9 and AV1 where the card takes the film; else the
    /// processor, with a warning.
    Nvdec {
        /// Index of the card, from 0.
        card: usize,
    },
}

/// A name of no decoder.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no decoder: write cpu, nvdec or nvdec:INDEX")]
pub struct UnknownDecoder(String);

impl FromStr for Decoder {
    type Err = UnknownDecoder;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownDecoder(name.to_owned());
        match name.strip_prefix("nvdec") {
            None if name == "cpu" => Ok(Self::Cpu),
            Some("") => Ok(Self::Nvdec { card: 0 }),
            rest => {
                let index = rest.and_then(|rest| rest.strip_prefix(':')).ok_or_else(unknown)?;
                index.parse().map(|card| Self::Nvdec { card }).map_err(|_| unknown())
            }
        }
    }
}

impl std::fmt::Display for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Nvdec { card } => write!(f, "nvdec:{card}"),
        }
    }
}

impl Decoder {
    /// The card that it is on.
    pub fn card(self) -> Option<usize> {
        match self {
            Self::Cpu => None,
            Self::Nvdec { card } => Some(card),
        }
    }

    /// Whether it can be used here, before any work: opens the card and closes it.
    ///
    /// # Errors
    /// [`Error::NoNvdec`] names what is missing.
    pub fn check(self) -> Result<(), Error> {
        self.card().map_or(Ok(()), |card| open(card).map(drop))
    }
}

/// Whether the linked FFmpeg was built with what NVDEC needs; cards and drivers are another matter.
pub fn has_nvdec() -> bool {
    hardware::is_built_in()
}

/// The card of that index, opened once a process: to open one takes longer than to decode many clips.
pub(crate) fn kept(card: usize) -> Result<hardware::Card, Error> {
    static CARDS: Mutex<BTreeMap<usize, hardware::Card>> = Mutex::new(BTreeMap::new());
    let mut cards = CARDS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = match cards.entry(card) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => place.insert(open(card)?),
    };
    known.again().map_err(|error| Error::NoNvdec { card, reason: error.to_string() })
}

/// The card of that index.
fn open(card: usize) -> Result<hardware::Card, Error> {
    crate::ffi::quiet();
    if !hardware::is_built_in() {
        let reason = "the linked FFmpeg was built without CUDA (--enable-nvdec)".into();
        return Err(Error::NoNvdec { card, reason });
    }
    hardware::Card::open(card).map_err(|error| {
        // Where the driver's kernel module shows itself.
        let driver = Path::new("/proc/driver/nvidia/version");
        let reason = if cfg!(target_os = "linux") && !driver.exists() {
            format!("no NVIDIA driver is loaded on this machine ({error})")
        } else {
            format!("FFmpeg cannot open card {card} ({error})")
        };
        Error::NoNvdec { card, reason }
    })
}

#[cfg(test)]
mod tests {
    use affekt_core::{ErrorKind, Explain as _};

    use super::*;

    #[test]
    fn names_come_back() {
        for (name, decoder) in [("cpu", Decoder::Cpu), ("nvdec:3", Decoder::Nvdec { card: 3 })] {
            assert_eq!(name.parse::<Decoder>().unwrap(), decoder);
            assert_eq!(decoder.to_string(), name);
        }
        assert_eq!("nvdec".parse::<Decoder>().unwrap(), Decoder::Nvdec { card: 0 });
        for wrong in ["", "gpu", "nvdec:", "nvdec:x", "nvdec0", "cpu:0", "nvdec:-1"] {
            assert!(wrong.parse::<Decoder>().unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        Decoder::Cpu.check().unwrap();
        // A machine with a card has none of this index.
        let error = Decoder::Nvdec { card: 4_095 }.check().unwrap_err();
        let told = error.to_string();
        assert!(told.contains("NVDEC") && told.contains("4095"), "{told}");
        let named = ["FFmpeg was built without", "no NVIDIA driver", "FFmpeg cannot open"];
        assert!(named.iter().any(|named| told.contains(named)), "{told}");
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(error.hint().unwrap().contains("--decode cpu"));
    }
}
