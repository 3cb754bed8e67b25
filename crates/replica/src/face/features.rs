//! Eyes, brows and the folds of a face.

use super::{Look, Person, Pose, Skin};
use crate::scene::brush::{Arc, Brush, Tone, mixed, scaled};

const WHITE: Tone = [238.0, 234.0, 228.0];
const DARK: Tone = [40.0, 28.0, 24.0];

/// Draws all of them.
pub fn draw(brush: &mut Brush<'_>, person: &Person, skin: Skin, pose: &Pose, look: &Look) {
    for side in [-1.0, 1.0] {
        eye(brush, person, skin, pose, look, side);
        brow(brush, person, pose, side);
        folds(brush, skin, pose, side);
        if let Some(rim) = person.glasses {
            brush.ring((person.eyes * side, 0.02), (0.3, 0.24), 0.035, rim, 0.9);
            let hinge = person.eyes + 0.3;
            let arm = Arc { from: (hinge, -0.02), middle: ((hinge + 1.0) / 2.0, -0.02), to: (1.0, 0.0) };
            brush.line(arm.placed(side, 0.0), 0.035, rim, 0.9);
        }
    }
    if let Some(rim) = person.glasses {
        brush.line(Arc::level(person.eyes - 0.3, 0.0, -0.04), 0.035, rim, 0.9);
    }
}

fn eye(brush: &mut Brush<'_>, person: &Person, skin: Skin, pose: &Pose, look: &Look, side: f32) {
    let (centre, size) = (person.eyes * side, person.eye_size);
    let width = 0.2 * size;
    let upper = -0.09 * size * pose.eye * (1.0 - look.blink);
    let lower =
        0.062 * size * (1.0 - 0.8 * pose.lower_lid) * (1.0 - 0.5 * look.blink) * pose.eye.clamp(0.8, 1.2);
    let (lid, floor) = (
        Arc::level(width, 0.0, upper).placed(1.0, centre),
        Arc::level(width, 0.0, lower).placed(1.0, centre),
    );
    let open = lower - upper;
    if open > 0.03 {
        brush.between(lid, floor, WHITE, 1.0);
        // The iris, as far as the lids leave it.
        let iris = 0.084 * size;
        let (top, bottom) = ((-iris).max(upper + 0.005), iris.min(lower));
        let at = (centre + 0.05 * look.gaze.0, (top + bottom) / 2.0 + 0.015 * look.gaze.1);
        let high = (bottom - top) / 2.0;
        brush.oval(at, (iris, high), person.iris, 1.0);
        brush.oval(at, (0.045 * size, high.min(0.045 * size)), [18.0, 14.0, 14.0], 1.0);
        brush.oval((at.0 + 0.03, at.1 - 0.4 * high), (0.02, 0.02), [250.0, 250.0, 250.0], 0.9);
    } else {
        brush.between(lid, floor, skin.shade, 1.0);
    }
    brush.line(lid, 0.04, DARK, 0.95);
    brush.line(floor, 0.018, scaled(skin.shade, 0.7), 0.8);
    let crease = Arc::level(width, -0.05, upper - 0.075).placed(1.0, centre);
    brush.line(crease, 0.02, scaled(skin.shade, 0.75), 0.6);
    let pouch = Arc::level(0.7 * width, 0.11, 0.14 - 0.03 * pose.lower_lid).placed(1.0, centre);
    brush.line(pouch, 0.025, scaled(skin.shade, 0.8), 0.15 + 0.6 * pose.lower_lid);
}

fn brow(brush: &mut Brush<'_>, person: &Person, pose: &Pose, side: f32) {
    let thick = 0.07 * person.brows;
    let (inner, outer) = (-0.2 - pose.brow_inner, -0.2 - pose.brow_outer);
    let bow = (inner + outer) / 2.0 - 0.07;
    // Drawn together where they are lowered.
    let near = person.eyes - 0.27 - 0.25 * pose.brow_inner.min(0.0).abs();
    let far = person.eyes + 0.26;
    let upper =
        Arc { from: (near, inner - thick * 0.6), middle: (person.eyes, bow - thick * 0.6), to: (far, outer) };
    let lower = Arc {
        from: (near, inner + thick * 0.5),
        middle: (person.eyes, bow + thick * 0.4),
        to: (far, outer + 0.01),
    };
    // Grey and fair hair alike is darker in brows.
    let tone = mixed(person.hair, DARK, 0.45);
    brush.between(upper.placed(side, 0.0), lower.placed(side, 0.0), tone, 0.95);
}

fn folds(brush: &mut Brush<'_>, skin: Skin, pose: &Pose, side: f32) {
    let dark = scaled(skin.shade, 0.7);
    if pose.frown > 0.0 {
        let fold = Arc { from: (0.06, -0.3), middle: (0.085, -0.2), to: (0.06, -0.1) };
        brush.line(fold.placed(side, 0.0), 0.03, dark, 0.9 * pose.frown);
    }
    if pose.nose > 0.0 {
        for height in [0.04, 0.12] {
            let fold = Arc { from: (0.02, height), middle: (0.08, height + 0.01), to: (0.13, height + 0.06) };
            brush.line(fold.placed(side, 0.0), 0.025, dark, 0.8 * pose.nose);
        }
    }
    let furrow = (pose.nose.max(pose.cheek) * 0.75).max(0.12);
    let fold = Arc { from: (0.2, 0.5), middle: (0.36, 0.62), to: (0.45, 0.8) };
    brush.line(fold.placed(side, 0.0), 0.03, dark, furrow);
}
