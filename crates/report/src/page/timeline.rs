//! Sound, face and valence on one axis of time.
//!
//! Every drawing is as wide as its column: places are percentages, so that text keeps its size on any screen. Lines
//! through many points are paths in a nested drawing that is stretched, with strokes that are not.

use std::fmt::Write;

use affekt_core::Span;

use super::axis::Axis;
use super::markup::Markup;
use super::number::{Pc, Px, counted, percent, signed, signed_or_dash};
use super::section;
use crate::exhibit::Envelope;
use crate::prediction::Window;
use crate::{Exhibit, Prediction};

/// Columns of the stretched drawings: finer than any screen.
const COLUMNS: f64 = 10_000.0;
/// Valence at the edge of the plot: the scale and some room for what lies beyond it.
const EDGE: f64 = 3.3;
/// Height of the valence plot in pixels.
const HEIGHT: f64 = 198.0;
/// More boundaries than this are a grey area.
const MOST_BOUNDARIES: usize = 60;
/// Least width, in percent, of a window that has its numbers written on it.
const LABELLED: f64 = 15.0;
/// Below this peak, sound is drawn as the silence that it is.
const SILENCE: f32 = 1e-4;

/// The section.
pub fn write(page: &mut Markup, prediction: &Prediction, exhibit: &Exhibit, axis: &Axis) {
    section(page, "Over time", |page| {
        let windows = &prediction.timeline;
        legend(page, windows);
        page.tag("figure").class("timeline").with(|page| {
            sound(page, prediction, &exhibit.envelope, axis);
            face(page, prediction, exhibit, axis);
            valence(page, windows, axis);
            ticks(page, axis);
        });
        if windows.len() > MOST_BOUNDARIES {
            let count = counted(windows.len(), "window", "windows");
            page.tag("p").class("note").text(format_args!(
                "{count}, too many to draw their boundaries; the table below lists them."
            ));
        }
    });
}

fn legend(page: &mut Markup, windows: &[Window]) {
    let many = if windows.len() > MOST_BOUNDARIES { " many" } else { "" };
    let (given, missing) =
        (windows.iter().any(|w| w.with_text.is_some()), windows.iter().any(|w| w.without_text.is_none()));
    page.tag("ul").class("legend").with(|page| {
        let flows = [("with", "valence with text"), ("without", "valence without text")];
        for (flow, name) in flows.into_iter().filter(|(flow, _)| given || *flow == "without") {
            page.tag("li").with(|page| {
                page.tag("svg")
                    .class(format_args!("plot key {flow}"))
                    .set("width", 26)
                    .set("height", 10)
                    .set("aria-hidden", "true")
                    .with(|page| {
                        page.tag("line")
                            .class("step")
                            .set("x1", 0)
                            .set("x2", 26)
                            .set("y1", 5)
                            .set("y2", 5)
                            .close();
                    });
                page.text(name);
            });
        }
        if missing || (given && windows.iter().any(|window| window.with_text.is_none())) {
            page.tag("li").text("a gap: nothing to judge there");
        }
    });
}

/// A row of the figure: its name, its scale at the left, its drawing.
fn row(page: &mut Markup, name: &str, scale: impl FnOnce(&mut Markup), drawing: impl FnOnce(&mut Markup)) {
    page.tag("p").class("row-name").text(name);
    page.tag("div").class("row").with(|page| {
        page.tag("div").class("row-scale").with(scale);
        page.tag("div").class("row-plot").with(drawing);
    });
}

fn sound(page: &mut Markup, prediction: &Prediction, envelope: &Envelope, axis: &Axis) {
    let audio = &prediction.audio;
    if envelope.steps.is_empty() {
        let why = if audio.present {
            "Sound: no samples in what was judged"
        } else {
            "Sound: none in this recording"
        };
        return page.tag("p").class("row-name").text(why);
    }
    let peak = envelope.steps.iter().fold(0.0_f32, |peak, (low, high)| peak.max(low.abs()).max(high.abs()));
    let quiet = audio.silent || peak < SILENCE;
    let decibel = 20.0 * f64::from(peak).log10();
    let name = if quiet {
        "Sound: silent".into()
    } else {
        format!("Sound, drawn to its peak at {} dB of full scale", signed_decibel(decibel))
    };
    row(
        page,
        &name,
        |_| (),
        |page| {
            drawing(page, 64.0, "Waveform", &name, |page| {
                page.tag("line")
                    .class("grid")
                    .set("x1", "0%")
                    .set("x2", "100%")
                    .set("y1", 32)
                    .set("y2", 32)
                    .close();
                stretched(page, 64.0, |page| {
                    let path = waveform(envelope, axis, f64::from(if peak < SILENCE { 1.0 } else { peak }));
                    page.tag("path").class("wave").set("d", path).close();
                });
            });
        },
    );
}

fn signed_decibel(decibel: f64) -> String {
    let decibel = format!("{:.1}", decibel.abs());
    if decibel == "0.0" { decibel } else { format!("\u{2212}{decibel}") }
}

/// Outline of the envelope: the largest samples from left to right, the smallest back.
fn waveform(envelope: &Envelope, axis: &Axis, peak: f64) -> String {
    let (left, right) = (envelope.start.0, envelope.start.0 + envelope.step.0 * envelope.steps.len() as f64);
    let x = |index: usize| {
        let time = left + (right - left) * (index as f64 + 0.5) / envelope.steps.len() as f64;
        COLUMNS * (time - axis.start) / (axis.end - axis.start)
    };
    let y = |sample: f32| Px(32.0 - 30.0 * (f64::from(sample) / peak).clamp(-1.0, 1.0));
    let mut path = String::with_capacity(26 * envelope.steps.len());
    let top = envelope.steps.iter().enumerate().map(|(index, step)| (index, step.1));
    let bottom = envelope.steps.iter().enumerate().rev().map(|(index, step)| (index, step.0));
    for (at, (index, sample)) in top.chain(bottom).enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(path, "{}{:.0} {}", if at == 0 { 'M' } else { 'L' }, x(index), y(sample));
    }
    path + "Z"
}

fn face(page: &mut Markup, prediction: &Prediction, exhibit: &Exhibit, axis: &Axis) {
    let faces = &prediction.faces;
    if faces.frames == 0 {
        return page.tag("p").class("row-name").text("Face: this recording has no picture");
    }
    let dots = if exhibit.pictures.is_empty() { "" } else { "; dots: the key frames above" };
    let name = format!("Face seen in {} of the frames{dots}", percent(faces.coverage));
    row(
        page,
        &name,
        |_| (),
        |page| {
            drawing(page, 18.0, "Face seen", &name, |page| {
                page.tag("rect")
                    .class("unseen")
                    .set("x", "0%")
                    .set("y", 4)
                    .set("width", "100%")
                    .set("height", 10)
                    .close();
                stretched(page, 18.0, |page| {
                    page.tag("path").class("seen").set("d", bars(&exhibit.seen, axis)).close();
                });
                for picture in &exhibit.pictures {
                    page.tag("circle")
                        .class("key-frame")
                        .set("cx", Pc(axis.at(picture.time)))
                        .set("cy", 9)
                        .set("r", 3)
                        .close();
                }
            });
        },
    );
}

/// Bars over the stretches; those that no screen can tell apart are one.
fn bars(stretches: &[Span], axis: &Axis) -> String {
    let x = |time: f64| COLUMNS * ((time - axis.start) / (axis.end - axis.start)).clamp(0.0, 1.0);
    let mut path = String::new();
    let mut draw = |(from, to): (f64, f64)| {
        // Writing to a String cannot fail.
        let _ = write!(path, "M{} 4H{}V14H{}Z", Px(from), Px(to), Px(from));
    };
    let mut open: Option<(f64, f64)> = None;
    for stretch in stretches {
        let (from, to) = (x(stretch.start.0), x(stretch.end.map_or(axis.end, |end| end.0)));
        // At least one column wide: a single frame of a long recording is seen too.
        let to = to.max(from + 2.0);
        open = match open {
            Some((start, end)) if from <= end + 2.0 => Some((start, end.max(to))),
            last => {
                last.into_iter().for_each(&mut draw);
                Some((from, to))
            }
        };
    }
    open.into_iter().for_each(draw);
    path
}

/// Where a valence lies in the plot, in pixels from the top.
fn y(valence: f64) -> f64 {
    HEIGHT * (0.5 - valence.clamp(-EDGE, EDGE) / EDGE / 2.0)
}

fn valence(page: &mut Markup, windows: &[Window], axis: &Axis) {
    let scale = |page: &mut Markup| {
        page.tag("svg")
            .class("plot ticks")
            .set("width", "100%")
            .set("height", HEIGHT)
            .set("aria-hidden", "true")
            .with(|page| {
                for step in -3..=3_i32 {
                    let sign = ["\u{2212}", "", "+"][(step.signum() + 1) as usize];
                    let text =
                        page.tag("text").class("end").set("x", "88%").set("y", Px(y(step.into()) + 4.0));
                    text.text(format_args!("{sign}{}", step.abs()));
                }
            });
    };
    row(page, "Valence", scale, |page| {
        let about =
            format!("Valence of {} from \u{2212}3 to +3", counted(windows.len(), "window", "windows"));
        drawing(page, HEIGHT, "Valence over time", &about, |page| {
            background(page, windows, axis);
            let many = if windows.len() > MOST_BOUNDARIES { " many" } else { "" };
            for (flow, pick) in [("without", without as fn(&Window) -> Option<f64>), ("with", with)] {
                stretched(page, HEIGHT, |page| {
                    let path = page.tag("path").class(format_args!("step {flow}{many}"));
                    path.set("d", steps(windows, axis, pick)).close();
                });
            }
            for window in windows {
                numbers(page, window, axis);
                hover(page, window, axis);
            }
        });
    });
}

fn with(window: &Window) -> Option<f64> {
    window.with_text
}

fn without(window: &Window) -> Option<f64> {
    window.without_text
}

fn background(page: &mut Markup, windows: &[Window], axis: &Axis) {
    let zones = [("positive", EDGE, 0.5), ("neutral", 0.5, -0.5), ("negative", -0.5, -EDGE)];
    for (zone, high, low) in zones {
        let rect = page.tag("rect").class(format_args!("zone {zone}")).set("x", "0%").set("width", "100%");
        rect.set("y", Px(y(high))).set("height", Px(y(low) - y(high))).close();
    }
    for step in -3..=3 {
        let (class, y) = (if step == 0 { "zero" } else { "grid" }, Px(y(f64::from(step))));
        page.tag("line").class(class).set("x1", "0%").set("x2", "100%").set("y1", y).set("y2", y).close();
    }
    if windows.len() <= MOST_BOUNDARIES {
        for window in windows.iter().skip(1) {
            let x = Pc(axis.at(window.start));
            page.tag("line")
                .class("boundary")
                .set("x1", x)
                .set("x2", x)
                .set("y1", 0)
                .set("y2", HEIGHT)
                .close();
        }
    }
}

/// A line that is level over each window; where nothing is known, or no window, it is broken.
fn steps(windows: &[Window], axis: &Axis, pick: fn(&Window) -> Option<f64>) -> String {
    let x = |time| Px(COLUMNS / 100.0 * axis.at(time));
    let mut path = String::new();
    let mut last = None;
    for window in windows {
        let Some(valence) = pick(window) else {
            last = None;
            continue;
        };
        let joined = last.is_some_and(|end: f64| (window.start.0 - end).abs() < 1e-3);
        let (from, to, y) = (x(window.start), x(window.end), Px(y(valence)));
        // Writing to a String cannot fail.
        let _ = if joined { write!(path, "V{y}H{to}") } else { write!(path, "M{from} {y}H{to}") };
        last = Some(window.end.0);
    }
    path
}

/// Both valences written at their lines, the higher one above, where the window is wide enough.
fn numbers(page: &mut Markup, window: &Window, axis: &Axis) {
    let (from, to) = (axis.at(window.start), axis.at(window.end));
    if to - from < LABELLED {
        return;
    }
    let values = [("with", window.with_text), ("without", window.without_text)];
    for (flow, value) in values {
        let Some(value) = value else { continue };
        let other = values.iter().find(|(name, _)| *name != flow).and_then(|(_, other)| *other);
        let above = other.is_none_or(|other| value > other || (value == other && flow == "with"));
        // Inside the plot, whatever the value.
        let base = if above { y(value) - 6.0 } else { y(value) + 15.0 };
        let base = base.clamp(12.0, HEIGHT - 4.0);
        let text =
            page.tag("text").class(format_args!("value middle {flow}")).set("x", Pc(0.5 * (from + to)));
        text.set("y", Px(base)).text(signed(value));
    }
}

/// What a pointer that rests on a window is told.
fn hover(page: &mut Markup, window: &Window, axis: &Axis) {
    let (from, to) = (axis.at(window.start), axis.at(window.end));
    let rect = page
        .tag("rect")
        .class("hover")
        .set("x", Pc(from))
        .set("y", 0)
        .set("width", Pc(to - from))
        .set("height", HEIGHT);
    rect.with(|page| {
        let (stretch, with, without) = (
            axis.stretch(window.start, window.end),
            signed_or_dash(window.with_text),
            signed_or_dash(window.without_text),
        );
        page.tag("title").text(format_args!("{stretch}: with text {with}, without {without}"));
    });
}

fn ticks(page: &mut Markup, axis: &Axis) {
    page.tag("div").class("row").with(|page| {
        page.tag("div").class("row-scale").text("");
        page.tag("div").class("row-plot").with(|page| {
            page.tag("svg")
                .class("plot ticks")
                .set("width", "100%")
                .set("height", 22)
                .set("aria-hidden", "true")
                .with(|page| {
                    for tick in axis.ticks() {
                        let x = Pc(tick.at);
                        page.tag("line")
                            .class("zero")
                            .set("x1", x)
                            .set("x2", x)
                            .set("y1", 0)
                            .set("y2", 5)
                            .close();
                        let side = if tick.at < 4.0 {
                            "start"
                        } else if tick.at > 96.0 {
                            "end"
                        } else {
                            "middle"
                        };
                        page.tag("text").class(side).set("x", x).set("y", 18).text(tick.label);
                    }
                });
        });
    });
}

/// A drawing as wide as its column.
fn drawing(page: &mut Markup, height: f64, title: &str, about: &str, content: impl FnOnce(&mut Markup)) {
    let drawing =
        page.tag("svg").class("plot").set("width", "100%").set("height", Px(height)).set("role", "img");
    drawing.with(|page| {
        page.tag("title").text(title);
        page.tag("desc").text(about);
        content(page);
    });
}

/// A part of a drawing whose columns are stretched over its width.
fn stretched(page: &mut Markup, height: f64, content: impl FnOnce(&mut Markup)) {
    let part =
        page.tag("svg").set("width", "100%").set("height", Px(height)).set("preserveAspectRatio", "none");
    part.set("viewBox", format_args!("0 0 {COLUMNS} {}", Px(height))).with(content);
}
