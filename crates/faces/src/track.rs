//! From a stream of frames to the speaker's face, in flat memory.
//!
//! Detection runs on key frames, ten a second; between them boxes are interpolated. On 14 clips of talking heads the
//! detector's boxes shake by a tenth of their size from frame to frame, so key boxes are smoothed over three key
//! frames. Overlap with the clip's own smooth path (mean IoU): 0.93 with every frame detected and nothing smoothed,
//! 0.94 for ten a second, 0.955 for ten a second smoothed, 0.94 for six a second either way.
//!
//! A detector that can searches only near the faces that are followed; the whole frame twice a second, at the start of a
//! scene, and whenever one of the faces is not where it was.

use std::collections::VecDeque;

use affekt_core::{Frame, Seconds};
use candle_core::Device;

use crate::cuts::CutFinder;
use crate::follow::{Crops, Tracks};
use crate::{Detection, Error, FaceDetector, FaceTrack, Rect, align, crop};

/// Name of what this file and its helper do, for the feature spec; a change of any number needs a new one.
const RECIPE: &str = "track-10hz-smooth3-v2";

/// Time between key frames in seconds, a little less than the tenth that three frames at 30 a second take.
const KEY_INTERVAL: f64 = 0.099;

/// Key frames that are detected together. What is found in them decides where the next ones are searched, so the number
/// must not depend on the machine.
const BATCH: usize = 2;

/// While faces are followed, the whole frame is searched only so often, in seconds: for faces that have come into it.
const WHOLE_INTERVAL: f64 = 0.45;

/// Bytes of frames held back at most, whatever their size and rate. Large frames become key frames sooner, and large
/// gaps are not bridged.
pub(crate) const HELD_BYTES: usize = 128 << 20;

/// Follows faces through a stream of frames.
///
/// Tracks end where the picture cuts. Holds the few frames that await the next key frame, and 37 KB a frame for the faces
/// that may turn out to be the speaker.
pub struct Tracker<'d> {
    detector: &'d mut dyn FaceDetector,
    held: Held,
    finder: CutFinder,
    cuts: Vec<usize>,
    /// Frames of which it is known whether they begin a scene.
    settled: usize,
    pending: Vec<Key>,
    last_key: Option<(usize, Seconds)>,
    /// Time of the last key frame that was searched as a whole.
    last_whole: Option<f64>,
    bytes_since_key: usize,
    times: Vec<Seconds>,
    tracks: Tracks,
}

/// A frame on which the detector runs.
struct Key {
    position: usize,
    /// Whether it begins a scene.
    begins: bool,
}

impl<'d> Tracker<'d> {
    /// Starts a clip.
    pub fn new(detector: &'d mut dyn FaceDetector) -> Self {
        let card = detector.card();
        Self {
            detector,
            held: Held { card, ..Held::default() },
            finder: CutFinder::default(),
            cuts: Vec::new(),
            settled: 0,
            pending: Vec::new(),
            last_key: None,
            last_whole: None,
            bytes_since_key: 0,
            times: Vec::new(),
            tracks: Tracks::default(),
        }
    }

    /// Keeps the crops of about `crops` frames of each track, at even distances, and leaves those of the others empty: for
    /// looking at a long recording, whose crops would fill the memory.
    pub fn keeping(mut self, crops: usize) -> Self {
        self.tracks.keep(Crops::about(crops));
        self
    }

    /// What makes the crops what they are, as words for a feature spec: detector, tracking, crop.
    pub fn recipe(detector: &dyn FaceDetector) -> Vec<String> {
        let crop = if detector.finds_landmarks() { align::RECIPE } else { crop::RECIPE };
        vec![detector.name().to_owned(), RECIPE.to_owned(), crop.to_owned()]
    }

    /// Takes the next frame in presentation order.
    pub fn push(&mut self, frame: Frame) -> Result<(), Error> {
        self.finder.see(&frame.image);
        self.times.push(frame.time);
        self.held.frames.push_back(frame);
        self.settle(false);
        if self.pending.len() >= BATCH || self.held.bytes() >= HELD_BYTES {
            self.detect()?;
        }
        Ok(())
    }

    /// Ends the clip and chooses the speaker. A clip without a face is a result like any other.
    pub fn finish(mut self) -> Result<FaceTrack, Error> {
        self.settle(true);
        // The last frame is a key frame, so that those before it have something to be interpolated to.
        if let Some(last) = self.times.len().checked_sub(1) {
            self.mark_key(last, false);
        }
        self.detect()?;
        Ok(self.tracks.finish(&self.held, self.times, self.cuts, Self::recipe(self.detector)))
    }

    /// Chooses the key frames among the frames of which the scene is known.
    fn settle(&mut self, ended: bool) {
        while let Some(cut) = self.finder.judge(ended) {
            let position = self.settled;
            self.settled += 1;
            self.bytes_since_key += self.held.frame(position).image.data.len();
            if cut {
                self.cuts.push(position);
                // The scene's last frame, for the reason that the clip's is one.
                self.mark_key(position - 1, false);
            }
            if cut || self.is_key(self.times[position]) {
                self.mark_key(position, cut);
            }
        }
    }

    /// Makes the frame at `position` a key frame, where it is none yet.
    fn mark_key(&mut self, position: usize, begins: bool) {
        if self.last_key.is_some_and(|(key, _)| key == position) {
            return;
        }
        self.pending.push(Key { position, begins });
        self.last_key = Some((position, self.times[position]));
        self.bytes_since_key = 0;
    }

    fn is_key(&self, time: Seconds) -> bool {
        let Some((_, last)) = self.last_key else { return true };
        let since = time.0 - last.0;
        // Time may stand still or run backwards in a damaged file.
        !(0.0..KEY_INTERVAL).contains(&since) || self.bytes_since_key >= HELD_BYTES / 4
    }

    /// Detects on the pending key frames and lets go of the frames that no open track needs.
    fn detect(&mut self) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        let places = self.tracks.places();
        let near = self.search_near(&pending, &places);
        let image = |key: &Key| &self.held.frame(key.position).image;
        let is_missing = |found: &Option<Vec<Detection>>| found.is_none();
        let whole: Vec<_> = pending
            .iter()
            .zip(&near)
            .filter(|(_, near)| is_missing(near))
            .map(|(key, _)| image(key))
            .collect();
        let mut whole = self.detector.detect_batch(&whole)?.into_iter();
        for (key, near) in pending.into_iter().zip(near) {
            if near.is_none() {
                self.last_whole = Some(self.times[key.position].0);
            }
            let detections = near.or_else(|| whole.next()).unwrap_or_default();
            if key.begins {
                self.tracks.cut(&self.held);
            }
            let needed = self.tracks.observe(key.position, &detections, &self.held);
            self.held.drop_before(needed);
        }
        Ok(())
    }

    /// For each key frame the faces near the `places`; `None` where the whole of it has to be searched.
    fn search_near(&mut self, keys: &[Key], places: &[Rect]) -> Vec<Option<Vec<Detection>>> {
        let mut last_whole = self.last_whole;
        let mut same_scene = true;
        let mut wants_near = |key: &Key| {
            let time = self.times[key.position].0;
            same_scene &= !key.begins;
            let is_recent = last_whole.is_some_and(|last| (0.0..WHOLE_INTERVAL).contains(&(time - last)));
            let near = same_scene && is_recent && !places.is_empty();
            last_whole = if near { last_whole } else { Some(time) };
            near
        };
        let wanted: Vec<bool> = keys.iter().map(&mut wants_near).collect();
        let chosen = keys.iter().zip(&wanted).filter(|(_, near)| **near);
        let images: Vec<_> = chosen.map(|(key, _)| &self.held.frame(key.position).image).collect();
        let found = if images.is_empty() { None } else { self.detector.detect_near(&images, places) };
        let mut found = found.unwrap_or_default().into_iter();
        let found = wanted.into_iter().map(|near| near.then(|| found.next()).flatten());
        found.map(|faces| faces.filter(|faces| Tracks::are_seen(places, faces))).collect()
    }
}

/// Frames that are not done with, by position in the clip.
#[derive(Default)]
pub(crate) struct Held {
    /// Where faces are turned upright, if not on the CPU.
    pub(crate) card: Option<Device>,
    first: usize,
    frames: VecDeque<Frame>,
}

impl Held {
    /// The frame at `position`, which must be held.
    pub(crate) fn frame(&self, position: usize) -> &Frame {
        &self.frames[position - self.first]
    }

    /// Bytes of the frames from `position` on, up to and including `end`.
    pub(crate) fn bytes_between(&self, position: usize, end: usize) -> usize {
        (position.max(self.first)..=end).map(|at| self.frame(at).image.data.len()).sum()
    }

    fn bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.image.data.len()).sum()
    }

    fn drop_before(&mut self, position: usize) {
        while self.first < position && self.frames.pop_front().is_some() {
            self.first += 1;
        }
    }
}
