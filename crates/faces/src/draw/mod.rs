//! Pictures to judge a track by at a glance.
//!
//! | module | holds |
//! |---|---|
//! | [`canvas`] | lines, boxes, text on a picture |
//! | [`album`] | [`Album`]: sampled frames, with their boxes once the speaker is known |
//! | `marks` | faces on a frame |
//! | `page` | a picture that grows downwards |
//! | `sheet` | the contact sheet |

pub mod album;
pub mod canvas;
mod marks;
mod page;
mod sheet;

pub use album::Album;
