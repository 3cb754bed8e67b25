//! Where decoded pieces go.

use std::ops::ControlFlow;

use affekt_core::{Frame, RgbImage, SampleRate, Seconds};

use crate::spans::Step;

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
    on_step: &'a mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
}

impl<'a> Outlet<'a> {
    pub(crate) fn new(on_step: &'a mut dyn FnMut(Step<'_>) -> ControlFlow<()>) -> Self {
        Self { on_step }
    }

    /// Hands out frame number `index` of the span number `span`, of `time` seconds.
    pub(crate) fn show(&mut self, span: usize, index: usize, time: f64, image: RgbImage) -> ControlFlow<()> {
        let piece = Piece::Frame(Frame { index, time: Seconds(time), image });
        (self.on_step)(Step::Piece { span, piece })
    }

    /// Hands out samples of the span number `span`, of which the first is number `first` of the recording at 16 kHz.
    pub(crate) fn hear(&mut self, span: usize, first: i64, samples: &[f32]) -> ControlFlow<()> {
        let start = Seconds(first as f64 / f64::from(SampleRate::SPEECH.0));
        (self.on_step)(Step::Piece { span, piece: Piece::Sound { start, samples } })
    }

    /// Tells of anything else.
    pub(crate) fn tell(&mut self, step: Step<'_>) -> ControlFlow<()> {
        (self.on_step)(step)
    }
}
