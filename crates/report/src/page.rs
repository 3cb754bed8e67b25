//! Predictions as one self-contained HTML page: no script, no font, no picture from anywhere else.
//!
//! Sections stand in the order of the page; each writes into one `Markup`, which escapes.
//!
//! | module | holds |
//! |---|---|
//! | `overview` | several inputs as a table; inputs that failed |
//! | `verdict` | name, warnings, both valences on their scale |
//! | `frames` | key frames with the chosen face |
//! | `timeline`, `valence` | sound, face and valence on one axis of time |
//! | `shares` | attention by modality and by view |
//! | `words` | transcript beside simulated text |
//! | `facts` | windows, wall time, what was found in the file |
//! | `recipe` | how features are made, networks, digests, the JSON |
//! | `markup`, `plot` | escaped HTML and SVG; shapes |
//! | `number`, `axis` | digits, time |

mod axis;
mod facts;
mod frames;
pub(crate) mod markup;
pub(crate) mod number;
mod overview;
pub(crate) mod plot;
mod recipe;
mod shares;
mod timeline;
mod valence;
mod verdict;
pub(crate) mod words;

use crate::{Exhibit, Failure, Prediction};
use axis::Axis;
use markup::Markup;

/// Colours, sizes, dark scheme, print.
const STYLE: &str = include_str!("page/page.css");
/// Even a mistake in this file could not make a browser fetch anything.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// One input on the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// It was judged.
    Judged {
        /// What is said about it.
        prediction: Box<Prediction>,
        /// What lies behind that.
        exhibit: Box<Exhibit>,
    },
    /// It could not be judged.
    Failed(Failure),
}

impl Entry {
    /// A judged input.
    pub fn judged(prediction: Prediction, exhibit: Exhibit) -> Self {
        Self::Judged { prediction: Box::new(prediction), exhibit: Box::new(exhibit) }
    }

    /// The input as it was named.
    pub fn input(&self) -> &str {
        match self {
            Self::Judged { prediction, .. } => &prediction.input,
            Self::Failed(failure) => &failure.input,
        }
    }
}

/// A page about any number of inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Its heading.
    pub title: String,
    /// Program and version.
    pub program: String,
    /// The command that made it.
    pub command: String,
    /// When it was made, as it is to be shown.
    pub made: String,
    /// Its inputs in order.
    pub entries: Vec<Entry>,
}

impl Page {
    /// The file's content: HTML that is well-formed XML as well.
    pub fn html(&self) -> String {
        document(&self.title, &self.program, |page| self.body(page))
    }

    fn body(&self, page: &mut Markup) {
        page.tag("header").class("page").with(|page| {
            page.tag("p").class("eyebrow").text(format_args!("{} \u{b7} {}", self.program, self.made));
            if !self.is_titled_by_its_input() {
                page.tag("h1").set("dir", "auto").text(&self.title);
            }
        });
        page.tag("main").with(|page| {
            if self.entries.is_empty() {
                page.tag("p").class("card").text("There was no input.");
            }
            if self.entries.len() > 1 {
                overview::table(page, &self.entries);
            }
            for (index, entry) in self.entries.iter().enumerate() {
                self.entry(page, index, entry);
            }
        });
        footer(page, &self.program, &self.made, &self.command);
    }

    /// Whether the title would but repeat the name of the only input.
    fn is_titled_by_its_input(&self) -> bool {
        matches!(&self.entries[..], [only] if self.title == only.input() || self.title == file_name(only.input()))
    }

    fn entry(&self, page: &mut Markup, index: usize, entry: &Entry) {
        let place = Place { index, count: self.entries.len(), heads: self.is_titled_by_its_input() };
        page.tag("article").set("id", place.anchor()).with(|page| {
            match entry {
                Entry::Judged { prediction, exhibit } => judged(page, place, prediction, exhibit),
                Entry::Failed(failure) => overview::failed(page, place, failure),
            }
            if place.count > 1 {
                page.tag("p")
                    .class("back")
                    .with(|page| page.tag("a").set("href", "#top").text("Back to all inputs"));
            }
        });
    }
}

/// A self-contained page with its head; `body` writes header, main part and footer.
pub(crate) fn document(title: &str, program: &str, body: impl FnOnce(&mut Markup)) -> String {
    styled(title, program, "", body)
}

/// The same with `style` after the style that all pages share.
pub(crate) fn styled(
    title: &str,
    program: &str,
    style: &'static str,
    body: impl FnOnce(&mut Markup),
) -> String {
    let mut page = Markup::default();
    page.raw("<!DOCTYPE html>\n");
    page.tag("html").set("lang", "en").with(|page| {
        page.tag("head").with(|page| {
            page.tag("meta").set("charset", "utf-8").close();
            page.tag("meta").set("http-equiv", "Content-Security-Policy").set("content", POLICY).close();
            page.tag("meta")
                .set("name", "viewport")
                .set("content", "width=device-width, initial-scale=1")
                .close();
            page.tag("meta").set("name", "color-scheme").set("content", "light dark").close();
            page.tag("meta").set("name", "generator").set("content", program).close();
            // A browser asks for an icon unless the page brings one, be it empty.
            page.tag("link").set("rel", "icon").set("href", "data:,").close();
            page.tag("title").text(title);
            page.tag("style").with(|page| {
                page.raw(STYLE);
                page.raw(style);
            });
        });
        page.tag("body").set("id", "top").with(body);
    });
    page.raw("\n");
    page.finish()
}

/// What made the page.
pub(crate) fn footer(page: &mut Markup, program: &str, made: &str, command: &str) {
    page.tag("footer").class("page").with(|page| {
        page.tag("dl").class("facts").with(|page| {
            for (name, value) in [("Program", program), ("Made", made), ("Command", command)] {
                page.tag("div").with(|page| {
                    page.tag("dt").text(name);
                    page.tag("dd").with(|page| page.tag("bdi").class("code").text(value));
                });
            }
        });
    });
}

fn judged(page: &mut Markup, place: Place, prediction: &Prediction, exhibit: &Exhibit) {
    let axis = Axis::of(prediction, exhibit);
    verdict::write(page, place, prediction, exhibit);
    frames::write(page, prediction, exhibit, &axis);
    timeline::write(page, prediction, exhibit, &axis);
    shares::write(page, prediction, exhibit);
    words::write(page, prediction, exhibit, &axis);
    facts::write(page, prediction, exhibit, &axis);
    recipe::write(page, prediction, exhibit);
}

/// Where an input stands among the others.
#[derive(Clone, Copy, Debug)]
struct Place {
    index: usize,
    count: usize,
    /// Whether its name is the heading of the page.
    heads: bool,
}

impl Place {
    /// What links to it point at.
    fn anchor(self) -> String {
        format!("input-{}", self.index + 1)
    }
}

/// A section with its heading.
pub(crate) fn section(page: &mut Markup, heading: &str, content: impl FnOnce(&mut Markup)) {
    page.tag("section").class("card").with(|page| {
        page.tag("h3").text(heading);
        content(page);
    });
}

/// Heads of a table's columns.
pub(crate) fn head(page: &mut Markup, class: &str, names: &[&str]) {
    page.tag("thead").with(|page| {
        page.tag("tr").with(|page| {
            for name in names {
                page.tag("th").set("scope", "col").class(class).text(name);
            }
        });
    });
}

/// Last part of a path, of any system.
pub(crate) fn file_name(input: &str) -> &str {
    input.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(input)
}

/// Names and values.
pub(crate) fn facts_list<'a>(page: &mut Markup, facts: impl IntoIterator<Item = (&'a str, String)>) {
    page.tag("dl").class("facts").with(|page| {
        for (name, value) in facts {
            page.tag("div").with(|page| {
                page.tag("dt").text(name);
                page.tag("dd").with(|page| page.tag("bdi").text(value));
            });
        }
    });
}
