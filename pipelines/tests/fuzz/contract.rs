//! What an answer has to be, whatever the file was.

use affekt_core::SampleRate;
use affekt_faces::CROP_SIZE;
use affekt_pipelines::cut::{Cut, LONGEST, Part};

/// Frames that are looked at in a second, at most.
const MOST_FRAMES: f64 = 75.0;

/// How many faces it has.
pub fn crops(clip: &Cut) -> usize {
    match &clip.picture {
        Part::There(picture) => picture.crops.iter().flatten().count(),
        _ => 0,
    }
}

/// How a clip is none.
pub fn broken(clip: &Cut) -> Option<String> {
    let (start, end) = (clip.span.start.0, clip.span.end.map_or(f64::NAN, |end| end.0));
    if !(end > start && end - start < LONGEST.0 + 1.0) {
        return Some(format!("clip {} covers {:?}", clip.index, clip.span));
    }
    let seconds = end - start;
    if let Part::There(wave) = &clip.sound {
        let (samples, whole) = (wave.samples.len(), seconds * f64::from(SampleRate::SPEECH.0));
        // The later of the streams ends the clip.
        let alone = !matches!(clip.picture, Part::There(_));
        if samples as f64 > whole + 2.0 || (alone && (samples as f64) < whole - 2.0) {
            return Some(format!("clip {}: {samples} samples for {seconds} s", clip.index));
        }
        if let Some(sample) = wave.samples.iter().find(|sample| !sample.is_finite()) {
            return Some(format!("clip {}: a sample of {sample}", clip.index));
        }
    }
    let Part::There(picture) = &clip.picture else { return None };
    if picture.crops.len() as f64 > seconds * MOST_FRAMES + 2.0 {
        return Some(format!("clip {}: {} frames for {seconds} s", clip.index, picture.crops.len()));
    }
    let sizes = picture.crops.iter().flatten().map(|crop| (crop.width, crop.height));
    let wrong = sizes.into_iter().find(|size| *size != (CROP_SIZE, CROP_SIZE));
    wrong.map(|size| format!("clip {}: a crop of {size:?} pixels", clip.index))
}
