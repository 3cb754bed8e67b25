//! Hard cuts between frames: where one picture ends and another scene begins.
//!
//! A frame is looked at as 32 x 32 blocks of colour. Two frames differ by one less the correlation of their blocks, of
//! luma or of all colours, whichever is lower: a change of exposure is none. Blocks that hardly vary count as noise, so
//! that a fade ends in no cut. A cut is a change larger than [`LEAST`] and than the motion before it; where the colours
//! are other ones too, half the motion is enough. Frames that return to what was before within [`AHEAD`] are a flash.
//!
//! The numbers were chosen with a model of this code on thumbnails of 17 clips. Of joints between different shots, six
//! random ones a pair, 1,594 of 1,596 were found; the other two came within two frames of a cut. In the clips nothing
//! was found but the four cuts that are there. 18 of 600 jumps within a shot were taken for cuts, 2 of 68 steps of
//! exposure, 8 of 1,317 flashes, 1 of 544 fades from clip to clip, 18 of 51 fades to black within 5 to 25 frames, no
//! noise (sigma 30).

use std::collections::VecDeque;

use affekt_core::RgbImage;

/// Blocks of a frame, in both directions.
const SIDE: usize = 32;

/// Pixels that are looked at in a block, in both directions.
const SAMPLES: usize = 4;

/// Change, 0 to 2, that a cut exceeds. Two speakers before the same wall make 0.29, jumps within a shot up to 0.2.
const LEAST: f32 = 0.24;

/// Frames whose motion is compared with a cut's change.
const BEFORE: usize = 12;

/// Frames that a flash lasts at most; as many follow before a cut is certain.
const AHEAD: usize = 2;

/// Variance that noise has, in squared grey levels: flat pictures are alike.
const NOISE: f32 = 60.0;

/// Share of the histogram that changes by motion at most.
const SAME_COLOURS: f32 = 0.15;

const BINS: usize = 16;

/// What is remembered of a frame.
struct Look {
    /// Colour of the blocks, less the mean of all.
    colour: Vec<f32>, // (32 * 32 * 3)
    /// Luma of the blocks, less its mean.
    luma: Vec<f32>, // (32 * 32)
    /// Share of the blocks with each sixteenth of red, green and blue; the three sum to one.
    histogram: [f32; 3 * BINS],
}

/// Finds the frames that begin a scene.
#[derive(Default)]
pub(crate) struct CutFinder {
    /// The last frame that is judged, and those after it.
    looks: VecDeque<Look>,
    /// Changes before the frame to judge, in its scene.
    motion: VecDeque<f32>,
    /// Frames to pass over: the rest of a flash, or the first ones of a scene.
    settling: usize,
    judged: usize,
}

impl CutFinder {
    /// Takes the next frame.
    pub(crate) fn see(&mut self, image: &RgbImage) {
        self.looks.push_back(Look::at(image));
    }

    /// Whether the next frame that is not judged yet begins a scene; `None` where too few frames after it are known,
    /// which `ended` says to be all.
    pub(crate) fn judge(&mut self, ended: bool) -> Option<bool> {
        // The first frame has none before it.
        let before = usize::from(self.judged > 0);
        let ahead = self.looks.len().checked_sub(before + 1)?;
        if ahead < AHEAD && !ended {
            return None;
        }
        self.judged += 1;
        if before == 0 {
            return Some(false);
        }
        let cut = self.is_cut();
        self.looks.pop_front();
        Some(cut)
    }

    /// Whether the second look begins a scene.
    fn is_cut(&mut self) -> bool {
        if self.settling > 0 {
            self.settling -= 1;
            return false;
        }
        let (last, look) = (&self.looks[0], &self.looks[1]);
        let change = last.change(look);
        let motion = self.motion.iter().copied().fold(0.0, f32::max);
        let share = if last.recoloured(look) < SAME_COLOURS { 1.0 } else { 0.5 };
        if change <= LEAST + share * motion {
            self.motion.push_back(change);
            if self.motion.len() > BEFORE {
                self.motion.pop_front();
            }
            return false;
        }
        let returns = |after: &Look| {
            let left = last.change(after);
            left < change / 2.0 && left < LEAST + motion
        };
        if let Some(flash) = self.looks.iter().skip(2).position(returns) {
            self.settling = flash + 1;
            return false;
        }
        self.settling = AHEAD;
        self.motion.clear();
        true
    }
}

impl Look {
    fn at(image: &RgbImage) -> Self {
        let mut colour = blocks(image);
        let mut histogram = [0.0; 3 * BINS];
        for pixel in colour.as_chunks::<3>().0 {
            for (channel, &value) in pixel.iter().enumerate() {
                let bin = (value as usize * BINS / 256).min(BINS - 1);
                histogram[channel * BINS + bin] += 1.0 / (3 * SIDE * SIDE) as f32;
            }
        }
        let luma = |[r, g, b]: &[f32; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
        let mut luma: Vec<f32> = colour.as_chunks().0.iter().map(luma).collect();
        centre(&mut colour);
        centre(&mut luma);
        Self { colour, luma, histogram }
    }

    /// How different the two pictures are, 0 to 2.
    fn change(&self, other: &Self) -> f32 {
        1.0 - correlation(&self.luma, &other.luma).min(correlation(&self.colour, &other.colour))
    }

    /// Share of the histogram that changes, 0 to 1.
    fn recoloured(&self, other: &Self) -> f32 {
        self.histogram.iter().zip(&other.histogram).map(|(a, b)| (a - b).abs()).sum::<f32>() / 2.0
    }
}

/// Mean colour of each block, over some of its pixels.
fn blocks(image: &RgbImage) -> Vec<f32> {
    let mut blocks = vec![0.0; 3 * SIDE * SIDE];
    if image.width == 0 || image.height == 0 {
        return blocks;
    }
    let count = SIDE * SAMPLES;
    let place = |index: usize, extent: usize| (2 * index + 1) * extent / (2 * count);
    let columns: Vec<usize> = (0..count).map(|column| 3 * place(column, image.width)).collect();
    for sample in 0..count {
        let row = &image.data[3 * image.width * place(sample, image.height)..];
        let to = &mut blocks[3 * SIDE * (sample / SAMPLES)..][..3 * SIDE];
        for (block, columns) in to.as_chunks_mut::<3>().0.iter_mut().zip(columns.chunks_exact(SAMPLES)) {
            for &at in columns {
                for (sum, &value) in block.iter_mut().zip(&row[at..at + 3]) {
                    *sum += f32::from(value) / (SAMPLES * SAMPLES) as f32;
                }
            }
        }
    }
    blocks
}

fn centre(values: &mut [f32]) {
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    values.iter_mut().for_each(|value| *value -= mean);
}

/// Correlation of two pictures, each with mean 0; what varies less than [`NOISE`] correlates.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| {
        let sum: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        sum / a.len() as f32 + NOISE
    };
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::canvas::fill;

    const NONE: [usize; 0] = [];

    /// Positions of the cuts in the frames that `draw` makes.
    fn cuts(count: usize, draw: impl Fn(usize) -> RgbImage) -> Vec<usize> {
        let mut finder = CutFinder::default();
        let mut found = Vec::new();
        for index in 0..count {
            finder.see(&draw(index));
            while let Some(cut) = finder.judge(false) {
                found.push(cut);
            }
        }
        while let Some(cut) = finder.judge(true) {
            found.push(cut);
        }
        assert_eq!(found.len(), count, "every frame is judged once");
        (0..count).filter(|&index| found[index]).collect()
    }

    /// A room with a person: walls and furniture by `room`, the head at `x`.
    fn scene(room: usize, x: i64) -> RgbImage {
        let mut image = RgbImage::black(160, 120);
        let wall = [[150, 140, 120], [40, 60, 110], [90, 30, 30]][room % 3];
        fill(&mut image, 0, 0, 160, 120, wall);
        let (left, top) = ([10, 100, 50][room % 3], [5, 20, 60][room % 3]);
        fill(&mut image, left, top, 50, 55, [220, 210, 190]);
        fill(&mut image, 0, [90, 100, 70][room % 3], 160, 40, [60, 50, 40]);
        fill(&mut image, x - 12, 40, 24, 30, [205, 160, 140]);
        fill(&mut image, x - 20, 70, 40, 50, [30, 30, 40]);
        image
    }

    fn adjusted(mut image: RgbImage, gain: f32, offset: f32) -> RgbImage {
        image.data.iter_mut().for_each(|value| *value = (f32::from(*value) * gain + offset) as u8);
        image
    }

    #[test]
    fn each_change_of_the_room_is_a_cut() {
        assert_eq!(cuts(60, |i| scene(i / 20, 80 + i as i64 % 5)), [20, 40]);
        assert_eq!(cuts(9, |i| scene(usize::from(i >= 8), 80)), [8], "the last frame");
        assert_eq!(cuts(9, |i| scene(usize::from(i >= 1), 80)), [1], "the second frame");
        assert_eq!(cuts(30, |i| if i < 15 { scene(0, 80) } else { RgbImage::black(160, 120) }), [15]);
    }

    #[test]
    fn a_person_who_moves_or_jumps_is_no_cut() {
        assert_eq!(cuts(40, |i| scene(0, 40 + 20 * (i as i64 % 4))), NONE, "a shaken head");
        assert_eq!(cuts(40, |i| scene(1, if i < 20 { 70 } else { 90 })), NONE, "a jump within the shot");
    }

    #[test]
    fn light_that_changes_is_no_cut() {
        for lasts in 1..=AHEAD {
            let lit = |i: usize| (20..20 + lasts).contains(&i);
            for (gain, offset) in [(2.5, 80.0), (0.0, 255.0), (0.0, 0.0), (0.3, 0.0)] {
                let flash = |i| {
                    let image = scene(0, 80);
                    if lit(i) { adjusted(image, gain, offset) } else { image }
                };
                assert_eq!(cuts(40, flash), NONE, "a flash of {lasts} frames, {gain} {offset}");
            }
        }
        assert_eq!(cuts(40, |i| adjusted(scene(0, 80), if i < 20 { 1.0 } else { 0.6 }, 0.0)), NONE, "a step");
    }

    #[test]
    fn a_scene_behind_a_flash_is_one_cut() {
        let lit =
            |i| if i == 20 { adjusted(scene(0, 80), 0.0, 255.0) } else { scene(usize::from(i > 20), 80) };
        assert_eq!(cuts(40, lit), [20]);
    }

    #[test]
    fn fades_are_no_cuts() {
        let mixed = |i: usize| {
            let share = (i as f32 / 40.0).min(1.0);
            let (mut from, to) = (scene(0, 80), scene(1, 60));
            for (from, to) in from.data.iter_mut().zip(&to.data) {
                *from = (f32::from(*from) * (1.0 - share) + f32::from(*to) * share) as u8;
            }
            from
        };
        assert_eq!(cuts(60, mixed), NONE);
        assert_eq!(
            cuts(60, |i| adjusted(scene(2, 80), (1.0 - i as f32 / 30.0).max(0.0), 0.0)),
            NONE,
            "to black"
        );
    }

    #[test]
    fn noise_is_no_cut() {
        let noisy = |i: usize| {
            let mut state = i as u32;
            let mut image = scene(0, 80);
            for value in &mut image.data {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *value = value.saturating_add_signed((state >> 24) as i8 / 2);
            }
            image
        };
        assert_eq!(cuts(30, noisy), NONE);
    }

    #[test]
    fn frames_of_any_size_are_taken() {
        let sizes = [(0, 0), (1, 1), (3, 900), (0, 5), (31, 33), (1, 1)];
        let sized = |i: usize| RgbImage::black(sizes[i].0, sizes[i].1);
        assert_eq!(cuts(sizes.len(), sized), NONE);
        assert_eq!(cuts(0, sized), NONE);
    }
}
