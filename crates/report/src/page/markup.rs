//! Well-formed, escaped markup: HTML and SVG that an XML parser reads as well.

use std::fmt::{self, Display, Write};

/// Text under construction. Whatever goes in is escaped, so that no name or transcript becomes markup.
#[derive(Debug, Default)]
pub struct Markup {
    out: String,
}

/// A start tag that still takes attributes.
#[must_use = "a tag stays open until `close`, `text` or `with`"]
pub struct Tag<'a> {
    markup: &'a mut Markup,
    name: &'static str,
}

/// Escapes what is written to it.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(letter),
                // No XML document may hold these, not even escaped.
                '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                // Overrides of the direction make one file name look like another.
                '\u{202d}' | '\u{202e}' => self.0.push('\u{fffd}'),
                _ => self.0.push(letter),
            }
        }
        Ok(())
    }
}

impl Markup {
    /// Opens an element.
    pub fn tag(&mut self, name: &'static str) -> Tag<'_> {
        self.out.push('<');
        self.out.push_str(name);
        Tag { markup: self, name }
    }

    /// Text between elements.
    pub fn text(&mut self, text: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(Escaped(&mut self.out), "{text}");
    }

    /// Markup of our own, as it is.
    pub fn raw(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// What has been built.
    pub fn finish(self) -> String {
        self.out
    }
}

impl Tag<'_> {
    /// Sets an attribute.
    pub fn set(self, name: &str, value: impl Display) -> Self {
        let out = &mut self.markup.out;
        // Writing to a String cannot fail.
        let _ = write!(out, " {name}=\"").and_then(|()| write!(Escaped(out), "{value}"));
        out.push('"');
        self
    }

    /// Sets the class.
    pub fn class(self, value: impl Display) -> Self {
        self.set("class", value)
    }

    /// An element that has no content: void in HTML, or any in SVG.
    pub fn close(self) {
        self.markup.out.push_str("/>");
    }

    /// An element that holds text only.
    pub fn text(self, text: impl Display) {
        self.with(|inside| inside.text(text));
    }

    /// An element with content.
    pub fn with(self, content: impl FnOnce(&mut Markup)) {
        self.markup.out.push('>');
        content(self.markup);
        self.markup.out.push_str("</");
        self.markup.out.push_str(self.name);
        self.markup.out.push('>');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let mut page = Markup::default();
        page.tag("p").set("title", "\"a\" & 'b'").text("<script>\u{1b}</script>");
        let expected =
            "<p title=\"&quot;a&quot; &amp; &#39;b&#39;\">&lt;script&gt;\u{fffd}&lt;/script&gt;</p>";
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn elements_close_in_order() {
        let mut page = Markup::default();
        page.tag("div").with(|page| {
            page.tag("br").close();
            page.tag("b").text(1);
        });
        assert_eq!(page.finish(), "<div><br/><b>1</b></div>");
    }
}
