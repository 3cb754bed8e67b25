//! What is wrong with single clips or files of a dataset.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// One thing that is off.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// What kind of thing.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// The clip, where it is about one; as it is called in the file, which may be no [`affekt_core::ClipId`].
    pub clip: Option<String>,
    /// The file that it shows in.
    pub file: Option<PathBuf>,
    /// What is off, with line and value.
    pub message: String,
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A clip, a file or a label cannot be used, or the files contradict each other.
    Error,
    /// Worth knowing; everything can be used.
    Warning,
}

/// Kinds of [`Problem`], in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A dataset without a clip.
    NoClips,
    /// A recording whose media file is absent.
    MissingMedia,
    /// A recording that has no transcript.
    MissingTranscript,
    /// A clip that the table of labels does not have, or has without a label.
    MissingLabel,
    /// A media file that neither transcripts nor labels know.
    ExtraMedia,
    /// A transcript that neither media nor labels know.
    ExtraTranscript,
    /// A label that no clip fits.
    ExtraLabel,
    /// A media file whose headers cannot be read.
    UnreadableMedia,
    /// A transcript that cannot be read, or is not UTF-8.
    UnreadableTranscript,
    /// A line that is not in its file's format.
    BadLine,
    /// A clip id that is none.
    BadId,
    /// An id that two clips or two labels have.
    DuplicateId,
    /// A start or an end that is none, or an end that does not lie behind its start.
    BadSpan,
    /// A number that is none, or not finite; a time that no recording has.
    BadNumber,
    /// A split of unknown name.
    BadSplit,
    /// A clip that ends after its recording.
    SpanOutsideMedia,
    /// A clip with a transcript in which nothing is said.
    EmptyText,
    /// Clips that share a stretch of time.
    Overlap,
    /// A label outside [-3, 3].
    LabelRange,
    /// A table that has only labels rounded to whole numbers.
    RoundedLabels,
    /// Recordings that belong to no split.
    NoSplit,
    /// A media file whose header does not tell its duration.
    UnknownDuration,
}

impl Kind {
    /// Name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoClips => "no_clips",
            Self::MissingMedia => "missing_media",
            Self::MissingTranscript => "missing_transcript",
            Self::MissingLabel => "missing_label",
            Self::ExtraMedia => "extra_media",
            Self::ExtraTranscript => "extra_transcript",
            Self::ExtraLabel => "extra_label",
            Self::UnreadableMedia => "unreadable_media",
            Self::UnreadableTranscript => "unreadable_transcript",
            Self::BadLine => "bad_line",
            Self::BadId => "bad_id",
            Self::DuplicateId => "duplicate_id",
            Self::BadSpan => "bad_span",
            Self::BadNumber => "bad_number",
            Self::BadSplit => "bad_split",
            Self::SpanOutsideMedia => "span_outside_media",
            Self::EmptyText => "empty_text",
            Self::Overlap => "overlap",
            Self::LabelRange => "label_range",
            Self::RoundedLabels => "rounded_labels",
            Self::NoSplit => "no_split",
            Self::UnknownDuration => "unknown_duration",
        }
    }

    /// Overlaps are part of MOSEI, and never more than a warning.
    pub fn severity(self) -> Severity {
        match self {
            Self::Overlap
            | Self::LabelRange
            | Self::RoundedLabels
            | Self::NoSplit
            | Self::UnknownDuration => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// Whether a line or a transcript could not be understood, so that it is not known what its author wanted: every
    /// kind that keeps a clip out of [`Manifest::rows`](super::Manifest::rows) although its file is there.
    pub fn is_malformed(self) -> bool {
        matches!(
            self,
            Self::UnreadableTranscript
                | Self::BadLine
                | Self::BadId
                | Self::DuplicateId
                | Self::BadSpan
                | Self::BadNumber
                | Self::BadSplit
        )
    }

    /// A problem of this kind in `file`.
    pub(super) fn in_file(self, file: impl Into<PathBuf>, message: impl Into<String>) -> Problem {
        Problem {
            kind: self,
            severity: self.severity(),
            clip: None,
            file: Some(file.into()),
            message: message.into(),
        }
    }
}

impl Problem {
    /// The same, about one clip.
    pub(super) fn of_clip(self, clip: impl Into<String>) -> Self {
        Self { clip: Some(clip.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        f.write_str(&self.message)
    }
}
