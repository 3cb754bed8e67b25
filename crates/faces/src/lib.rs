//! Finds the speaker's face: frames in, one track of 112 x 112 crops out. Frames without a face keep their place.
//!
//! | module | holds |
//! |---|---|
//! | [`geometry`] | [`Rect`], [`Point`], [`Landmarks`] |
//! | [`detector`] | [`FaceDetector`], [`Detection`]: what a detector is; names no implementation |
//! | [`seeta`] | [`RustFace`]: the embedded detector |
//! | [`yunet`] | [`YuNet`]: the detector whose weights are a file, with five landmarks |
//! | [`track`] | [`Tracker`]: detects on key frames and at cuts, associates, interpolates, crops |
//! | [`speaker`] | [`FaceTrack`], [`Face`]: the result, and how the speaker is chosen |
//! | [`mod@crop`] | the crop of a box |
//! | [`mod@align`] | the crop of five landmarks |
//! | [`mod@resize`] | Pillow's resize, to the byte |
//! | [`sampling`] | [`Sampling`]: a few of many, at even distances |
//! | [`still`] | [`read_image`], [`write_image`], [`jpeg()`] |
//! | [`draw`] | [`Album`]: pictures and a contact sheet to judge a track by |
//! | [`error`] | [`Error`] |

pub mod align;
pub mod crop;
mod cuts;
pub mod detector;
pub mod draw;
pub mod error;
mod follow;
pub mod geometry;
pub mod resize;
pub mod sampling;
pub mod seeta;
mod sighting;
pub mod speaker;
pub mod still;
pub mod track;
pub mod yunet;

pub use align::align;
pub use crop::{CROP_SIZE, crop};
pub use detector::{Detection, FaceDetector};
pub use draw::Album;
pub use error::Error;
pub use geometry::{Landmarks, Point, Rect};
pub use resize::resize;
pub use sampling::Sampling;
pub use seeta::RustFace;
pub use speaker::{Face, FaceTrack, Mark, TrackSummary};
pub use still::{jpeg, read_image, write_image};
pub use track::Tracker;
pub use yunet::YuNet;
