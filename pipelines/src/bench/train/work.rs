//! What a step has to compute.

use std::collections::BTreeMap;

use affekt_core::FeatureKind;
use serde::Serialize;

/// Widths of the published features: audio and video, text.
const WIDTHS: [usize; 2] = [1024, 4096];
/// D of the published network.
const DIM: usize = 256;
/// Products with a weight: forward, for the weight's gradient, and for that of what it is multiplied with.
const FORWARD_AND_WEIGHT: usize = 2;
const ALL: usize = 3;
/// Flows, and attentions over the same frames in each.
const FLOWS: usize = 2;
const STAGES: usize = 2;

/// A batch: clips, and the frames of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// How many.
    pub clips: usize,
    /// Frames of audio.
    pub audio: usize,
    /// Rows of text, and of simulated text.
    pub text: usize,
    /// Frames of video.
    pub video: usize,
}

impl Size {
    /// Kind, rows a clip and width of each feature.
    pub(in crate::bench) fn features(self) -> [(FeatureKind, usize, usize); 4] {
        let [frame, token] = WIDTHS;
        [
            (FeatureKind::Audio, self.audio, frame),
            (FeatureKind::Text, self.text, token),
            (FeatureKind::Simulated, self.text, token),
            (FeatureKind::Video, self.video, frame),
        ]
    }

    pub(in crate::bench) fn widths(self) -> BTreeMap<FeatureKind, usize> {
        self.features().into_iter().map(|(kind, _, width)| (kind, width)).collect()
    }

    /// 10^9 operations of the projections of features and of frames to keys, forward and backward: all of a step but the
    /// layers behind the attention, which see a few rows a clip.
    ///
    /// Features have no gradient. Both flows share the projections of audio and video.
    pub fn gflop(self) -> f64 {
        let features: usize = self.features().iter().map(|(_, frames, width)| frames * width).sum();
        let frames = self.audio + self.text + self.video;
        let keys = FLOWS * STAGES * frames * DIM;
        (2 * self.clips * DIM * (FORWARD_AND_WEIGHT * features + ALL * keys)) as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_batch_has_the_operations_that_a_pencil_finds() {
        let size = Size { clips: 64, audio: 365, text: 40, video: 220 };
        // 365 * 1024 + 2 * 40 * 4096 + 220 * 1024 numbers a clip to 256 columns, twice; 625 frames a clip, 4 times, 256 to
        // 256, three times.
        let want = 2.0 * 64.0 * 256.0 * (2.0 * 926_720.0 + 3.0 * 4.0 * 625.0 * 256.0) / 1e9;
        assert!((size.gflop() - want).abs() < 1e-9, "{}", size.gflop());
    }
}
