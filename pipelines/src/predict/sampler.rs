//! Frames kept for the page: a few, spread evenly over a recording of unknown length, reduced as they stream by.

use affekt_core::{Frame, RgbImage, Seconds};
use affekt_faces::resize::reduced;
use affekt_faces::{FaceTrack, Rect, Sampling};

/// Longest side of a kept frame, in pixels.
const LONGEST: usize = 480;

/// A frame that was kept.
pub struct Snapshot {
    /// When it is shown.
    pub time: Seconds,
    /// The reduced picture.
    pub image: RgbImage,
    /// The speaker's face in pixels of the reduced picture, where it was found.
    pub face: Option<Rect>,
    /// The crop of it.
    pub crop: Option<RgbImage>,
    /// Count of frames before it in the recording.
    position: usize,
    /// The same in its window, until the window's speaker is known.
    pending: Option<usize>,
    /// Pixels of the reduced picture per pixel of the frame.
    scale: f32,
}

/// Keeps snapshots while frames stream by.
pub struct Sampler {
    sampling: Sampling,
    seen: usize,
    kept: Vec<Snapshot>,
}

impl Sampler {
    /// Keeps `wanted` frames, where there are so many.
    pub fn new(wanted: usize) -> Self {
        Self { sampling: Sampling::new(wanted), seen: 0, kept: Vec::new() }
    }

    /// Takes a look at the next frame, number `in_window` of its window.
    pub fn see(&mut self, in_window: usize, frame: &Frame) {
        let position = self.seen;
        self.seen += 1;
        if !self.sampling.chooses(position) {
            return;
        }
        let Some((image, scale)) = reduced(&frame.image, LONGEST) else { return };
        let (time, pending) = (frame.time, Some(in_window));
        self.kept.push(Snapshot { time, image, face: None, crop: None, position, pending, scale });
        if self.sampling.thins(self.kept.len()) {
            self.kept.retain(|kept| self.sampling.chooses(kept.position));
        }
    }

    /// Takes down the speaker's face in the frames of the window that ends here.
    pub fn settle(&mut self, track: &FaceTrack) {
        for kept in &mut self.kept {
            let Some(position) = kept.pending.take() else { continue };
            if let Some(Some(face)) = track.faces.get(position) {
                kept.face = Some(face.bbox.scaled(kept.scale));
                kept.crop = Some(face.crop.clone());
            }
        }
    }

    /// What was kept, in the order of time: of up to twice as many as are wanted, an even choice.
    pub fn finish(self) -> Vec<Snapshot> {
        let (kept, wanted) = (self.kept.len(), self.sampling.wanted().min(self.kept.len()));
        let chosen = |index: usize| (0..wanted).any(|place| place * kept / wanted == index);
        self.kept.into_iter().enumerate().filter(|(index, _)| chosen(*index)).map(|(_, kept)| kept).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_even_whatever_the_length() {
        for frames in [0, 1, 12, 23, 24, 1000] {
            const WANTED: usize = 12;
            let mut sampler = Sampler::new(WANTED);
            for index in 0..frames {
                let image = RgbImage::black(960, 540);
                sampler.see(index % 100, &Frame { index, time: Seconds(index as f64), image });
            }
            let kept = sampler.finish();
            assert_eq!(kept.len(), WANTED.min(frames), "{frames}");
            let steps: Vec<f64> = kept.windows(2).map(|pair| pair[1].time.0 - pair[0].time.0).collect();
            let (least, most) =
                steps.iter().fold((f64::MAX, 0f64), |(a, b), &step| (a.min(step), b.max(step)));
            assert!(steps.is_empty() || most <= 2.0 * least, "{frames}: {steps:?}");
            assert!(kept.iter().all(|kept| (kept.image.width, kept.image.height) == (480, 270)));
        }
    }
}
