//! A media file to a waveform and the speaker's faces. Decoding and tracking run side by side: a bounded channel of
//! frames connects them, so memory does not grow with the clip.

use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use affekt_core::{Frame, Seconds, Span};
use affekt_faces::{FaceTrack, RustFace, Tracker};
use affekt_media::{Decoded, Want, decode};
use crossbeam_channel::{Receiver, bounded};

use crate::Error;

/// Frames that wait between decoder and tracker.
const WAITING: usize = 8;

/// What a clip shows and says.
pub struct Clip {
    /// Sound and facts.
    pub decoded: Decoded,
    /// The speaker.
    pub track: FaceTrack,
    /// What decoding took, waiting for the tracker left out.
    pub decode_time: Seconds,
    /// What tracking took, waiting for the decoder left out.
    pub faces_time: Seconds,
}

/// Decodes `span` of the file and follows the faces in it. `advanced` hears how many frames are done.
///
/// # Errors
/// [`Error::Recipe`] where this program finds faces in another way than `recipe` says.
pub fn watch(
    path: &Path,
    span: Span,
    recipe: &[String],
    advanced: &(dyn Fn(usize, Option<usize>) + Sync),
) -> Result<Clip, Error> {
    let mut detector = RustFace::new(RustFace::VIDEO_LINES)?;
    check_recipe(recipe, &Tracker::recipe(&detector))?;
    let (sender, frames) = bounded::<Frame>(WAITING);
    thread::scope(|scope| {
        let decoder = scope.spawn(move || {
            let start = Instant::now();
            let mut waited = Duration::ZERO;
            let decoded = decode(path, span, Want::ALL, |frame| {
                let handed = Instant::now();
                let taken = sender.send(frame);
                waited += handed.elapsed();
                // The tracker hangs up only when it has failed: no frame is wanted any more.
                if taken.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            (decoded, start.elapsed().saturating_sub(waited))
        });
        let followed = follow(frames, &mut detector, advanced);
        let (decoded, decoding) = match decoder.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        // Why a file cannot be decoded tells more than what became of its faces.
        let decoded = decoded?;
        let (track, tracking) = followed?;
        let seconds = |duration: Duration| Seconds(duration.as_secs_f64());
        Ok(Clip { decoded, track, decode_time: seconds(decoding), faces_time: seconds(tracking) })
    })
}

/// Features of another recipe than the networks were made for would give wrong numbers silently.
fn check_recipe(wanted: &[String], here: &[String]) -> Result<(), Error> {
    if wanted == here {
        return Ok(());
    }
    let (wanted, here) = (wanted.join(", "), here.join(", "));
    Err(Error::Recipe {
        reason: format!("the bundle wants faces by {wanted}, but this affekt finds them by {here}"),
    })
}

fn follow(
    frames: Receiver<Frame>,
    detector: &mut RustFace,
    advanced: &dyn Fn(usize, Option<usize>),
) -> Result<(FaceTrack, Duration), Error> {
    let mut tracker = Tracker::new(detector);
    let mut working = Duration::ZERO;
    for (done, frame) in frames.into_iter().enumerate() {
        let start = Instant::now();
        tracker.push(frame)?;
        working += start.elapsed();
        advanced(done + 1, None);
    }
    let start = Instant::now();
    let track = tracker.finish()?;
    Ok((track, working + start.elapsed()))
}
