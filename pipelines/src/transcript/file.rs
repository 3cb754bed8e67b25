//! From bytes to text.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// A day of speech is about 1 MB of subtitles.
const MOST: u64 = 64 << 20;

/// The text of a file, or the reason why it has none.
pub fn read(path: &Path) -> Result<String, String> {
    text(bytes(path)?)
}

/// The text that the bytes of a file are.
pub fn text(bytes: Vec<u8>) -> Result<String, String> {
    match &bytes[..] {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // No text has a NUL; UTF-16 without its mark has one in every other place.
        bytes if bytes.contains(&0) => {
            Err("it is a binary file, or UTF-16 without its byte order mark: save it as UTF-8".into())
        }
        _ => String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count();
            format!("line {line} is not UTF-8 (byte {at} of the file): save it as UTF-8")
        }),
    }
}

/// Without the byte order mark that editors put first, and with the line ends of Windows (CR LF) and old Macs (CR) as LF.
pub fn plain_lines(text: &str) -> String {
    text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n")
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let about = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    })?;
    if about.is_dir() {
        return Err("it is a folder: name one file".into());
    }
    // Pipes and devices tell no length, so that what is read is limited as well.
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MOST {
        return Err(format!("it has more than {} MB: no transcript is that long", MOST >> 20));
    }
    Ok(bytes)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|&pair| unit(pair)).collect();
    let text = String::from_utf16(&units).ok().filter(|text| rest.is_empty() && !text.contains('\0'));
    text.ok_or_else(|| "it begins like UTF-16 but is not: save it as UTF-8".into())
}
