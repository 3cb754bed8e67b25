//! How an order is written as JSON: paths need not be text, times keep their last bit, and a decoder is its card.

use std::ffi::OsString;
use std::path::PathBuf;

use affekt_core::{Seconds, Span};
use affekt_media::Decoder;
use serde::{Deserializer, Serializer};

/// Paths that need not be text.
pub(super) mod path {
    use super::{Deserializer, OsString, PathBuf, Serializer};
    use serde::{Deserialize as _, Serialize as _};

    pub fn serialize<S: Serializer>(path: &std::path::Path, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        OsString::deserialize(deserializer).map(PathBuf::from)
    }
}

/// Spans, as [`f64::to_bits`], since decimals may lose the last bit.
pub(super) mod spans {
    use super::{Deserializer, Seconds, Serializer, Span};
    use serde::{Deserialize as _, Serialize as _};

    pub fn serialize<S: Serializer>(spans: &[Span], serializer: S) -> Result<S::Ok, S::Error> {
        let bits = |span: &Span| (span.start.0.to_bits(), span.end.map(|end| end.0.to_bits()));
        spans.iter().map(bits).collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Span>, D::Error> {
        let seconds = |bits| Seconds(f64::from_bits(bits));
        let bits = Vec::<(u64, Option<u64>)>::deserialize(deserializer)?;
        Ok(bits
            .into_iter()
            .map(|(start, end)| Span { start: seconds(start), end: end.map(seconds) })
            .collect())
    }
}

/// A decoder, as the index of its card; null for the processor.
pub(super) mod decoder {
    use super::{Decoder, Deserializer, Serializer};
    use serde::{Deserialize as _, Serialize as _};

    pub fn serialize<S: Serializer>(decoder: &Decoder, serializer: S) -> Result<S::Ok, S::Error> {
        decoder.card().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decoder, D::Error> {
        let card = Option::<usize>::deserialize(deserializer)?;
        Ok(card.map_or(Decoder::Cpu, |card| Decoder::Nvdec { card }))
    }
}
