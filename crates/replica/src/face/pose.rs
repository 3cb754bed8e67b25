//! What the parts of a face do in each expression.

use crate::script::Expression;

/// How far brows, eyes and mouth are from rest. Lengths are in half widths of a head; up is positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Height of the brows' inner ends.
    pub brow_inner: f32,
    /// Height of the brows' outer ends.
    pub brow_outer: f32,
    /// How far the upper lids are open: 1 at rest.
    pub eye: f32,
    /// How far the lower lids are raised, 0 to 1.
    pub lower_lid: f32,
    /// Height of the mouth's corners.
    pub corner: f32,
    /// Width of the mouth: 1 at rest.
    pub width: f32,
    /// How far the mouth stands open.
    pub open: f32,
    /// How far the upper lip is raised.
    pub upper_lip: f32,
    /// Fullness of the lips: 1 at rest.
    pub lips: f32,
    /// How much of the teeth is seen, 0 to 1.
    pub teeth: f32,
    /// Folds beside the nose, 0 to 1.
    pub nose: f32,
    /// Folds between the brows, 0 to 1.
    pub frown: f32,
    /// Raised cheeks, 0 to 1.
    pub cheek: f32,
}

const REST: Pose = Pose {
    brow_inner: 0.0,
    brow_outer: 0.0,
    eye: 1.0,
    lower_lid: 0.0,
    corner: 0.0,
    width: 1.0,
    open: 0.0,
    upper_lip: 0.0,
    lips: 1.0,
    teeth: 0.0,
    nose: 0.0,
    frown: 0.0,
    cheek: 0.0,
};

impl Pose {
    /// `expression` at `strength`, from 0 (a face at rest) to 1.
    pub fn of(expression: Expression, strength: f32) -> Self {
        REST.towards(&full(expression), strength.clamp(0.0, 1.0))
    }

    fn towards(&self, other: &Self, part: f32) -> Self {
        let mix = |field: fn(&Self) -> f32| field(self) + (field(other) - field(self)) * part;
        Self {
            brow_inner: mix(|pose| pose.brow_inner),
            brow_outer: mix(|pose| pose.brow_outer),
            eye: mix(|pose| pose.eye),
            lower_lid: mix(|pose| pose.lower_lid),
            corner: mix(|pose| pose.corner),
            width: mix(|pose| pose.width),
            open: mix(|pose| pose.open),
            upper_lip: mix(|pose| pose.upper_lip),
            lips: mix(|pose| pose.lips),
            teeth: mix(|pose| pose.teeth),
            nose: mix(|pose| pose.nose),
            frown: mix(|pose| pose.frown),
            cheek: mix(|pose| pose.cheek),
        }
    }
}

/// After the action units that P. Ekman's prototypes of these expressions name.
fn full(expression: Expression) -> Pose {
    match expression {
        Expression::Neutral => REST,
        Expression::Happy => Pose {
            brow_outer: 0.03,
            lower_lid: 0.6,
            corner: 0.17,
            width: 1.32,
            open: 0.05,
            teeth: 1.0,
            cheek: 1.0,
            ..REST
        },
        Expression::Surprise => {
            Pose { brow_inner: 0.2, brow_outer: 0.18, eye: 1.7, width: 0.72, open: 0.26, lips: 1.1, ..REST }
        }
        Expression::Sad => Pose {
            brow_inner: 0.16,
            brow_outer: -0.1,
            eye: 0.6,
            corner: -0.16,
            width: 0.88,
            lips: 0.9,
            frown: 0.2,
            ..REST
        },
        Expression::Fear => Pose {
            brow_inner: 0.2,
            brow_outer: 0.02,
            eye: 1.6,
            corner: -0.07,
            width: 1.25,
            open: 0.1,
            lips: 0.8,
            teeth: 1.0,
            frown: 0.4,
            ..REST
        },
        Expression::Disgust => Pose {
            brow_inner: -0.08,
            brow_outer: -0.04,
            eye: 0.55,
            lower_lid: 0.7,
            corner: -0.09,
            width: 0.86,
            open: 0.06,
            upper_lip: 0.13,
            teeth: 0.6,
            nose: 1.0,
            cheek: 0.5,
            ..REST
        },
        Expression::Anger => Pose {
            brow_inner: -0.16,
            brow_outer: 0.09,
            eye: 0.9,
            lower_lid: 0.35,
            corner: -0.03,
            width: 0.84,
            lips: 0.4,
            frown: 1.0,
            ..REST
        },
    }
}
