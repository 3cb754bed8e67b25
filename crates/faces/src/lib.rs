//! Finds the speaker's face: frames in, one track of 112 x 112 crops out. Frames without a face keep their place.
//!
//! | module | holds |
//! |---|---|
//! | [`geometry`] | [`Rect`], [`Point`] |
//! | [`detector`] | [`FaceDetector`], [`Detection`]: what a detector is; names no implementation |
//! | [`seeta`] | [`RustFace`]: the embedded detector |
//! | [`yunet`] | [`YuNet`]: the detector whose weights are a file, with five landmarks |
//! | [`track`] | [`Tracker`]: detects on key frames, associates, interpolates, crops |
//! | [`speaker`] | [`FaceTrack`], [`Face`]: the result, and how the speaker is chosen |
//! | [`mod@crop`] | the crop recipe |
//! | [`mod@resize`] | Pillow's resize, to the byte |
//! | [`still`] | [`read_image`], [`write_image`] |
//! | [`draw`] | [`Album`]: pictures and a contact sheet to judge a track by |
//! | [`error`] | [`Error`] |

pub mod crop;
pub mod detector;
pub mod draw;
pub mod error;
mod follow;
pub mod geometry;
pub mod resize;
pub mod seeta;
pub mod speaker;
pub mod still;
pub mod track;
pub mod yunet;

pub use crop::{CROP_SIZE, crop};
pub use detector::{Detection, FaceDetector};
pub use draw::Album;
pub use error::Error;
pub use geometry::{Point, Rect};
pub use resize::resize;
pub use seeta::RustFace;
pub use speaker::{Face, FaceTrack, Mark, TrackSummary};
pub use still::{read_image, write_image};
pub use track::Tracker;
pub use yunet::YuNet;
