//! A span of a recording, decoded: in pieces as they come, or with its sound as a whole.

use std::ops::ControlFlow;
use std::path::Path;

use affekt_core::{Frame, SampleRate, Seconds, Span, Waveform};

use crate::decoder::Decoder;
use crate::error::Error;
use crate::info::MediaInfo;
use crate::outlet::{Outlet, Piece};
use crate::pass::Pass;
use crate::source::Source;
use crate::spans::Step;
use crate::video::all_threads;
use crate::warning::Warning;

/// Which streams to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The sound.
    pub audio: bool,
    /// The picture.
    pub video: bool,
    /// What decodes it.
    pub by: Decoder,
}

impl Want {
    /// Both.
    pub const ALL: Self = Self { audio: true, video: true, by: Decoder::Cpu };
    /// The sound only; the picture is not even demuxed.
    pub const AUDIO: Self = Self { audio: true, video: false, by: Decoder::Cpu };
    /// The picture only.
    pub const VIDEO: Self = Self { audio: false, video: true, by: Decoder::Cpu };

    /// The same, with the picture decoded by `decoder`.
    #[must_use]
    pub const fn by(self, decoder: Decoder) -> Self {
        Self { by: decoder, ..self }
    }
}

/// What a span held, beside the pieces that went to the caller.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Facts from the headers.
    pub info: MediaInfo,
    /// How long the recording is by its header, where that is more than a guess from its size.
    pub declared: Option<Seconds>,
    /// The span that was really covered: its end lies inside the recording.
    pub span: Span,
    /// Samples handed out: exactly as many as `span` has at 16 kHz, unless the caller broke off; `None` where the sound
    /// was not wanted, does not exist or cannot be decoded.
    pub samples: Option<usize>,
    /// Frames handed out.
    pub frames: usize,
    /// Packets taken from the container, those of the way to the span included: what the span cost.
    pub packets: usize,
    /// What is missing or damaged.
    pub warnings: Vec<Warning>,
}

/// What a span held, beside the frames that went to the caller.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Facts from the headers.
    pub info: MediaInfo,
    /// The span that was really covered: its end lies inside the recording.
    pub span: Span,
    /// The sound: mono, 16 kHz, exactly `span` long, silent where nothing sounds; `None` where it was not wanted, does
    /// not exist or cannot be decoded.
    pub waveform: Option<Waveform>,
    /// Frames handed out.
    pub frames: usize,
    /// What is missing or damaged.
    pub warnings: Vec<Warning>,
}

/// Decodes what `want` names of the `span` of the media file at `path`, piece by piece.
///
/// Frames and sound go to `on_piece` each in the order of time and as soon as they are decoded; the two come as the
/// container interleaves them. None is kept: memory grows neither with the span nor with the recording, but for the
/// container's own index. `ControlFlow::Break` asks for no more pieces of that kind; the other kind goes on. A frame
/// belongs to the span if its timestamp does. A span that ends after the recording is clipped.
///
/// # Errors
/// See [`Error`]. Damage and missing streams are [`Warning`]s as long as anything could be decoded.
pub fn stream(
    path: impl AsRef<Path>,
    span: Span,
    want: Want,
    mut on_piece: impl FnMut(Piece<'_>) -> ControlFlow<()>,
) -> Result<Summary, Error> {
    let source = Source::open(path.as_ref())?;
    let mut on_step = |step: Step<'_>| match step {
        Step::Piece { piece, .. } => on_piece(piece),
        Step::Opened { .. } | Step::Packet | Step::Over { .. } => ControlFlow::Continue(()),
    };
    Pass::new(source, want, all_threads(), Outlet::new(&mut on_step)).run_one(span)
}

/// [`stream()`] for spans that fit into memory: the sound comes back in one piece.
///
/// Frames go to `on_frame`, none kept; `ControlFlow::Break` asks for no more of them, and the sound is still read to the
/// end of the span.
///
/// # Errors
/// Those of [`stream()`].
pub fn decode(
    path: impl AsRef<Path>,
    span: Span,
    want: Want,
    mut on_frame: impl FnMut(Frame) -> ControlFlow<()>,
) -> Result<Decoded, Error> {
    let mut heard = Vec::new();
    let summary = stream(path, span, want, |piece| match piece {
        Piece::Frame(frame) => on_frame(frame),
        Piece::Sound { samples, .. } => {
            heard.extend_from_slice(samples);
            ControlFlow::Continue(())
        }
    })?;
    let Summary { info, span, samples, frames, warnings, .. } = summary;
    let waveform = samples.map(|_| Waveform { samples: heard, rate: SampleRate::SPEECH });
    Ok(Decoded { info, span, waveform, frames, warnings })
}
