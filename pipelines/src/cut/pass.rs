//! The pass over a recording.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use affekt_faces::FaceDetector;
use affekt_media::{Want, stream_spans};

use super::clips::Clips;
use super::detector::{Shared, User};
use super::digest::digest;
use super::meter::Meter;
use super::{Cost, Detector, Found, Order};
use crate::Error;

/// A sign of life is given at least so often, while there is life.
const ALIVE: Duration = Duration::from_millis(500);

/// What a pass tells.
#[derive(Debug)]
pub enum Sign {
    /// It goes on, or nothing has come for a moment: an occasion to break off.
    Alive {
        /// Frames that were looked at so far.
        frames: usize,
    },
    /// Something was found.
    Found(Found),
}

/// Cuts one recording after the other; keeps the detector.
pub struct Cutting {
    threads: usize,
    detector: Option<(Detector, Box<dyn FaceDetector>)>,
}

impl Cutting {
    /// Decodes with at most so many threads.
    pub fn with_threads(threads: usize) -> Self {
        Self { threads, detector: None }
    }

    /// Goes once over the recording of `order`, and tells of everything that is found; breaking off ends the pass.
    ///
    /// # Errors
    /// Those of opening the recording, and of building the detector. What is wrong with single clips is a
    /// [`super::Failure`].
    pub fn cut(
        &mut self,
        order: &Order,
        tell: &mut dyn FnMut(Sign) -> ControlFlow<()>,
    ) -> Result<Cost, Error> {
        let mut teller = Teller { tell, last: Instant::now(), frames: 0, ended: false };
        let Some(digest) = digest(&order.media, &mut || teller.alive().is_continue())? else {
            return Ok(Cost::default());
        };
        if teller.found(Found::Opened { digest }).is_break() {
            return Ok(Cost::default());
        }
        let threads = self.threads;
        match order.faces.as_ref() {
            None => go_over(order, threads, Vec::new(), teller),
            Some(detector) => {
                let shared = Shared::new(self.detector(detector)?);
                let mut users: Vec<User<'_, '_>> = order.spans.iter().map(|_| User(&shared)).collect();
                go_over(order, threads, users.iter_mut().map(Some).collect(), teller)
            }
        }
    }

    /// The detector that is asked for; the last one, where it is the same.
    fn detector(&mut self, wanted: &Detector) -> Result<&mut dyn FaceDetector, Error> {
        let kept = self.detector.take().filter(|(kept, _)| kept == wanted);
        let built = match kept {
            Some(kept) => kept,
            None => (wanted.clone(), wanted.build()?),
        };
        Ok(&mut *self.detector.insert(built).1)
    }
}

/// The pass itself, with a detector for each clip, where faces are wanted.
fn go_over(
    order: &Order,
    threads: usize,
    users: Vec<Option<&mut User<'_, '_>>>,
    teller: Teller<'_>,
) -> Result<Cost, Error> {
    let want = Want { audio: order.sound, video: order.faces.is_some(), by: order.decoder };
    let mut clips = Clips::new(order, users, Meter::start(), teller);
    stream_spans(&order.media, &order.spans, want, threads, |step| clips.step(step))?;
    Ok(clips.cost())
}

/// The way to whoever waits.
pub(super) struct Teller<'t> {
    tell: &'t mut dyn FnMut(Sign) -> ControlFlow<()>,
    last: Instant,
    /// Frames that were looked at.
    pub(super) frames: usize,
    ended: bool,
}

impl Teller<'_> {
    /// Gives a sign of life, where the last is some time ago.
    pub(super) fn alive(&mut self) -> ControlFlow<()> {
        if self.last.elapsed() < ALIVE {
            return self.state();
        }
        self.tell(Sign::Alive { frames: self.frames })
    }

    pub(super) fn found(&mut self, found: Found) -> ControlFlow<()> {
        self.tell(Sign::Found(found))
    }

    fn tell(&mut self, sign: Sign) -> ControlFlow<()> {
        if !self.ended {
            self.ended = (self.tell)(sign).is_break();
        }
        self.last = Instant::now();
        self.state()
    }

    fn state(&self) -> ControlFlow<()> {
        if self.ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
