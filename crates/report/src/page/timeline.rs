//! Sound, face and valence on one axis of time.
//!
//! Every drawing is as wide as its column: places are percentages, so that text keeps its size on any screen. Lines
//! through many points are paths in a nested drawing that is stretched, with strokes that are not.

use std::fmt::Write;

use affekt_core::Span;

use super::axis::Axis;
use super::markup::Markup;
use super::number::{Pc, Px, counted, percent};
use super::plot::{self, COLUMNS};
use super::{section, valence};
use crate::exhibit::Envelope;
use crate::{Exhibit, Prediction};

/// Below this peak, sound is drawn as the silence that it is.
const SILENCE: f32 = 1e-4;

/// Letters of `59:30`.
const LONG_LABEL: usize = 5;

/// The section.
pub fn write(page: &mut Markup, prediction: &Prediction, exhibit: &Exhibit, axis: &Axis) {
    let windows = &prediction.timeline;
    section(page, "Over time", |page| {
        if !windows.is_empty() {
            valence::legend(page, windows);
        }
        page.tag("figure").class("timeline").with(|page| {
            sound(page, prediction, &exhibit.envelope, axis);
            face(page, prediction, exhibit, axis);
            if !windows.is_empty() {
                row(page, "Valence", valence::scale, |page| valence::write(page, windows, axis));
            }
            ticks(page, axis);
        });
        if valence::crowded(windows) {
            let count = counted(windows.len(), "window", "windows");
            let note = format!("{count}, too many to draw their boundaries; the table below lists them.");
            page.tag("p").class("note").text(note);
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

fn no_scale(_: &mut Markup) {}

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
        format!("Sound, drawn to its peak at {} dB of full scale", level(decibel))
    };
    row(page, &name, no_scale, |page| {
        plot::drawing(page, "", 64, &name, |page| {
            plot::level(page, "grid", 32);
            plot::stretched(page, 64.0, |page| {
                let path = waveform(envelope, axis, f64::from(if peak < SILENCE { 1.0 } else { peak }));
                page.tag("path").class("wave").set("d", path).close();
            });
        });
    });
}

/// A level in decibel with its sign, a typographic minus.
fn level(decibel: f64) -> String {
    let text = format!("{decibel:+.1}");
    text.replace("-0.0", "0.0").replace("+0.0", "0.0").replace('-', "\u{2212}")
}

/// Outline of the envelope: the largest samples from left to right, the smallest back.
fn waveform(envelope: &Envelope, axis: &Axis, peak: f64) -> String {
    let (left, right) = (envelope.start.0, envelope.start.0 + envelope.step.0 * envelope.steps.len() as f64);
    let count = envelope.steps.len();
    let x = |index: usize| {
        // A step is drawn at its middle; the first and the last one reach to their ends.
        let place = match index {
            0 => 0.0,
            index if index + 1 == count => count as f64,
            index => index as f64 + 0.5,
        };
        let time = left + (right - left) * place / count as f64;
        COLUMNS * (time - axis.start) / (axis.end - axis.start)
    };
    let y = |sample: f32| Px(32.0 - 30.0 * (f64::from(sample) / peak).clamp(-1.0, 1.0));
    let mut path = String::with_capacity(24 * count);
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
    row(page, &name, no_scale, |page| {
        plot::drawing(page, "", 18, &name, |page| {
            plot::rect(page, "unseen", ("0%", 4.0), ("100%", 10.0));
            plot::stretched(page, 18.0, |page| {
                page.tag("path").class("seen").set("d", bars(&exhibit.seen, axis)).close();
            });
            for picture in &exhibit.pictures {
                let dot = page.tag("circle").class("key-frame").set("cx", Pc(axis.at(picture.time)));
                dot.set("cy", 9).set("r", 3).close();
            }
        });
    });
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

fn ticks(page: &mut Markup, axis: &Axis) {
    page.tag("div").class("row").with(|page| {
        page.tag("div").class("row-scale").text("");
        page.tag("div").class("row-plot").with(|page| {
            plot::ticks(page, 22, |page| {
                for (index, tick) in axis.ticks().into_iter().enumerate() {
                    plot::upright(page, "zero", Pc(tick.at), 0.0, 5.0);
                    // Numbers at the ends stay inside.
                    let side = match tick.at {
                        at if at < 4.0 => "start",
                        at if at > 96.0 => "end",
                        _ => "middle",
                    };
                    // A phone has room for every second one of the long ones.
                    let spare = if index % 2 == 1 && tick.label.len() > LONG_LABEL { " spare" } else { "" };
                    plot::text(page, &format!("{side}{spare}"), (Pc(tick.at), 18), tick.label);
                }
            });
        });
    });
}
