//! Pictures and sound to mp4, by the program ffmpeg.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Error, FRAMES};
use crate::scene::{HEIGHT, WIDTH};
use crate::speech::RATE;

/// H.264 and AAC; one thread and no version in the file, so that the same pictures give the same bytes by the same
/// ffmpeg.
const CODECS: [&str; 24] = [
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-crf",
    "28",
    "-pix_fmt",
    "yuv420p",
    "-g",
    "100",
    "-threads",
    "1",
    "-c:a",
    "aac",
    "-b:a",
    "64k",
    "-fflags",
    "+bitexact",
    "-flags:v",
    "+bitexact",
    "-flags:a",
    "+bitexact",
    "-f",
    "mp4",
];

/// Writes `count` frames, which `frame` gives as three bytes a pixel, and `samples` to `path`; `mark` becomes its comment.
/// The file is there with its name only when it is complete, and nothing is left where it cannot be made.
pub fn encode(
    path: &Path,
    mark: &str,
    samples: &[f32],
    count: usize,
    frame: impl FnMut(usize, &mut Vec<u8>),
) -> Result<(), Error> {
    let failed = |file: &Path| {
        let path = file.to_owned();
        move |source| Error::Write { path, source }
    };
    let (sound, part) = (beside(path, "sound"), beside(path, "part"));
    let bytes: Vec<u8> =
        samples.iter().flat_map(|sample| ((sample * 32_767.0).round() as i16).to_le_bytes()).collect();
    fs::write(&sound, bytes).map_err(failed(&sound))?;
    let outcome = start(&sound, &part, mark)
        .map_err(Error::NoFfmpeg)
        .and_then(|child| feed(child, count, frame).map_err(failed(&part)));
    fs::remove_file(&sound).map_err(failed(&sound))?;
    let outcome = outcome.and_then(|complaint| match complaint {
        None => fs::rename(&part, path).map_err(failed(path)),
        Some(message) => Err(Error::Ffmpeg { path: path.to_owned(), message }),
    });
    if outcome.is_err() {
        // An ffmpeg that could not start has begun no file.
        let _ = fs::remove_file(&part);
    }
    outcome
}

/// A hidden file beside `path`, which a later run writes anew.
fn beside(path: &Path, kind: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{kind}"))
}

/// As ffmpeg takes it for a file whatever it is called: it would read what stands before a colon as a protocol.
fn named(path: &Path) -> OsString {
    let mut name = OsString::from("file:");
    name.push(path);
    name
}

fn start(sound: &Path, part: &Path, mark: &str) -> io::Result<Child> {
    let mut command = Command::new("ffmpeg");
    command.args(["-y", "-nostdin", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]);
    command.args(["-s", &format!("{WIDTH}x{HEIGHT}"), "-r", &FRAMES.to_string(), "-i", "-"]);
    command.args(["-f", "s16le", "-ar", &RATE.to_string(), "-ac", "1", "-i"]).arg(named(sound));
    command
        .args(["-map", "0:v", "-map", "1:a", "-metadata", &format!("comment={mark}")])
        .args(CODECS)
        .arg(named(part));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
}

/// Hands all frames to ffmpeg and waits for its end: None, or what it complains of.
fn feed(
    mut child: Child,
    count: usize,
    mut frame: impl FnMut(usize, &mut Vec<u8>),
) -> io::Result<Option<String>> {
    let mut written = Ok(());
    if let Some(mut pipe) = child.stdin.take() {
        let mut rgb = Vec::new();
        for index in 0..count {
            frame(index, &mut rgb);
            written = pipe.write_all(&rgb);
            if written.is_err() {
                break;
            }
        }
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Ok(Some(if message.is_empty() { output.status.to_string() } else { message }));
    }
    // A pipe that breaks is told of by ffmpeg, unless it ends well all the same.
    written.map(|()| None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(path: &Path, count: u32) -> Result<(), Error> {
        let samples = vec![0.1; (RATE / FRAMES * count) as usize];
        encode(path, "mark;", &samples, count as usize, |_, rgb| {
            rgb.resize((3 * WIDTH * HEIGHT) as usize, 90);
        })
    }

    #[test]
    fn a_film_that_cannot_be_made_is_an_error_and_leaves_nothing_but_a_whole_one_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let part = beside(&path, "part");
        fs::create_dir(&part).unwrap();
        let error = film(&path, 5).unwrap_err();
        assert!(matches!(error, Error::Ffmpeg { .. }) && error.to_string().contains("a.mp4"), "{error}");
        assert!(!path.exists() && !beside(&path, "sound").exists());
        fs::remove_dir(&part).unwrap();
        film(&path, 5).unwrap();
        assert!(path.is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
