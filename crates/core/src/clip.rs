//! A clip: a named span of a recording.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Seconds;

/// Name of a clip, safe as a file name and as that of a tensor: not empty, at most [`ClipId::LONGEST`] bytes, no path
/// separator, no control character, not `.`, `..` or `__metadata__`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClipId(String);

/// Why a text is no [`ClipId`].
#[derive(Debug, thiserror::Error)]
#[error("{name:?} is not a clip id: it {reason}")]
pub struct BadClipId {
    name: String,
    reason: &'static str,
}

impl ClipId {
    /// Most bytes of a name. File systems take 255, of which extensions need some.
    pub const LONGEST: usize = 200;

    /// Checks and takes `name`.
    pub fn new(name: impl Into<String>) -> Result<Self, BadClipId> {
        let mut name = name.into();
        if name.len() > Self::LONGEST {
            // The whole of it would hide the reason.
            name = name.chars().take(40).chain("...".chars()).collect();
            return Err(BadClipId {
                name,
                reason: "has more than 200 bytes, too many for the name of a file",
            });
        }
        let reason = if name.trim().is_empty() {
            "is empty"
        } else if name == "." || name == ".." {
            "names a folder"
        } else if name.contains(['/', '\\']) {
            "contains a path separator"
        } else if name.chars().any(char::is_control) {
            "contains a control character"
        } else if name == "__metadata__" {
            "is a name that the cache keeps to itself"
        } else {
            return Ok(Self(name));
        };
        Err(BadClipId { name, reason })
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClipId {
    type Error = BadClipId;
    fn try_from(name: String) -> Result<Self, BadClipId> {
        Self::new(name)
    }
}

impl From<ClipId> for String {
    fn from(id: ClipId) -> Self {
        id.0
    }
}

impl fmt::Display for ClipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The half-open time span [start, end) of a recording, in seconds from its start; no `end` means to its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// First instant inside the span.
    pub start: Seconds,
    /// First instant after the span.
    pub end: Option<Seconds>,
}

/// Why two times are no [`Span`].
#[derive(Debug, thiserror::Error)]
#[error("the span {start} to {end} is not one: start must be at least 0 and before end, both finite")]
pub struct BadSpan {
    start: f64,
    end: f64,
}

impl Span {
    /// The whole recording.
    pub const ALL: Self = Self { start: Seconds::ZERO, end: None };

    /// Checks that 0 <= start < end and that both are finite.
    pub fn new(start: Option<f64>, end: Option<f64>) -> Result<Self, BadSpan> {
        let first = start.unwrap_or(0.0);
        let ordered = end.is_none_or(|end| end.is_finite() && first < end);
        if !first.is_finite() || first < 0.0 || !ordered {
            return Err(BadSpan { start: first, end: end.unwrap_or(f64::INFINITY) });
        }
        Ok(Self { start: Seconds(first), end: end.map(Seconds) })
    }

    /// Whether `time` lies in [start, end).
    pub fn contains(&self, time: Seconds) -> bool {
        time >= self.start && self.end.is_none_or(|end| time < end)
    }

    /// Duration, where the end is known.
    pub fn duration(&self) -> Option<Seconds> {
        self.end.map(|end| Seconds(end.0 - self.start.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_would_leave_the_folder_are_refused() {
        for bad in ["", " ", ".", "..", "a/b", "a\\b", "a\nb"] {
            assert!(ClipId::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(ClipId::new("-3g5yACwYnA_13").unwrap().as_str(), "-3g5yACwYnA_13");
    }

    #[test]
    fn ids_that_the_cache_cannot_keep_are_refused() {
        let kept = ClipId::new("__metadata__").unwrap_err().to_string();
        assert!(kept.contains("the cache keeps to itself"), "{kept}");
        assert!(ClipId::new("__metadata__0").is_ok());
        // 200 and 202 bytes, two a letter.
        assert!(ClipId::new("é".repeat(ClipId::LONGEST / 2)).is_ok());
        let long = ClipId::new("é".repeat(ClipId::LONGEST / 2 + 1)).unwrap_err().to_string();
        assert!(long.contains(&format!("more than {} bytes", ClipId::LONGEST)) && long.len() < 200, "{long}");
    }

    #[test]
    fn spans_are_half_open_and_ordered() {
        let span = Span::new(Some(1.0), Some(2.0)).unwrap();
        assert!(span.contains(Seconds(1.0)));
        assert!(!span.contains(Seconds(2.0)));
        for (start, end) in [(-1.0, 2.0), (2.0, 2.0), (3.0, 2.0), (f64::NAN, 2.0), (0.0, f64::INFINITY)] {
            assert!(Span::new(Some(start), Some(end)).is_err(), "{start} {end}");
        }
    }
}
