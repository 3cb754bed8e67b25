//! The result of tracking, and who the speaker is.

use affekt_core::{RgbImage, Seconds};

use crate::{Landmarks, Rect};

/// The speaker's face in one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Face {
    /// Its box, smoothed over time, in pixels of the frame.
    pub bbox: Rect,
    /// The detector's score; between key frames the mean of its neighbours', by distance.
    pub score: f32,
    /// Its landmarks, smoothed like the box, where the detector finds them.
    pub landmarks: Option<Landmarks>,
    /// 112 x 112 pixels as [`crate::align()`] makes them of the landmarks, or [`crate::crop()`] of the box; empty where the
    /// tracker was told to keep only some ([`crate::Tracker::keeping`]).
    pub crop: RgbImage,
    /// Whether the box stems from the frames around this one, where the detector did not look here or saw nothing.
    pub interpolated: bool,
}

/// Any tracked face in one frame, without its picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Index into [`FaceTrack::tracks`]; `None` for a face that was not followed: seen once and never again, which
    /// counts as a false alarm, or smaller than the eight that are followed at once.
    pub track: Option<usize>,
    /// Its box.
    pub bbox: Rect,
    /// As [`Face::landmarks`].
    pub landmarks: Option<Landmarks>,
    /// As [`Face::score`].
    pub score: f32,
    /// As [`Face::interpolated`].
    pub interpolated: bool,
}

/// What is known of one track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackSummary {
    /// Time of its first frame.
    pub start: Seconds,
    /// Time of its last frame.
    pub end: Seconds,
    /// Frames in which it has a box.
    pub frames: usize,
    /// Key frames on which the detector found it.
    pub detections: usize,
    /// Sum over its frames of the share of the picture that its box covers: large and lasting faces weigh most.
    pub weight: f64,
}

/// The speaker's face over a clip. Every frame that was pushed has its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaceTrack {
    /// The speaker's face in each frame, where there is one.
    pub faces: Vec<Option<Face>>,
    /// Presentation time of each frame.
    pub times: Vec<Seconds>,
    /// All faces in each frame, to look at.
    pub marks: Vec<Vec<Mark>>,
    /// All tracks, by first appearance.
    pub tracks: Vec<TrackSummary>,
    /// Which of them is the speaker: the one of the largest weight.
    pub speaker: Option<usize>,
    /// Positions of the frames with which a new scene begins, but for the first frame. No track goes across.
    pub cuts: Vec<usize>,
    /// Detector, tracking and crop, as words for a feature spec.
    pub recipe: Vec<String>,
}

/// A second track of at least this share of the speaker's weight makes the choice doubtful.
const RIVAL_SHARE: f64 = 0.4;

impl FaceTrack {
    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.faces.len()
    }

    /// Number of frames in which the speaker's face is seen.
    pub fn with_face(&self) -> usize {
        self.faces.iter().flatten().count()
    }

    /// Share of frames with the speaker's face, 0 to 1; 0 without frames.
    pub fn coverage(&self) -> f64 {
        self.with_face() as f64 / self.frames().max(1) as f64
    }

    /// For each frame, whether the speaker's face is seen.
    pub fn valid(&self) -> Vec<bool> {
        self.faces.iter().map(Option::is_some).collect()
    }

    /// Weights of the other tracks of the speaker's scene, in weights of the speaker's.
    fn others(&self) -> impl Iterator<Item = f64> {
        let speaker = self.speaker.map(|speaker| (speaker, self.tracks[speaker]));
        speaker.into_iter().flat_map(move |(chosen, speaker)| {
            let scene = self.scene(speaker.start);
            let others = self.tracks.iter().enumerate().filter(move |&(index, _)| index != chosen);
            let others = others.filter(move |(_, track)| self.scene(track.start) == scene);
            others.map(move |(_, track)| track.weight / speaker.weight)
        })
    }

    /// Weight of the heaviest other track of the speaker's scene in weights of the speaker's; `None` where there is
    /// none.
    pub fn rival(&self) -> Option<f64> {
        self.others().max_by(f64::total_cmp)
    }

    /// Sentences for the user about what makes the choice of the speaker doubtful.
    pub fn warnings(&self) -> Vec<String> {
        self.warning().into_iter().chain(self.cut_warning()).collect()
    }

    /// A sentence for the user where tracks compete, so that the choice of the speaker may be wrong.
    pub fn warning(&self) -> Option<String> {
        let share = self.rival().filter(|&share| share >= RIVAL_SHARE)?;
        Some(format!(
            "{} faces compete to be the speaker: the second weighs {:.0}% of the chosen one (area summed over frames)",
            1 + self.others().filter(|&share| share >= RIVAL_SHARE).count(),
            100.0 * share
        ))
    }

    /// A sentence for the user where scenes other than the speaker's have faces too: nobody knows whether they are the
    /// same person's.
    fn cut_warning(&self) -> Option<String> {
        let scene = self.scene(self.tracks[self.speaker?].start);
        self.tracks.iter().find(|track| self.scene(track.start) != scene)?;
        let tracked = |marks: &&Vec<Mark>| marks.iter().any(|mark| mark.track.is_some());
        let times = if self.cuts.len() == 1 { "once" } else { &format!("{} times", self.cuts.len()) };
        Some(format!(
            "the picture cuts {times}: the speaker's track holds {} of {} frames with a face",
            self.with_face(),
            self.marks.iter().filter(tracked).count()
        ))
    }

    /// Number of the scene in which `time` lies.
    fn scene(&self, time: Seconds) -> usize {
        let began = |&&cut: &&usize| self.times.get(cut).is_some_and(|start| start.0 <= time.0);
        self.cuts.iter().filter(began).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_weights(weights: &[f64], speaker: Option<usize>) -> FaceTrack {
        let track = |&weight| TrackSummary {
            start: Seconds(0.0),
            end: Seconds(1.0),
            frames: 9,
            detections: 3,
            weight,
        };
        FaceTrack { tracks: weights.iter().map(track).collect(), speaker, ..FaceTrack::default() }
    }

    #[test]
    fn only_a_heavy_rival_is_worth_a_warning() {
        assert_eq!(with_weights(&[], None).warning(), None);
        assert_eq!(with_weights(&[1.0], Some(0)).warning(), None);
        assert_eq!(with_weights(&[0.1, 1.0], Some(1)).warning(), None);
        let warning = with_weights(&[0.5, 1.0, 0.1], Some(1)).warning().unwrap();
        assert!(warning.starts_with("2 faces compete") && warning.contains("50%"), "{warning}");
    }

    #[test]
    fn faces_of_other_scenes_are_no_rivals_but_worth_a_warning() {
        let mut track = with_weights(&[0.5, 1.0, 0.1], Some(1));
        track.times = vec![Seconds(0.0), Seconds(1.0), Seconds(2.0)];
        track.cuts = vec![1];
        (track.tracks[1].start, track.tracks[2].start) = (Seconds(1.0), Seconds(2.0));
        let face = Face {
            bbox: Rect::default(),
            score: 1.0,
            landmarks: None,
            crop: RgbImage::black(1, 1),
            interpolated: false,
        };
        let mark =
            |track| Mark { track, bbox: Rect::default(), landmarks: None, score: 1.0, interpolated: false };
        track.faces = vec![None, Some(face), None];
        track.marks = vec![vec![mark(Some(0))], vec![mark(Some(1)), mark(Some(2))], vec![mark(None)]];
        assert_eq!(track.rival(), Some(0.1));
        let said = "the picture cuts once: the speaker's track holds 1 of 2 frames with a face";
        assert_eq!(track.warnings(), [said]);
        track.cuts = vec![1, 2];
        assert!(track.warnings()[0].contains("cuts 2 times"), "{:?}", track.warnings());
    }

    #[test]
    fn no_frames_are_no_coverage() {
        assert_eq!(FaceTrack::default().coverage(), 0.0);
    }
}
