//! Hair.

use super::Person;
use super::person::Hair;
use crate::scene::brush::{Brush, scaled};

/// What is seen of it beside and above the head.
pub fn behind(brush: &mut Brush<'_>, person: &Person) {
    let (tone, dark) = (person.hair, scaled(person.hair, 0.7));
    match person.style {
        Hair::Short => brush.soft((0.0, -0.22), (1.07, 1.05), 0.03, tone, 1.0),
        Hair::Long => {
            brush.soft((0.0, 0.75), (1.22, 1.6), 0.05, dark, 1.0);
            brush.soft((0.0, -0.2), (1.16, 1.15), 0.03, tone, 1.0);
        }
        Hair::Bald => {
            brush.soft((0.0, 0.0), (1.04, 0.6), 0.04, tone, 1.0);
        }
        Hair::Curls => {
            for step in 0..11 {
                let angle = 0.25 * (step - 5) as f32 - std::f32::consts::FRAC_PI_2;
                let centre = (1.07 * angle.cos(), -0.1 + 1.12 * angle.sin());
                brush.soft(centre, (0.4, 0.38), 0.03, scaled(tone, 0.85 + 0.03 * (step % 3) as f32), 1.0);
            }
            brush.soft((0.0, -0.25), (1.1, 1.1), 0.03, tone, 1.0);
        }
        Hair::Bob => {
            brush.soft((0.0, 0.35), (1.2, 1.1), 0.04, dark, 1.0);
            brush.soft((0.0, -0.25), (1.14, 1.12), 0.03, tone, 1.0);
        }
        Hair::Bun => {
            brush.soft((0.0, -1.35), (0.42, 0.36), 0.03, dark, 1.0);
            brush.soft((0.0, -0.24), (1.06, 1.06), 0.03, tone, 1.0);
        }
    }
}

/// What falls over the forehead.
pub fn before(brush: &mut Brush<'_>, person: &Person) {
    let tone = person.hair;
    let outer = [
        (-1.0, 0.02),
        (-0.97, -0.7),
        (-0.45, -1.12),
        (0.45, -1.12),
        (0.97, -0.7),
        (1.0, 0.02),
        (0.87, -0.32),
    ];
    let inner: &[(f32, f32)] = match person.style {
        Hair::Bald => return,
        Hair::Short => &[(0.6, -0.66), (0.0, -0.76), (-0.55, -0.64), (-0.87, -0.32)],
        Hair::Long => &[(0.7, -0.55), (0.05, -0.95), (-0.65, -0.55), (-0.87, -0.32)],
        Hair::Curls => {
            &[(0.7, -0.6), (0.4, -0.62), (0.15, -0.78), (-0.2, -0.64), (-0.6, -0.68), (-0.87, -0.32)]
        }
        Hair::Bob => &[(0.75, -0.45), (0.3, -0.62), (-0.35, -0.86), (-0.7, -0.5), (-0.87, -0.32)],
        Hair::Bun => &[(0.6, -0.75), (0.0, -0.85), (-0.6, -0.75), (-0.87, -0.32)],
    };
    brush.polygon(&[&outer[..], inner].concat(), tone, 1.0);
    brush.soft((-0.2, -0.98), (0.45, 0.07), 0.06, scaled(tone, 1.35), 0.35);
}
