//! How many frames of a film are looked at.

/// Frames closer together than this are left out, in seconds: up to 75 frames a second are all judged, and no header
/// makes thousands of faces out of a second.
const CLOSEST: f64 = 1.0 / 75.0 - 1e-4;

/// Leaves frames out of a film.
#[derive(Debug, Default)]
pub struct Thinning {
    last: Option<f64>,
    left_out: usize,
}

impl Thinning {
    /// Frames a second that are kept at most.
    pub const MOST: usize = 75;

    /// Whether the next frame, of `time` seconds, is one to look at.
    pub fn keeps(&mut self, time: f64) -> bool {
        // Time may stand still or run backwards in a damaged file.
        let keeps = self.last.is_none_or(|last| !(0.0..CLOSEST).contains(&(time - last)));
        if keeps {
            self.last = Some(time);
        } else {
            self.left_out += 1;
        }
        keeps
    }

    /// What to tell of a film of `frames` frames.
    pub fn warning(&self, frames: usize) -> Option<String> {
        let left_out = self.left_out;
        (left_out > 0)
            .then(|| format!("{left_out} of {frames} frames are left out: at most 75 a second are looked at"))
    }
}
