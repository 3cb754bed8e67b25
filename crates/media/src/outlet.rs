//! Where decoded pieces go.

use std::ops::ControlFlow;

use affekt_core::{Frame, RgbImage, SampleRate, Seconds};

/// A piece of a recording, handed out as soon as it is decoded.
#[derive(Debug)]
pub enum Piece<'a> {
    /// A picture.
    Frame(Frame),
    /// Sound, mono at 16 kHz: each piece begins where the last one ended, the first at the start of the span.
    Sound {
        /// When the first of the samples sounds: sample `n` of the recording at `n / 16000` s.
        start: Seconds,
        /// The samples; silence where nothing sounds.
        samples: &'a [f32],
    },
}

/// The caller's end of a pass.
pub(crate) struct Outlet<'a> {
    on_piece: &'a mut dyn FnMut(Piece<'_>) -> ControlFlow<()>,
    /// Frames handed out.
    pub(crate) frames: usize,
}

impl<'a> Outlet<'a> {
    pub(crate) fn new(on_piece: &'a mut dyn FnMut(Piece<'_>) -> ControlFlow<()>) -> Self {
        Self { on_piece, frames: 0 }
    }

    /// Hands out the frame of `time` seconds.
    pub(crate) fn show(&mut self, time: f64, image: RgbImage) -> ControlFlow<()> {
        let frame = Frame { index: self.frames, time: Seconds(time), image };
        self.frames += 1;
        (self.on_piece)(Piece::Frame(frame))
    }

    /// Hands out samples of which the first is number `first` of the recording at 16 kHz.
    pub(crate) fn hear(&mut self, first: i64, samples: &[f32]) -> ControlFlow<()> {
        let start = Seconds(first as f64 / f64::from(SampleRate::SPEECH.0));
        (self.on_piece)(Piece::Sound { start, samples })
    }
}
