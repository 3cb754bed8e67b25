//! Lips and teeth.

use super::{Person, Pose, Skin};
use crate::scene::brush::{Arc, Brush, Tone, scaled};

const INSIDE: Tone = [66.0, 24.0, 26.0];
const TEETH: Tone = [236.0, 230.0, 220.0];

/// How far a loud vowel opens the mouth.
const SPOKEN: f32 = 0.19;

/// Draws the mouth around the origin; `opening` is what speech adds to the expression, from 0 to 1.
pub fn draw(brush: &mut Brush<'_>, person: &Person, skin: Skin, pose: &Pose, opening: f32) {
    let width = 0.33 * person.mouth * pose.width * (1.0 - 0.12 * opening);
    let open = pose.open + SPOKEN * opening;
    let corner = -pose.corner;
    // The upper lip gives less way than the jaw.
    let (top, bottom) = (-0.3 * open - pose.upper_lip, 0.7 * open);
    let (upper_lip, lower_lip) = (0.075 * pose.lips, 0.09 * pose.lips);
    let ends = |factor: f32, middle: f32| Arc::level(width * factor, corner, middle);
    brush.soft((0.0, bottom + lower_lip + 0.06), (0.22, 0.035), 0.04, skin.shade, 0.8);
    brush.between(ends(1.0, top - upper_lip), ends(1.0, bottom + lower_lip), person.lips, 1.0);
    let shine = Arc::level(0.5 * width, bottom + 0.5 * lower_lip + 0.2 * corner, bottom + 0.6 * lower_lip);
    brush.line(shine, 0.3 * lower_lip, scaled(person.lips, 1.18), 0.6);
    if bottom - top > 0.03 {
        brush.between(ends(0.9, top), ends(0.9, bottom), INSIDE, 1.0);
        let shown = (0.15 + pose.teeth).min(1.0);
        let edge = top + (bottom - top) * (0.25 + 0.45 * shown);
        brush.between(ends(0.84, top + 0.012), ends(0.84, edge), TEETH, 0.35 + 0.6 * shown);
    }
    brush.line(ends(1.0, (top + bottom) / 2.0), 0.028, INSIDE, if bottom - top > 0.03 { 0.0 } else { 0.95 });
    for side in [-1.0, 1.0] {
        brush.soft((side * (width + 0.01), corner), (0.04, 0.03), 0.02, scaled(skin.shade, 0.75), 0.9);
    }
}
