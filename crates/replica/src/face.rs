//! A drawn face: shaded softly, as the detectors expect it, and moved by what it says and feels.
//!
//! | module | holds |
//! |---|---|
//! | [`pose`] | what brows, eyes and mouth do in each expression |
//! | [`person`] | how persons differ |
//! | `hair` | hair behind and before the face |
//! | `features` | eyes, brows, nose and folds |
//! | `mouth` | lips and teeth |

mod features;
mod hair;
mod mouth;
pub mod person;
pub mod pose;

pub use person::Person;
pub use pose::Pose;

use crate::scene::brush::{Brush, Tone, scaled};
use crate::script::Expression;

/// What a face does at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// What it shows.
    pub expression: Expression,
    /// How much of it, from 0 to 1.
    pub strength: f32,
    /// How far speech opens the mouth, from 0 to 1.
    pub opening: f32,
    /// How far the lids are closed, from 0 to 1.
    pub blink: f32,
    /// Where the eyes look, each from -1 to 1: to the right and down.
    pub gaze: (f32, f32),
    /// How far the head is turned to the right, in half widths of a head.
    pub turn: f32,
    /// From which side the light comes: -1 from the left, 1 from the right.
    pub light: f32,
}

/// The tones of a skin.
#[derive(Clone, Copy)]
struct Skin {
    base: Tone,
    shade: Tone,
    light: Tone,
}

impl Skin {
    fn of(person: &Person) -> Self {
        let warm = |tone: Tone| [tone[0] * 0.76, tone[1] * 0.67, tone[2] * 0.64];
        Self { base: person.skin, shade: warm(person.skin), light: scaled(person.skin, 1.14) }
    }
}

/// Draws the head of `person`; `brush` has its origin between the eyes and the head's half width as its unit.
pub fn draw(brush: &mut Brush<'_>, person: &Person, look: &Look) {
    let skin = Skin::of(person);
    let pose = Pose::of(look.expression, look.strength);
    hair::behind(brush, person);
    brush.soft((0.0, 1.5), (0.46, 0.72), 0.04, scaled(skin.shade, 0.95), 1.0);
    for side in [-1.0, 1.0] {
        brush.soft((side, 0.25), (0.12, 0.24), 0.02, skin.shade, 1.0);
    }
    head(brush, person, skin, look.light);
    // What is on the face moves over it when the head turns; the outline stays.
    let mut front = brush.moved(look.turn, 0.0);
    plane(&mut front, person, skin, &pose);
    hair::before(&mut front.moved(-0.6 * look.turn, 0.0), person);
    features::draw(&mut front, person, skin, &pose, look);
    mouth::draw(&mut front.moved(0.0, mouth_line(person)), person, skin, &pose, look.opening);
}

/// Height of the line between the lips.
fn mouth_line(person: &Person) -> f32 {
    0.86 + 0.6 * (person.length - 1.0)
}

fn head(brush: &mut Brush<'_>, person: &Person, skin: Skin, light: f32) {
    let chin = 1.5 * person.length;
    brush.soft((0.0, 0.08), (0.98, 1.0), 0.02, skin.base, 1.0);
    brush.soft((0.0, chin - 0.86), (0.88 * person.jaw, 0.86), 0.02, skin.base, 1.0);
    brush.soft((0.0, -0.45), (0.55, 0.28), 0.12, skin.light, 0.8);
    for side in [-1.0, 1.0] {
        let dark = 0.6 - 0.3 * side * light;
        // Narrow enough to stay within the narrowest jaw.
        brush.soft((0.74 * side * person.jaw.min(1.0), 0.42), (0.13, 0.6), 0.1, skin.shade, dark);
        brush.soft((0.5 * side, 0.5), (0.22, 0.17), 0.1, skin.light, 0.8);
    }
    brush.soft((0.0, chin - 0.16), (0.4, 0.1), 0.08, skin.shade, 0.7);
}

/// Shades around eyes and nose, which are what a detector looks for.
fn plane(brush: &mut Brush<'_>, person: &Person, skin: Skin, pose: &Pose) {
    for side in [-1.0, 1.0] {
        brush.soft((person.eyes * side, -0.02), (0.3, 0.2), 0.09, skin.shade, 0.9);
        brush.soft((0.15 * side * person.nose, 0.3), (0.05, 0.24), 0.05, skin.shade, 0.55);
        let raised = 0.05 * pose.cheek;
        brush.soft((0.52 * side, 0.48 - raised), (0.2, 0.13), 0.08, skin.light, 0.5 * pose.cheek);
    }
    brush.soft((0.0, 0.2), (0.06, 0.34), 0.05, skin.light, 0.9);
    brush.soft((0.0, 0.45), (0.11 * person.nose, 0.09), 0.05, skin.light, 0.8);
    brush.soft((0.0, 0.6), (0.18 * person.nose, 0.03), 0.03, skin.shade, 0.9);
    for side in [-1.0, 1.0] {
        brush.soft((0.105 * side * person.nose, 0.53), (0.055, 0.035), 0.015, scaled(skin.shade, 0.6), 0.9);
    }
}

#[cfg(test)]
mod tests {
    use tiny_skia::Pixmap;

    use super::*;
    use crate::scene::{Place, Shown, Stage};

    const ALL: [Expression; 7] = [
        Expression::Neutral,
        Expression::Happy,
        Expression::Surprise,
        Expression::Sad,
        Expression::Fear,
        Expression::Disgust,
        Expression::Anger,
    ];

    fn drawn(person: u32, expression: Expression, opening: f32) -> Vec<u8> {
        let mut picture = Pixmap::new(crate::scene::WIDTH, crate::scene::HEIGHT).unwrap();
        let look =
            Look { expression, strength: 0.4, opening, blink: 0.0, gaze: (0.0, 0.0), turn: 0.0, light: 0.0 };
        let place = Place { shift: (0.0, 0.0), roll: 0.0, scale: 1.0 };
        Stage::new(person, 0).unwrap().draw(&mut picture, &Shown::Face { look, place });
        picture.take()
    }

    fn changed(a: &[u8], b: &[u8]) -> usize {
        a.chunks(4).zip(b.chunks(4)).filter(|(a, b)| a[1].abs_diff(b[1]) > 24).count()
    }

    #[test]
    fn every_expression_differs_from_every_other() {
        for person in [0, 9, 20] {
            let faces = ALL.map(|expression| drawn(person, expression, 0.0));
            for (index, a) in faces.iter().enumerate() {
                for b in &faces[..index] {
                    assert!(changed(a, b) > 40, "{person} {index}: {}", changed(a, b));
                }
            }
        }
    }

    #[test]
    fn speech_opens_the_mouth_and_persons_differ() {
        let shut = drawn(3, Expression::Neutral, 0.0);
        assert!(changed(&shut, &drawn(3, Expression::Neutral, 1.0)) > 60);
        assert!(changed(&shut, &drawn(4, Expression::Neutral, 0.0)) > 1000);
    }
}
