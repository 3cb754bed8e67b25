//! The text before the numbers: a Python dictionary of three members.

use super::Kind;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Magic, version and the shorter form of the length.
pub const PREFIX: usize = 10;
/// Texts are padded so that numbers begin at a multiple of this.
const ALIGNMENT: usize = 64;
/// The longest text that is read: NumPy's own limit (`max_header_size`).
const LONGEST: usize = 10_000;
/// Bytes that hold the longest header that is read, with all that stands before it.
pub const LONGEST_WHOLE: usize = PREFIX + 2 + LONGEST;
/// The most axes that NumPy knows.
const AXES: usize = 64;

/// What the text says.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// Type of the numbers.
    pub kind: Kind,
    /// Whether columns stand together, not rows.
    pub fortran: bool,
    /// Lengths of the axes.
    pub shape: Vec<usize>,
}

/// All that stands before the numbers of a matrix of `f32` in C order, or of its only row.
pub fn encode(rows: usize, width: usize) -> Vec<u8> {
    let shape = if rows == 1 { format!("({width},)") } else { format!("({rows}, {width})") };
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    // With the line break that ends it.
    let length = (PREFIX + text.len() + 1).next_multiple_of(ALIGNMENT) - PREFIX;
    text.extend(std::iter::repeat_n(' ', length - 1 - text.len()));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&u16::try_from(length).expect("a shape has few digits").to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// The header of `bytes`, and the bytes of its numbers.
pub fn decode(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(match bytes {
            [b'P', b'K', ..] => "it is a .npz archive: save each array on its own".to_owned(),
            [0x80, 2..=5, ..] => "it is a pickle, which is a program and never run".to_owned(),
            _ => "it does not begin as a NumPy array".to_owned(),
        });
    };
    let (length, rest) = match rest {
        [1, 0, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, 0, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [major, minor, ..] => return Err(format!("its format version {major}.{minor} is not known")),
        _ => return Err("it ends before its header".to_owned()),
    };
    if length > LONGEST {
        return Err(format!("its header has {length} bytes; at most {LONGEST} are read"));
    }
    let (text, data) = rest.split_at_checked(length).ok_or("it ends inside its header")?;
    let text = std::str::from_utf8(text).map_err(|_| "its header is no text")?;
    Ok((parse(text)?, data))
}

fn parse(text: &str) -> Result<Header, String> {
    let unreadable = || format!("its header is not understood: {:?}", text.trim_end());
    let mut rest =
        text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or_else(unreadable)?;
    let (mut kind, mut fortran, mut shape) = (None, None, None);
    while !rest.trim().is_empty() {
        let (key, value) = rest.split_once(':').ok_or_else(unreadable)?;
        let value = value.trim_start();
        // A shape has commas of its own, and so has the description of a structure.
        let end = match value.as_bytes().first() {
            Some(b'(') => value.find(')').map(|at| at + 1),
            Some(b'[') => value.rfind(']').map(|at| at + 1),
            _ => Some(value.find(',').unwrap_or(value.len())),
        };
        let (value, after) = value.split_at(end.ok_or_else(unreadable)?);
        match quoted(key.trim()) {
            Some("descr") if kind.is_none() => kind = Some(number_type(value.trim())?),
            Some("fortran_order") if fortran.is_none() => fortran = truth(value.trim()),
            Some("shape") if shape.is_none() => shape = axes(value),
            _ => return Err(unreadable()),
        }
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    match (kind, fortran, shape) {
        (Some(kind), Some(fortran), Some(shape)) => Ok(Header { kind, fortran, shape }),
        _ => Err(unreadable()),
    }
}

fn quoted(text: &str) -> Option<&str> {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('\'').or_else(|| inside('"'))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}

fn number_type(text: &str) -> Result<Kind, String> {
    match quoted(text) {
        Some("<f2") => Ok(Kind::F16),
        Some("<f4") => Ok(Kind::F32),
        Some("<f8") => Ok(Kind::F64),
        Some(objects) if objects.contains('O') => {
            Err("it holds Python objects, that is a pickle, which is a program and never run".to_owned())
        }
        _ => Err(format!("its numbers are {text}; only <f2, <f4 and <f8 are taken (little-endian floats)")),
    }
}

fn axes(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.strip_suffix(')')?.trim();
    let inside = inside.strip_suffix(',').unwrap_or(inside);
    if inside.is_empty() {
        return Some(Vec::new());
    }
    // Digits only: a plus sign would pass for a number, too.
    let length = |axis: &str| axis.bytes().all(|byte| byte.is_ascii_digit()).then(|| axis.parse().ok())?;
    let axes: Option<Vec<usize>> = inside.split(',').map(|axis| length(axis.trim())).collect();
    axes.filter(|axes| axes.len() <= AXES)
}
