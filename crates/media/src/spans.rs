//! Several spans of a recording, from one pass over it.

use std::ops::ControlFlow;
use std::path::Path;

use affekt_core::{Seconds, Span};

use crate::decode::{Summary, Want};
use crate::error::Error;
use crate::info::MediaInfo;
use crate::lane::Lane;
use crate::outlet::{Outlet, Piece};
use crate::pass::Pass;
use crate::source::Source;

/// What comes of a pass over several spans.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "none is kept: each goes to the caller at once")]
pub enum Step<'a> {
    /// First of all: what the headers tell. To break off ends the pass.
    Opened {
        /// Facts.
        info: &'a MediaInfo,
        /// How long the recording is by its header, where that is more than a guess from its size.
        declared: Option<Seconds>,
    },
    /// A packet was read: the pass goes on. To break off ends the pass.
    Packet,
    /// A piece of a span. To break off asks for no more pieces of that kind for that span.
    Piece {
        /// Which.
        span: usize,
        /// The piece.
        piece: Piece<'a>,
    },
    /// A span is through, each wanted stream by itself: what [`crate::stream()`] of that span and of that stream alone
    /// would have given. To break off ends the pass.
    Over {
        /// Which.
        span: usize,
        /// Its sound, where that was wanted; the covered span ends with the sound.
        sound: Option<Result<Summary, Error>>,
        /// Its picture, where that was wanted; the covered span ends with the picture.
        picture: Option<Result<Summary, Error>>,
    },
}

/// Decodes what `want` names of all `spans` of the media file at `path` in one pass, with at most `threads` threads for
/// the picture.
///
/// The spans may overlap and come in any order. Each gets the pieces that [`crate::stream()`] would give it, frames
/// counted from its start, and its [`Step::Over`] as soon as both streams have passed its end. Only codecs whose output
/// depends on where the decoding began may differ, in the last bits: AAC with noise substitution, Opus. Stretches of
/// more than 10 s between spans are skipped, where the container can seek.
///
/// # Errors
/// Those of opening `path`; errors of single spans come with their [`Step::Over`].
pub fn stream_spans(
    path: impl AsRef<Path>,
    spans: &[Span],
    want: Want,
    threads: usize,
    mut on_step: impl FnMut(Step<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let source = Source::open(path.as_ref())?;
    let declared = source.info.duration.filter(|_| source.duration_is_known);
    if on_step(Step::Opened { info: &source.info, declared }).is_break() {
        return Ok(());
    }
    let lanes = spans.iter().enumerate().map(|(index, span)| Lane::new(index, *span)).collect();
    Pass::new(source, want, threads, Outlet::new(&mut on_step)).run(lanes);
    Ok(())
}
