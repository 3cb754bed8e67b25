//! Tags and entities of subtitles: what is between the words but not said.

/// Tags of WebVTT and SRT that may stand alone or with classes (`<c.loud>`).
const TAGS: [&str; 9] = ["b", "c", "i", "rt", "ruby", "s", "u", "br", "p"];
/// Tags that carry something behind a space: a speaker, a language, a colour.
const WITH_VALUE: [&str; 4] = ["v", "lang", "font", "span"];
/// Bytes of a tag, at most.
const LONGEST: usize = 256;
/// Entities, and what they stand for; the last two are marks of direction.
const ENTITIES: [(&str, &str); 8] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("lrm", ""),
    ("rlm", ""),
];

/// The text without tags, with what its entities stand for, and with single spaces. Only known tags are taken out: in
/// `2 < 3` and `<laughs>` are words.
pub fn without(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '{', '&']) {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = tag(rest).or_else(|| position(rest)).or_else(|| entity(rest));
        // What is nothing of these is a letter like others.
        let (length, meant) = found.unwrap_or_else(|| (1, rest[..1].to_owned()));
        kept.push_str(&meant);
        rest = &rest[length..];
    }
    kept.push_str(rest);
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What stands between the beginning of `text` and its first `close`, if that is near: a search through all of the text
/// at every bracket would take hours where none is ever closed.
fn between<'a>(text: &'a str, open: &str, close: u8) -> Option<&'a str> {
    let inside = text.strip_prefix(open)?;
    let length = inside.bytes().take(LONGEST).position(|byte| byte == close)?;
    Some(&inside[..length])
}

/// Length of a tag, and what stands in its place.
fn tag(text: &str) -> Option<(usize, String)> {
    let inside = between(text, "<", b'>')?;
    let name = inside.strip_prefix('/').unwrap_or(inside);
    let name = name.strip_suffix('/').unwrap_or(name).trim_end();
    let (first, value) =
        name.split_once([' ', '\t']).map_or((name, None), |(first, value)| (first, Some(value)));
    let first = first.split('.').next()?.to_ascii_lowercase();
    let known = WITH_VALUE.contains(&&*first) || (value.is_none() && TAGS.contains(&&*first));
    let meant = if matches!(&*first, "br" | "p") { " " } else { "" };
    (known || is_time(name)).then(|| (inside.len() + 2, meant.to_owned()))
}

/// What stands inside of `<00:00:01.000>`.
fn is_time(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.contains(':')
        && name.bytes().all(|byte| byte.is_ascii_digit() || b":.,".contains(&byte))
}

/// Whether words of the line have times of their own.
pub fn has_time(line: &str) -> bool {
    line.match_indices('<').any(|(at, _)| between(&line[at..], "<", b'>').is_some_and(is_time))
}

/// `{\an8}`: where SRT puts words on the screen.
fn position(text: &str) -> Option<(usize, String)> {
    let inside = between(text, "{\\", b'}')?;
    Some((inside.len() + 3, String::new()))
}

fn entity(text: &str) -> Option<(usize, String)> {
    let name = between(text, "&", b';')?;
    let number = |code: &str| match code.strip_prefix(['x', 'X']) {
        Some(code) => u32::from_str_radix(code, 16).ok(),
        None => code.parse().ok(),
    };
    let meant = match name.strip_prefix('#') {
        Some(code) => number(code).and_then(char::from_u32)?.to_string(),
        None => ENTITIES.iter().find(|(known, _)| *known == name)?.1.to_owned(),
    };
    Some((name.len() + 2, meant))
}
