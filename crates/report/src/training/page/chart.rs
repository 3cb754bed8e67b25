//! Lines over epochs: an upright scale, the plot, epochs below.

use std::fmt::Write;

use super::scale::Scale;
use crate::page::markup::Markup;
use crate::page::number::{Pc, Px};
use crate::page::plot::{self, COLUMNS};
use crate::training::{Epoch, Training};

/// Distances between two marked epochs.
const STEPS: [usize; 13] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
/// Points are marked where there are no more epochs than this.
const MARKED: usize = 40;
/// A pointer is told numbers where there are no more epochs than this: each takes an element.
const TOLD: usize = 150;
/// Room at both ends, in percent, so that the first and the last point are whole.
const ROOM: f64 = 2.0;
/// Room above and below the scale, in pixels.
const MARGIN: f64 = 8.0;

/// A line of a chart.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its class, which sets colour and dashes.
    pub class: String,
    /// What it shows.
    pub name: String,
    /// A value an epoch; gaps where there is none.
    pub values: Vec<Option<f64>>,
}

/// The epochs of a run, the phases one after the other, from left to right.
#[derive(Clone, Debug)]
pub struct Axis<'a> {
    /// Phase and number of each epoch.
    places: Vec<(&'a str, usize)>,
    /// Index of the epoch whose parameters were kept.
    pub chosen: Option<usize>,
}

impl<'a> Axis<'a> {
    /// The epochs of `training`.
    pub fn of(training: &'a Training) -> Self {
        let place = |epoch: &'a Epoch| (epoch.phase.as_str(), epoch.epoch);
        let places: Vec<_> = training.epochs.iter().map(place).collect();
        let kept = (training.chosen.phase.as_str(), training.chosen.epoch);
        Self { chosen: places.iter().position(|place| *place == kept), places }
    }

    /// The first `count` epochs, of one phase.
    pub fn counted(count: usize) -> Self {
        Self { places: (1..=count).map(|epoch| ("", epoch)).collect(), chosen: None }
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    /// Where the epoch of this index stands, in percent.
    fn at(&self, index: usize) -> f64 {
        match self.len() {
            0 | 1 => 50.0,
            count => ROOM + (100.0 - 2.0 * ROOM) * index as f64 / (count - 1) as f64,
        }
    }

    /// Where phases begin but for the first one: the index of their first epoch, and their name.
    fn boundaries(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let pairs = self.places.windows(2).enumerate();
        pairs.filter(|(_, pair)| pair[0].0 != pair[1].0).map(|(index, pair)| (index + 1, pair[1].0))
    }

    fn has_phases(&self) -> bool {
        self.boundaries().next().is_some()
    }

    /// An epoch by name: `epoch 7`, and its phase where there are several.
    pub fn name(&self, index: usize) -> String {
        match self.places.get(index) {
            Some((phase, epoch)) if self.has_phases() => format!("epoch {epoch} of {phase}"),
            Some((_, epoch)) => format!("epoch {epoch}"),
            None => String::new(),
        }
    }

    fn step(&self, most: usize) -> usize {
        let fits = |step: &usize| self.len() / step <= most;
        STEPS.into_iter().find(fits).unwrap_or(self.len().max(1))
    }
}

/// A chart of `lines`: so many pixels high, with room for so many numbers of epochs; `title` tells what it shows to those
/// who do not see it.
pub fn write(
    page: &mut Markup,
    title: &str,
    (height, most): (f64, usize),
    axis: &Axis,
    scale: &Scale,
    lines: &[Line],
) {
    let y = |value: f64| height - MARGIN - (height - 2.0 * MARGIN) * scale.share(value);
    page.tag("div").class("chart").with(|page| {
        page.tag("div").with(|page| upright(page, height, scale, y));
        page.tag("div").class("chart-plot").with(|page| {
            plot::drawing(page, "curves", height, title, |page| {
                background(page, height, axis, scale, y);
                for line in lines {
                    page.tag("g").class(&line.class).with(|page| draw(page, line, height, axis, y));
                }
                if axis.len() <= TOLD {
                    (0..axis.len()).for_each(|index| told(page, index, height, axis, lines));
                }
            });
            below(page, axis, most);
        });
    });
}

/// The numbers of the scale, as high as the plot beside them.
pub fn upright(page: &mut Markup, height: f64, scale: &Scale, y: impl Fn(f64) -> f64) {
    plot::ticks(page, height, |page| {
        for (value, label) in scale.ticks() {
            plot::text(page, "end", ("100%", Px(y(value) + 4.0)), label);
        }
    });
}

fn background(page: &mut Markup, height: f64, axis: &Axis, scale: &Scale, y: impl Fn(f64) -> f64) {
    for (value, _) in scale.ticks() {
        plot::level(page, if value == 0.0 { "zero" } else { "grid" }, Px(y(value)));
    }
    for (index, name) in axis.boundaries() {
        let middle = 0.5 * (axis.at(index - 1) + axis.at(index));
        plot::upright(page, "boundary", Pc(middle), 0.0, height);
        plot::text(page, "start phase", (Pc(middle + 0.8), 11), name);
    }
    if let Some(chosen) = axis.chosen {
        plot::upright(page, "kept", Pc(axis.at(chosen)), 0.0, height);
    }
}

fn draw(page: &mut Markup, line: &Line, height: f64, axis: &Axis, y: impl Fn(f64) -> f64) {
    let mut path = String::new();
    let mut points = Vec::new();
    let mut joined = false;
    let value = |index: usize| line.values.get(index).copied().flatten().filter(|value| value.is_finite());
    for index in 0..axis.len() {
        // Phases are different stories: no line leads from one into the next.
        joined &= index > 0 && axis.places[index - 1].0 == axis.places[index].0;
        let Some(value) = value(index) else {
            joined = false;
            continue;
        };
        let (x, y) = (axis.at(index), y(value));
        let command = if joined { 'L' } else { 'M' };
        // Writing to a String cannot fail.
        let _ = write!(path, "{command}{} {}", Px(COLUMNS / 100.0 * x), Px(y));
        points.push((x, y));
        joined = true;
    }
    plot::stretched(page, height, |page| page.tag("path").class("curve").set("d", path).close());
    if axis.len() <= MARKED {
        for (x, y) in points {
            page.tag("circle").class("point").set("cx", Pc(x)).set("cy", Px(y)).set("r", "2.4").close();
        }
    }
}

/// What a pointer that rests on an epoch is told.
fn told(page: &mut Markup, index: usize, height: f64, axis: &Axis, lines: &[Line]) {
    let width = 100.0 / axis.len() as f64;
    let rect =
        page.tag("rect").class("hover").set("x", Pc((axis.at(index) - 0.5 * width).max(0.0))).set("y", 0);
    rect.set("width", Pc(width)).set("height", height).with(|page| {
        let values = lines.iter().map(|line| {
            let value = line.values.get(index).copied().flatten();
            format!("{} {}", line.name, value.map_or_else(|| "\u{2013}".into(), figure))
        });
        let values = values.collect::<Vec<_>>().join(", ");
        page.tag("title").text(format_args!("{}: {values}", axis.name(index)));
    });
}

/// Numbers of the epochs; half as many on a phone.
fn below(page: &mut Markup, axis: &Axis, most: usize) {
    let (step, sparse) = (axis.step(most), axis.step(most.min(6)));
    plot::ticks(page, 20, |page| {
        for (index, (_, epoch)) in axis.places.iter().enumerate() {
            if epoch % step == 0 || axis.len() == 1 {
                plot::upright(page, "zero", Pc(axis.at(index)), 0.0, 4.0);
                let spare = if epoch % sparse == 0 || axis.len() == 1 { "" } else { " spare" };
                plot::text(page, &format!("middle{spare}"), (Pc(axis.at(index)), 16), epoch);
            }
        }
    });
}

/// A loss or an error for reading: four digits that count.
pub fn figure(value: f64) -> String {
    let text = match value.abs() {
        _ if !value.is_finite() => "not finite".into(),
        0.0 => "0".into(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.3e}"),
        size => {
            let decimals = (3.0 - size.log10().floor()).clamp(0.0, 5.0) as usize;
            format!("{value:.decimals$}")
        }
    };
    text.replace('-', "\u{2212}")
}
