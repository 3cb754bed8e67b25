//! Tracks in the making: which detection continues which face, and the crops of each.

use std::collections::HashMap;

use affekt_core::{Frame, RgbImage, Seconds};
use rayon::prelude::*;

use crate::align::align_on;
use crate::sighting::Sighting;
use crate::speaker::{Face, FaceTrack, Mark, TrackSummary};
use crate::track::{HELD_BYTES, Held};
use crate::{Detection, Rect, Sampling, align, crop};

/// Least overlap (IoU) of a detection with the last one of its track. Between key frames a quickly turning head keeps
/// 0.2; faces of two people side by side have none.
const MIN_OVERLAP: f32 = 0.2;

/// The same for a track that was lost for longer than [`MAX_GAP`]: whoever returns must be where the face was.
const MIN_RETURN_OVERLAP: f32 = 0.5;

/// Seconds without a detection that interpolation bridges.
const MAX_GAP: f64 = 0.5;

/// Seconds without a detection after which a track ends, and a face in its place is a new one.
const MAX_ABSENCE: f64 = 2.0;

/// Faces followed at once. The largest come first, so that only small ones are left out.
const MAX_FACES: usize = 8;

/// A run of key frames whose gaps are small enough to interpolate over. The box of each is smoothed with its
/// neighbours', weights 1 2 1, so it is known when the next one is.
struct Run {
    before: Option<Sighting>,
    last: Sighting,
    /// `before`, smoothed: the end of what is cropped so far.
    done: Option<Sighting>,
}

/// A face that is being followed.
struct Track {
    id: usize,
    last: Sighting,
    run: Option<Run>,
    summary: TrackSummary,
    faces: Vec<(usize, Face)>,
    crops: Crops,
}

/// Which faces of a track keep their crop: all, or some at even distances.
#[derive(Clone, Copy)]
pub(crate) struct Crops {
    sampling: Sampling,
    kept: usize,
}

impl Crops {
    pub(crate) fn about(wanted: usize) -> Self {
        Self { sampling: Sampling::new(wanted), kept: 0 }
    }

    /// Counts the crop at `position` in, and takes every second one out where there are too many.
    fn count(&mut self, position: usize, faces: &mut [(usize, Face)]) {
        self.kept += usize::from(self.sampling.chooses(position));
        if !self.sampling.thins(self.kept) {
            return;
        }
        self.kept = 0;
        for (position, face) in faces {
            if self.sampling.chooses(*position) {
                self.kept += 1;
            } else {
                face.crop = RgbImage::black(0, 0);
            }
        }
    }
}

impl Default for Crops {
    fn default() -> Self {
        Self::about(usize::MAX)
    }
}

/// A mark whose track may still turn out to be a false alarm.
struct RawMark {
    position: usize,
    id: usize,
    mark: Mark,
}

impl RawMark {
    fn new(id: usize, at: &Sighting, interpolated: bool) -> Self {
        let Sighting { position, bbox, score, landmarks, .. } = *at;
        Self { position, id, mark: Mark { track: None, bbox, landmarks, score, interpolated } }
    }
}

/// All tracks of a clip.
#[derive(Default)]
pub(crate) struct Tracks {
    /// What each track begins with.
    crops: Crops,
    followed: Vec<Track>,
    /// Of the ended tracks only the heaviest can win: weights never shrink. The others keep no crops.
    best: Option<Track>,
    ended: Vec<(usize, TrackSummary)>,
    marks: Vec<RawMark>,
    begun: usize,
    /// Key frames of the scene.
    keys: usize,
}

impl Tracks {
    /// Keeps the crops of a track as `crops` says.
    pub(crate) fn keep(&mut self, crops: Crops) {
        self.crops = crops;
    }

    /// Takes the detections of the key frame at `position`; returns the first position whose frame is still needed.
    pub(crate) fn observe(&mut self, position: usize, detections: &[Detection], held: &Held) -> usize {
        self.keys += 1;
        let time = held.frame(position).time.0;
        let mut sightings: Vec<Sighting> =
            detections.iter().map(|found| Sighting::new(position, time, found)).collect();
        sightings.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
        let matches = self.associate(&sightings);
        for (&sighting, track) in sightings.iter().zip(matches) {
            match track {
                Some(index) => self.followed[index].see(sighting, held, &mut self.marks),
                None if self.followed.len() < MAX_FACES => self.begin(sighting),
                None => self.overlook(sighting),
            }
        }
        self.let_go(position, time, held);
        let needed = self.followed.iter().filter_map(Track::needs).min();
        needed.unwrap_or(position + 1)
    }

    /// Where the faces are that were seen a moment ago.
    pub(crate) fn places(&self) -> Vec<Rect> {
        self.followed.iter().filter(|track| track.run.is_some()).map(|track| track.last.bbox).collect()
    }

    /// Whether each of the `places` has a face among the `detections`.
    pub(crate) fn are_seen(places: &[Rect], detections: &[Detection]) -> bool {
        let seen = |place: &Rect| detections.iter().any(|found| found.bbox.iou(place) >= MIN_OVERLAP);
        places.iter().all(seen)
    }

    /// For each sighting the followed track that it continues: the pairs of largest overlap first, each taken once.
    fn associate(&self, sightings: &[Sighting]) -> Vec<Option<usize>> {
        let mut pairs = Vec::new();
        for (seen, sighting) in sightings.iter().enumerate() {
            for (index, track) in self.followed.iter().enumerate() {
                let overlap = sighting.bbox.iou(&track.last.bbox);
                let least = if track.run.is_some() { MIN_OVERLAP } else { MIN_RETURN_OVERLAP };
                if overlap >= least {
                    pairs.push((overlap, seen, index));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut matches = vec![None; sightings.len()];
        for (_, seen, index) in pairs {
            if matches[seen].is_none() && !matches.contains(&Some(index)) {
                matches[seen] = Some(index);
            }
        }
        matches
    }

    fn begin(&mut self, sighting: Sighting) {
        self.followed.push(Track::new(self.begun, sighting, self.crops));
        self.begun += 1;
    }

    /// Leaves a mark of a face that is one too many to follow.
    fn overlook(&mut self, sighting: Sighting) {
        self.marks.push(RawMark::new(self.begun, &sighting, false));
        self.begun += 1;
    }

    /// Closes what the frame at `position` shows to be over.
    fn let_go(&mut self, position: usize, time: f64, held: &Held) {
        for track in &mut self.followed {
            let last = track.last;
            let missed = last.position != position;
            let too_long =
                time - last.time > MAX_GAP || held.bytes_between(last.position, position) > HELD_BYTES;
            if missed && too_long {
                track.close(held, &mut self.marks);
            }
        }
        let over = |track: &mut Track| time - track.last.time > MAX_ABSENCE;
        for track in self.followed.extract_if(.., over).collect::<Vec<_>>() {
            self.end(track);
        }
    }

    /// Keeps an ended track, where it is one: a single sighting in several key frames of a scene is a false alarm.
    fn end(&mut self, track: Track) {
        if track.summary.detections < 2.min(self.keys) {
            return;
        }
        self.ended.push((track.id, track.summary));
        if self.best.as_ref().is_none_or(|best| best.summary.weight < track.summary.weight) {
            self.best = Some(track);
        }
    }

    /// Ends all tracks: nobody is followed from one scene to the next.
    pub(crate) fn cut(&mut self, held: &Held) {
        for mut track in std::mem::take(&mut self.followed) {
            track.close(held, &mut self.marks);
            self.end(track);
        }
        self.keys = 0;
    }

    /// Ends all tracks and chooses the speaker. `times` has the time of every frame of the clip, `cuts` the positions
    /// of those that begin a scene.
    pub(crate) fn finish(
        mut self,
        held: &Held,
        times: Vec<Seconds>,
        cuts: Vec<usize>,
        recipe: Vec<String>,
    ) -> FaceTrack {
        self.cut(held);
        self.ended.sort_by_key(|&(id, _)| id);
        let index = |id: usize| self.ended.iter().position(|&(ended, _)| ended == id);
        let mut result = FaceTrack {
            faces: vec![None; times.len()],
            marks: vec![Vec::new(); times.len()],
            times,
            tracks: self.ended.iter().map(|&(_, summary)| summary).collect(),
            speaker: self.best.as_ref().and_then(|best| index(best.id)),
            cuts,
            recipe,
        };
        for RawMark { position, id, mark } in &self.marks {
            result.marks[*position].push(Mark { track: index(*id), ..*mark });
        }
        for (position, face) in self.best.into_iter().flat_map(|best| best.faces) {
            result.faces[position] = Some(face);
        }
        result
    }
}

impl Track {
    fn new(id: usize, first: Sighting, crops: Crops) -> Self {
        let time = Seconds(first.time);
        let summary = TrackSummary { start: time, end: time, frames: 0, detections: 1, weight: 0.0 };
        let run = Some(Run { before: None, last: first, done: None });
        Self { id, last: first, run, summary, faces: Vec::new(), crops }
    }

    fn see(&mut self, sighting: Sighting, held: &Held, marks: &mut Vec<RawMark>) {
        self.summary.detections += 1;
        self.last = sighting;
        let run = match self.run.take() {
            None => Run { before: None, last: sighting, done: None },
            Some(run) => {
                let smooth = run.smooth_last(&sighting);
                self.take(run.done, smooth, held, marks);
                Run { before: Some(run.last), last: sighting, done: Some(smooth) }
            }
        };
        self.run = Some(run);
    }

    /// Ends the current run of key frames; a later sighting opens another.
    fn close(&mut self, held: &Held, marks: &mut Vec<RawMark>) {
        if let Some(run) = self.run.take() {
            let smooth = run.smooth_last(&run.last);
            self.take(run.done, smooth, held, marks);
        }
    }

    /// The first frame that is needed to go on.
    fn needs(&self) -> Option<usize> {
        self.run.as_ref().map(|run| run.done.map_or(run.last.position, |done| done.position + 1))
    }

    /// Crops the frames after `from` up to and including `to`.
    fn take(&mut self, from: Option<Sighting>, to: Sighting, held: &Held, marks: &mut Vec<RawMark>) {
        let first = from.map_or(to.position, |from| from.position + 1);
        let between = |position: usize| from.filter(|_| position < to.position);
        let sightings: Vec<Sighting> = (first..=to.position)
            .map(|position| {
                let time = held.frame(position).time.0;
                between(position).map_or(to, |from| from.towards(&to, position, time))
            })
            .collect();
        let chosen = |at: &Sighting| self.crops.sampling.chooses(at.position);
        let turned = turned(held, sightings.iter().filter(|at| chosen(at)));
        let faces = sightings.into_par_iter().map(|at| {
            let turned = turned.get(&at.position);
            (at, face(held.frame(at.position), &at, between(at.position).is_some(), chosen(&at), turned))
        });
        for (at, face) in faces.collect::<Vec<_>>() {
            let frame = held.frame(at.position);
            let pixels = frame.image.width * frame.image.height;
            self.summary.weight += f64::from(at.bbox.area()) / pixels as f64;
            self.summary.frames += 1;
            self.summary.end = frame.time;
            marks.push(RawMark::new(self.id, &at, face.interpolated));
            self.faces.push((at.position, face));
            self.crops.count(at.position, &mut self.faces);
        }
    }
}

impl Run {
    /// The last sighting, smoothed with the one before it and `next`; at the ends it stands in for a missing one.
    fn smooth_last(&self, next: &Sighting) -> Sighting {
        self.last.smoothed(&self.before.unwrap_or(self.last), next)
    }
}

/// The faces that are turned on a card, where there is one, by position. The CPU makes the same bytes, so that a card that
/// fails costs nothing but time.
fn turned<'s>(held: &Held, sightings: impl Iterator<Item = &'s Sighting>) -> HashMap<usize, RgbImage> {
    let Some(card) = &held.card else { return HashMap::new() };
    let with_landmarks = |at: &'s Sighting| Some((at.position, at.landmarks.as_ref()?));
    let faces: Vec<_> = sightings.filter_map(with_landmarks).collect();
    let pictures: Vec<_> =
        faces.iter().map(|(position, landmarks)| (&held.frame(*position).image, *landmarks)).collect();
    let crops = align_on(card, &pictures).unwrap_or_default();
    faces.iter().zip(crops).filter_map(|((position, _), crop)| Some((*position, crop?))).collect()
}

/// The face that `at` says to be in `frame`, with its crop, which may have been `turned` already, or an empty one.
fn face(frame: &Frame, at: &Sighting, interpolated: bool, cropped: bool, turned: Option<&RgbImage>) -> Face {
    let Sighting { bbox, score, landmarks, .. } = *at;
    if !cropped {
        return Face { bbox, score, landmarks, crop: RgbImage::black(0, 0), interpolated };
    }
    let aligned = turned.cloned().or_else(|| align(&frame.image, &landmarks?));
    let crop = aligned.unwrap_or_else(|| crop(&frame.image, &bbox));
    Face { bbox, score, landmarks, crop, interpolated }
}
