//! Soft and hard shapes over `tiny-skia`, in coordinates of one's own.

use tiny_skia::{
    Color, FillRule, GradientStop, LineCap, Paint, Path, PathBuilder, Pixmap, Point, RadialGradient,
    SpreadMode, Stroke, Transform,
};

/// A colour: red, green and blue, 0 to 255.
pub type Tone = [f32; 3];

/// `tone` made brighter (`factor` above 1) or darker.
pub fn scaled(tone: Tone, factor: f32) -> Tone {
    tone.map(|channel| (channel * factor).clamp(0.0, 255.0))
}

/// Between `from` (`part` 0) and `to` (`part` 1).
pub fn mixed(from: Tone, to: Tone, part: f32) -> Tone {
    std::array::from_fn(|index| from[index] + (to[index] - from[index]) * part)
}

/// Draws into a picture, in the coordinates that a transform lays over it.
pub struct Brush<'a> {
    pixmap: &'a mut Pixmap,
    transform: Transform,
}

impl<'a> Brush<'a> {
    /// In pixels.
    pub fn pixels(pixmap: &'a mut Pixmap) -> Self {
        Self { pixmap, transform: Transform::identity() }
    }

    /// Around the pixel `(x, y)`, a unit of `unit` pixels, turned clockwise by `roll` radians.
    pub fn around(pixmap: &'a mut Pixmap, (x, y): (f32, f32), unit: f32, roll: f32) -> Self {
        let (sin, cos) = roll.sin_cos();
        Self { pixmap, transform: Transform::from_row(unit * cos, unit * sin, -unit * sin, unit * cos, x, y) }
    }

    /// The same picture, everything moved by `(u, v)` units.
    pub fn moved(&mut self, u: f32, v: f32) -> Brush<'_> {
        Brush { transform: self.transform.pre_translate(u, v), pixmap: &mut *self.pixmap }
    }

    /// An ellipse around `centre` with a sharp edge; `alpha` from 0 to 1.
    pub fn oval(&mut self, centre: (f32, f32), radii: (f32, f32), tone: Tone, alpha: f32) {
        let Some(circle) = PathBuilder::from_circle(0.0, 0.0, 1.0) else { return };
        let transform = self.transform.pre_translate(centre.0, centre.1).pre_scale(radii.0, radii.1);
        self.pixmap.fill_path(&circle, &plain(tone, alpha), FillRule::Winding, transform, None);
    }

    /// An ellipse whose edge fades over about three times `blur` units: a gradient where a blur would cost more.
    pub fn soft(&mut self, centre: (f32, f32), radii: (f32, f32), blur: f32, tone: Tone, alpha: f32) {
        let outer = (radii.0 + 1.4 * blur, radii.1 + 1.4 * blur);
        let solid = (1.0 - 5.6 * blur / (outer.0 + outer.1)).clamp(0.0, 0.98);
        let stops =
            [(0.0, 1.0), (0.25, 0.84), (0.5, 0.5), (0.75, 0.16), (1.0, 0.0)].map(|(part, strength)| {
                GradientStop::new(solid + (1.0 - solid) * part, colour(tone, alpha * strength))
            });
        let gradient = RadialGradient::new(
            Point::zero(),
            Point::zero(),
            1.0,
            stops.to_vec(),
            SpreadMode::Pad,
            Transform::identity(),
        );
        let (Some(circle), Some(shader)) = (PathBuilder::from_circle(0.0, 0.0, 1.0), gradient) else {
            return;
        };
        let transform = self.transform.pre_translate(centre.0, centre.1).pre_scale(outer.0, outer.1);
        let paint = Paint { shader, anti_alias: false, ..Paint::default() };
        self.pixmap.fill_path(&circle, &paint, FillRule::Winding, transform, None);
    }

    /// A closed shape through `points`, with straight edges.
    pub fn polygon(&mut self, points: &[(f32, f32)], tone: Tone, alpha: f32) {
        let mut builder = PathBuilder::new();
        for (index, &(u, v)) in points.iter().enumerate() {
            if index == 0 { builder.move_to(u, v) } else { builder.line_to(u, v) }
        }
        builder.close();
        self.fill(builder.finish(), tone, alpha);
    }

    /// A rectangle from its upper left corner.
    pub fn rectangle(&mut self, corner: (f32, f32), size: (f32, f32), tone: Tone, alpha: f32) {
        let (left, top, right, bottom) = (corner.0, corner.1, corner.0 + size.0, corner.1 + size.1);
        self.polygon(&[(left, top), (right, top), (right, bottom), (left, bottom)], tone, alpha);
    }

    /// The shape between two arcs with the same ends: see [`Arc`].
    pub fn between(&mut self, upper: Arc, lower: Arc, tone: Tone, alpha: f32) {
        let mut builder = PathBuilder::new();
        builder.move_to(upper.from.0, upper.from.1);
        upper.on(&mut builder);
        builder.line_to(lower.to.0, lower.to.1);
        Arc { from: lower.to, middle: lower.middle, to: lower.from }.on(&mut builder);
        builder.close();
        self.fill(builder.finish(), tone, alpha);
    }

    /// A line along `arc`, `width` units wide.
    pub fn line(&mut self, arc: Arc, width: f32, tone: Tone, alpha: f32) {
        let mut builder = PathBuilder::new();
        builder.move_to(arc.from.0, arc.from.1);
        arc.on(&mut builder);
        self.stroke(builder.finish(), width, tone, alpha);
    }

    /// The edge of an ellipse, `width` units wide.
    pub fn ring(&mut self, centre: (f32, f32), radii: (f32, f32), width: f32, tone: Tone, alpha: f32) {
        let bounds = tiny_skia::Rect::from_ltrb(
            centre.0 - radii.0,
            centre.1 - radii.1,
            centre.0 + radii.0,
            centre.1 + radii.1,
        );
        self.stroke(bounds.and_then(PathBuilder::from_oval), width, tone, alpha);
    }

    fn fill(&mut self, path: Option<Path>, tone: Tone, alpha: f32) {
        if let Some(path) = path {
            self.pixmap.fill_path(&path, &plain(tone, alpha), FillRule::Winding, self.transform, None);
        }
    }

    fn stroke(&mut self, path: Option<Path>, width: f32, tone: Tone, alpha: f32) {
        if let Some(path) = path {
            let stroke = Stroke { width, line_cap: LineCap::Round, ..Stroke::default() };
            self.pixmap.stroke_path(&path, &plain(tone, alpha), &stroke, self.transform, None);
        }
    }
}

/// A bow from one point to another, with its middle at the height of `middle`.
#[derive(Clone, Copy, Debug)]
pub struct Arc {
    /// Where it begins.
    pub from: (f32, f32),
    /// The point half way along it.
    pub middle: (f32, f32),
    /// Where it ends.
    pub to: (f32, f32),
}

impl Arc {
    /// A bow over `u` from `-width` to `width`, its ends at the height `ends`, its middle at `middle`.
    pub fn level(width: f32, ends: f32, middle: f32) -> Self {
        Self { from: (-width, ends), middle: (0.0, middle), to: (width, ends) }
    }

    /// Mirrored and moved: `u` becomes `centre + side * u`.
    pub fn placed(self, side: f32, centre: f32) -> Self {
        let place = |(u, v): (f32, f32)| (centre + side * u, v);
        Self { from: place(self.from), middle: place(self.middle), to: place(self.to) }
    }

    fn on(self, builder: &mut PathBuilder) {
        // A quadratic curve passes half way between its control point and the middle of its ends.
        let control = |middle: f32, from: f32, to: f32| 2.0 * middle - (from + to) / 2.0;
        builder.quad_to(
            control(self.middle.0, self.from.0, self.to.0),
            control(self.middle.1, self.from.1, self.to.1),
            self.to.0,
            self.to.1,
        );
    }
}

fn colour(tone: Tone, alpha: f32) -> Color {
    let part = |value: f32| (value / 255.0).clamp(0.0, 1.0);
    Color::from_rgba(part(tone[0]), part(tone[1]), part(tone[2]), alpha.clamp(0.0, 1.0))
        .unwrap_or(Color::BLACK)
}

fn plain(tone: Tone, alpha: f32) -> Paint<'static> {
    Paint { shader: tiny_skia::Shader::SolidColor(colour(tone, alpha)), ..Paint::default() }
}
