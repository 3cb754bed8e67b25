//! Key frames with the chosen face, and what the network saw of it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::axis::Axis;
use super::markup::Markup;
use super::number::{Px, percent};
use super::section;
use crate::exhibit::Picture;
use crate::{Exhibit, Prediction};

/// The section; it is left out where there is no picture stream to speak of.
pub fn write(page: &mut Markup, prediction: &Prediction, exhibit: &Exhibit, axis: &Axis) {
    if exhibit.pictures.is_empty() {
        return;
    }
    section(page, "Key frames", |page| {
        let faces = &prediction.faces;
        let found = exhibit.pictures.iter().filter(|picture| picture.face.is_some()).count();
        page.tag("p").class("note").text(format_args!(
            "The chosen face is outlined in {found} of these {}; it is seen in {} of all frames. \
             Beside each time: the crop that the network saw.",
            exhibit.pictures.len(),
            percent(faces.coverage),
        ));
        let upright =
            exhibit.pictures.iter().filter(|picture| 4 * picture.height > 3 * picture.width).count();
        let shape = if 2 * upright > exhibit.pictures.len() { "frames upright" } else { "frames" };
        page.tag("div").class(shape).with(|page| {
            for picture in &exhibit.pictures {
                page.tag("figure").with(|page| frame(page, picture, axis));
            }
        });
    });
}

fn frame(page: &mut Markup, picture: &Picture, axis: &Axis) {
    let time = axis.instant(picture.time);
    let (width, height) = (picture.width.max(1), picture.height.max(1));
    page.tag("div").class("picture").with(|page| {
        let seen = if picture.face.is_some() { "the chosen face is outlined" } else { "no face was found" };
        let image = page.tag("img").set("src", Jpeg(&picture.jpeg)).set("width", width).set("height", height);
        image.set("alt", format_args!("Frame at {time}; {seen}")).close();
        if let Some([x, y, face_width, face_height]) = picture.face {
            let outline = page
                .tag("svg")
                .set("viewBox", format_args!("0 0 {width} {height}"))
                .set("aria-hidden", "true");
            outline.with(|page| {
                // A dark line under a bright one is seen on any picture.
                for class in ["under", "over"] {
                    let rect = page.tag("rect").class(class).set("x", Px(x.into())).set("y", Px(y.into()));
                    let rect = rect
                        .set("width", Px(face_width.max(0.0).into()))
                        .set("height", Px(face_height.max(0.0).into()));
                    rect.set("rx", 2).close();
                }
            });
        }
    });
    page.tag("figcaption").with(|page| {
        if let Some(crop) = &picture.crop {
            let image =
                page.tag("img").class("crop").set("src", Jpeg(crop)).set("width", 112).set("height", 112);
            image.set("alt", format_args!("Crop of the face at {time}")).close();
        }
        page.tag("span").with(|page| {
            page.tag("span").class("number").text(time);
            if picture.face.is_none() {
                page.tag("span").class("muted").text(" no face");
            }
        });
    });
}

/// A JPEG file as an address that holds it.
struct Jpeg<'a>(&'a [u8]);

impl std::fmt::Display for Jpeg<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "data:image/jpeg;base64,{}", BASE64_STANDARD.encode(self.0))
    }
}
