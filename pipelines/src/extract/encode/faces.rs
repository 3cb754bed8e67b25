//! The faces of clips: one clip at a time on a CPU, of several together on a card.

use std::collections::VecDeque;

use affekt_cache::{Facts, Mask};
use affekt_core::{FeatureKind, RgbImage, Stage, Waveform};
use affekt_faces::resize;
use affekt_nn::staging::Fetched;

use super::Encoding;
use super::late::Launched;
use crate::Error;
use crate::batch::{Draft, Numbers};
use crate::cut::Part;
use crate::features::video::Encoder;

/// Faces are taken up together for so many batches: the last of them is not full.
const CHOICE: usize = 4;

/// A clip with its picture.
pub(super) struct Watched<'p> {
    pub draft: Draft<'p>,
    /// One a frame.
    pub crops: Vec<Option<RgbImage>>,
    pub sound: Part<Waveform>,
}

impl Watched<'_> {
    fn faces(&self) -> impl Iterator<Item = &RgbImage> {
        self.crops.iter().flatten()
    }
}

/// Clips whose faces wait for others.
pub(super) struct Faces<'p> {
    /// So many faces are enough; 0 where no clip waits for another.
    enough: usize,
    waiting: VecDeque<Watched<'p>>,
    faces: usize,
}

impl<'p> Faces<'p> {
    /// For batches of `batch` faces of several clips; with 0, clips come alone.
    pub fn new(batch: usize) -> Self {
        Self { enough: CHOICE * batch, waiting: VecDeque::new(), faces: 0 }
    }

    pub fn push(&mut self, watched: Watched<'p>) {
        self.faces += watched.faces().count();
        self.waiting.push_back(watched);
    }

    /// Clips to take up together, in the order in which they came; `None` until there are enough. With `rest`, all that
    /// there are.
    pub fn pop(&mut self, rest: bool) -> Option<Vec<Watched<'p>>> {
        if self.waiting.is_empty() || (!rest && self.faces < self.enough) {
            return None;
        }
        let count = if self.enough == 0 { 1 } else { self.waiting.len() };
        let group: Vec<Watched<'p>> = self.waiting.drain(..count).collect();
        self.faces -= group.iter().map(|watched| watched.faces().count()).sum::<usize>();
        Some(group)
    }
}

impl<'p> Encoding<'_, 'p> {
    /// The faces of some clips: a row a frame, zeros where it shows none.
    pub(super) fn look(&mut self, group: Vec<Watched<'p>>) {
        let encoders = self.encoders;
        let Some(face) = &encoders.face else { return };
        let faces: Vec<&RgbImage> = group.iter().flat_map(Watched::faces).collect();
        if !self.card || faces.is_empty() {
            return self.look_alone(group, 1);
        }
        self.book.given();
        let embed = || {
            let embeddings = self.device(|| face.embed(&faces, side, |_| ()))?; // (faces, width)
            Ok(self.staging.fetch(&[&embeddings]))
        };
        let fetched: Result<_, Error> = self.shared.ledger.stage(Stage::Video, group.len(), embed);
        self.tell_sizes();
        match fetched {
            Ok(fetched) => self.launch(Launched::Faces { group, fetched }),
            // One clip shall not cost its neighbours.
            Err(_) => {
                self.book.taken();
                self.look_alone(group, 0);
            }
        }
    }

    /// The same, clip by clip, each of which counts as so many.
    fn look_alone(&mut self, group: Vec<Watched<'p>>, count: usize) {
        let encoders = self.encoders;
        let Some(face) = &encoders.face else { return };
        for watched in group {
            let crops: Vec<Option<&RgbImage>> = watched.crops.iter().map(Option::as_ref).collect();
            let encode = || self.book.busy(|| face.encode(&crops, side, |_| ()));
            let faces = self.shared.ledger.stage(Stage::Video, count, encode);
            let device = &encoders.device;
            let faces = faces.map_err(|error| error.explained(device, "the faces of one clip", None));
            let numbers = match faces.transpose() {
                Some(faces) => match Numbers::of(faces, Stage::Video, self.shared.ledger) {
                    Some(numbers) => numbers,
                    // The card is lost, and the run over.
                    None => return,
                },
                None => Numbers::Done(vec![0.0; crops.len() * face.width()]),
            };
            self.watched(watched, numbers);
        }
        self.tell_sizes();
    }

    /// Takes the results of a batch.
    pub(super) fn land_faces(&mut self, group: Vec<Watched<'p>>, fetched: candle_core::Result<Fetched>) {
        let encoders = self.encoders;
        let Some(face) = &encoders.face else { return };
        let numbers =
            fetched.and_then(|fetched| self.shared.ledger.stage(Stage::Video, 0, || fetched.numbers()));
        self.book.taken();
        let numbers = numbers.ok().and_then(|mut numbers| numbers.pop());
        let is_good = |numbers: &Vec<f32>| numbers.iter().all(|number| number.is_finite());
        let Some(numbers) = numbers.filter(is_good) else {
            // Whatever is to blame is named then, and the clips that are.
            return self.look_alone(group, 0);
        };
        let mut rows = numbers.chunks_exact(face.width());
        for watched in group {
            let numbers = placed(&watched.crops, &mut rows, face);
            self.watched(watched, Numbers::Done(numbers));
        }
    }

    /// Puts down what came of a clip's picture, and hands it on.
    fn watched(&mut self, Watched { mut draft, crops, sound }: Watched<'p>, numbers: Numbers) {
        if crops.is_empty() {
            let reason = "no frame of the picture lies in the clip".into();
            draft.put(FeatureKind::Video, Numbers::Absent(reason));
        } else {
            let mask = Mask(crops.iter().map(Option::is_some).collect());
            let facts = Facts { face_mask: Some(mask), ..draft.facts.clone() };
            draft.put_with(FeatureKind::Video, facts, numbers);
        }
        self.seen(draft, sound);
    }
}

fn side(crop: &RgbImage, side: usize) -> RgbImage {
    resize(crop, side, side)
}

/// The `rows` of the faces of a clip in their frames, zeros elsewhere.
fn placed<'r>(
    crops: &[Option<RgbImage>],
    rows: &mut impl Iterator<Item = &'r [f32]>,
    face: &Encoder,
) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(crops.len() * face.width());
    for crop in crops {
        match crop.as_ref().and_then(|_| rows.next()) {
            Some(row) => numbers.extend_from_slice(row),
            None => numbers.resize(numbers.len() + face.width(), 0.0),
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use affekt_core::{ClipId, Span};

    use super::*;
    use crate::batch::Task;

    fn task(name: &str) -> Task {
        Task {
            id: ClipId::new(name).unwrap(),
            index: 0,
            span: Span::ALL,
            text: None,
            media: None,
            lacks: vec![FeatureKind::Video],
            recognises: false,
            speech_cached: false,
        }
    }

    /// A clip of two frames for each face.
    fn watched(task: &Task, faces: usize) -> Watched<'_> {
        let crop = RgbImage { width: 1, height: 1, data: vec![0; 3] };
        let crops = (0..2 * faces).map(|frame| (frame % 2 == 0).then(|| crop.clone())).collect();
        Watched { draft: Draft::new(task, Facts::default()), crops, sound: Part::Unasked }
    }

    #[test]
    fn short_clips_share_and_none_stays_behind() {
        let task = task("clip");
        let mut faces = Faces::new(2);
        for count in [3, 0, 4] {
            faces.push(watched(&task, count));
            assert!(faces.pop(false).is_none(), "{CHOICE} batches of 2 are enough");
        }
        faces.push(watched(&task, 1));
        assert_eq!(faces.pop(false).unwrap().len(), 4);
        faces.push(watched(&task, 7));
        assert!(faces.pop(false).is_none());
        assert_eq!(faces.pop(true).unwrap().len(), 1);
        assert!(faces.pop(true).is_none());
    }

    #[test]
    fn on_a_cpu_clips_come_alone_and_at_once() {
        let task = task("clip");
        let mut faces = Faces::new(0);
        faces.push(watched(&task, 3));
        faces.push(watched(&task, 0));
        let mut next =
            || faces.pop(false).map(|group| group.iter().map(|one| one.faces().count()).collect::<Vec<_>>());
        assert_eq!((next(), next(), next()), (Some(vec![3]), Some(vec![0]), None));
    }
}
