//! Sampled frames of a clip, kept small until it is known whose face is the speaker's.

use std::path::{Path, PathBuf};

use affekt_core::{Frame, RgbImage, Seconds};

use super::{marks, sheet};
use crate::resize::{preview, reduced};
use crate::{Error, FaceTrack, Sampling, write_image};

/// Collects frames while they stream by, evenly spread over a clip of unknown length, and draws what became of them.
pub struct Album {
    sampling: Sampling,
    longest: usize,
    seen: usize,
    samples: Vec<Sample>,
}

/// A frame that was kept.
pub(super) struct Sample {
    /// Count of frames before it.
    pub(super) position: usize,
    pub(super) time: Seconds,
    /// Reduced picture.
    pub(super) image: RgbImage,
    /// Its pixels per pixel of the frame.
    scale: f32,
}

impl Album {
    /// An album that keeps at least `wanted` frames of a clip that has so many, and fewer than twice as many, reduced
    /// so that no side is longer than `longest` pixels.
    pub fn new(wanted: usize, longest: usize) -> Self {
        Self { sampling: Sampling::new(wanted), longest: longest.max(1), seen: 0, samples: Vec::new() }
    }

    /// Shows the album the next frame; call it for every frame that the [`crate::Tracker`] gets.
    pub fn see(&mut self, frame: &Frame) {
        let position = self.seen;
        self.seen += 1;
        if !self.sampling.chooses(position) {
            return;
        }
        let Some((image, scale)) = reduced(&frame.image, self.longest) else { return };
        self.samples.push(Sample { position, time: frame.time, image, scale });
        if self.sampling.thins(self.samples.len()) {
            self.samples.retain(|sample| self.sampling.chooses(sample.position));
        }
    }

    /// Writes into `folder`, which is made where it is absent: `NAME.sheet.png`, the contact sheet, and for each kept
    /// frame `NAME.SECONDS.jpg`. Returns the paths, the sheet first.
    pub fn save(&self, folder: &Path, name: &str, track: &FaceTrack) -> Result<Vec<PathBuf>, Error> {
        Self::make_folder(folder)?;
        let mut paths = vec![folder.join(format!("{name}.sheet.png"))];
        write_image(&paths[0], &self.sheet(name, track))?;
        for sample in &self.samples {
            let path = folder.join(format!("{name}.{:08.3}s.jpg", sample.time.0));
            write_image(&path, &sample.draw(track, sample.longest()))?;
            paths.push(path);
        }
        Ok(paths)
    }

    /// Makes the folder for [`Album::save`] where it is absent, so that a long search need not come first.
    pub fn make_folder(folder: &Path) -> Result<(), Error> {
        std::fs::create_dir_all(folder).map_err(|source| Error::Folder { path: folder.into(), source })
    }

    /// The contact sheet: what was found, coverage over time, the crops, the frames.
    pub fn sheet(&self, title: &str, track: &FaceTrack) -> RgbImage {
        sheet::draw(title, track, &self.samples)
    }
}

impl Sample {
    /// Longest side of the picture, in pixels.
    pub(super) fn longest(&self) -> usize {
        self.image.width.max(self.image.height)
    }

    /// The frame with its faces, its longest side brought to `longest` pixels.
    pub(super) fn draw(&self, track: &FaceTrack, longest: usize) -> RgbImage {
        let smaller = longest as f32 / self.longest() as f32;
        let size = |pixels: usize| ((pixels as f32 * smaller).round() as usize).max(1);
        let mut image = preview(&self.image, size(self.image.width), size(self.image.height));
        let found = track.marks.get(self.position).map_or(&[][..], Vec::as_slice);
        marks::draw(&mut image, found, track, self.scale * smaller);
        if track.frames() > 1 {
            marks::corner(&mut image, &format!("{:.2} s", self.time.0));
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use affekt_core::{ErrorKind, Explain};

    use super::*;

    fn frame(index: usize) -> Frame {
        Frame { index, time: Seconds(index as f64 / 25.0), image: RgbImage::black(64, 48) }
    }

    #[test]
    fn samples_stay_few_and_even() {
        for frames in [0, 1, 5, 23, 24, 25, 1000, 100_000] {
            let mut album = Album::new(12, 16);
            (0..frames).for_each(|index| album.see(&frame(index)));
            let kept: Vec<usize> = album.samples.iter().map(|sample| sample.position).collect();
            assert!(kept.len() >= 12.min(frames) && kept.len() < 24, "{frames}: {}", kept.len());
            assert!(kept.windows(2).all(|pair| pair[1] - pair[0] == kept[1] - kept[0]), "{kept:?}");
            assert!(album.samples.iter().all(|sample| (sample.image.width, sample.image.height) == (16, 12)));
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_and_a_file_that_cannot_be_written_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = Album::make_folder(&file.join("below")).unwrap_err();
        assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Unwritable, true));
        assert!(error.to_string().contains("below"), "{error}");
        std::fs::create_dir(folder.path().join("taken.sheet.png")).unwrap();
        let error = Album::new(4, 100).save(folder.path(), "taken", &FaceTrack::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unwritable);
        assert!(error.to_string().contains("taken.sheet.png"), "{error}");
    }

    #[test]
    fn an_album_of_nothing_has_a_sheet_too() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Album::new(4, 100).save(folder.path(), "empty", &FaceTrack::default()).unwrap();
        assert_eq!(paths, [folder.path().join("empty.sheet.png")]);
        assert!(crate::read_image(&paths[0]).unwrap().width > 0);
    }
}
