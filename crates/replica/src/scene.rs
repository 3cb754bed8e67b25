//! A picture: the room, the person in it, the camera's noise.
//!
//! | module | holds |
//! |---|---|
//! | [`brush`] | soft and hard shapes |
//! | [`backdrop`] | what stands behind the person |
//! | `grain` | the camera's noise |

pub mod backdrop;
pub mod brush;
mod grain;

use tiny_skia::Pixmap;

use crate::face::{self, Look, Person};
use brush::{Brush, Tone, scaled};
pub use grain::Grain;

/// Pixels of a row.
pub const WIDTH: u32 = 320;
/// Rows of a picture.
pub const HEIGHT: u32 = 240;

/// Where the eyes are in the middle of all motion, and the pixels of a head's half width.
const CENTRE: (f32, f32) = (160.0, 100.0);
const UNIT: f32 = 49.0;

/// Where the head is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// From its usual place, to the right and down, in half widths of a head.
    pub shift: (f32, f32),
    /// Turned clockwise, in radians.
    pub roll: f32,
    /// Its size: 1 is usual.
    pub scale: f32,
}

/// What there is to be seen at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shown {
    /// A person's face.
    Face {
        /// What the face does.
        look: Look,
        /// Where it is.
        place: Place,
    },
    /// The person has left the picture.
    Nobody,
    /// Only a shoulder, at the left (-1) or the right (1) edge.
    Shoulder {
        /// The edge.
        side: f32,
    },
    /// The back of the head.
    Back {
        /// Where it is.
        place: Place,
    },
}

/// A room and a person in it.
pub struct Stage {
    room: Pixmap,
    person: Person,
}

impl Stage {
    /// The person and the background of these indices. None where the memory for a picture is missing.
    pub fn new(person: u32, background: u32) -> Option<Self> {
        let mut room = Pixmap::new(WIDTH, HEIGHT)?;
        backdrop::draw(&mut room, background);
        Some(Self { room, person: Person::of(person) })
    }

    /// Draws over all of `picture`, which is [`WIDTH`] by [`HEIGHT`].
    pub fn draw(&self, picture: &mut Pixmap, shown: &Shown) {
        picture.data_mut().copy_from_slice(self.room.data());
        match *shown {
            Shown::Face { look, place } => {
                body(&mut at(picture, lean(place)), self.person.shirt);
                face::draw(&mut at(picture, place), &self.person, &look);
            }
            Shown::Nobody => {}
            Shown::Shoulder { side } => {
                let away = Place { shift: (3.3 * side, 0.2), roll: 0.0, scale: 1.0 };
                body(&mut at(picture, away), self.person.shirt);
            }
            Shown::Back { place } => {
                body(&mut at(picture, lean(place)), self.person.shirt);
                back(&mut at(picture, place), &self.person);
            }
        }
    }
}

fn at(picture: &mut Pixmap, place: Place) -> Brush<'_> {
    let centre = (CENTRE.0 + UNIT * place.shift.0, CENTRE.1 + UNIT * place.shift.1);
    Brush::around(picture, centre, UNIT * place.scale, place.roll)
}

/// Shoulders follow the head by a third.
fn lean(place: Place) -> Place {
    Place { shift: (place.shift.0 / 3.0, place.shift.1 / 3.0), roll: 0.0, scale: 1.0 }
}

fn body(brush: &mut Brush<'_>, shirt: Tone) {
    brush.soft((0.0, 3.05), (2.1, 1.35), 0.03, shirt, 1.0);
    brush.soft((0.0, 2.0), (0.7, 0.2), 0.1, scaled(shirt, 0.7), 0.7);
    for side in [-1.0, 1.0] {
        brush.soft((1.5 * side, 2.7), (0.12, 0.6), 0.15, scaled(shirt, 0.75), 0.6);
    }
}

fn back(brush: &mut Brush<'_>, person: &Person) {
    let tone = scaled(person.hair, 0.9);
    brush.soft((0.0, 1.5), (0.44, 0.7), 0.04, scaled(person.skin, 0.7), 1.0);
    brush.soft((0.0, 0.15), (1.08, 1.35), 0.03, tone, 1.0);
    brush.soft((-0.3, -0.5), (0.4, 0.35), 0.25, scaled(tone, 1.3), 0.4);
}
