//! All files of the data set, in the raw layout of CMU-MOSEI.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

pub use crate::film::sound::Spoken;
use crate::film::{self, Film};
use crate::script::{Clip, Script};
use crate::speech;

/// Videos below the data set's folder.
const VIDEOS: &str = "Videos/Full/Combined";
/// Transcripts below it.
const TRANSCRIPTS: &str = "Transcript/Segmented/Combined";

/// Raised with every change of what a film looks or sounds like, so that films of an older program are made anew.
const RECIPE: u32 = 1;

/// How far the writing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Videos that are there.
    pub videos: usize,
    /// All videos.
    pub of: usize,
    /// Whether the last one was there before.
    pub kept: bool,
}

/// Why the data set could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The voices.
    #[error(transparent)]
    Speech(#[from] speech::Error),
    /// A video.
    #[error(transparent)]
    Film(#[from] film::Error),
    /// A file or folder cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// Its name.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Writes videos, transcripts and `labels.csv` of `script` below `out`, on all cores, and tells when each clip is spoken,
/// in the script's order. Videos that are there from the same clips and seed are kept, so that a run that was ended goes
/// on where it was; each says in its comment what it was made from. `report` is called after every video, from any thread.
///
/// # Errors
///
/// Where espeak-ng or ffmpeg is missing or fails, and where a file cannot be written.
pub fn write(script: &Script, out: &Path, report: &(dyn Fn(Progress) + Sync)) -> Result<Vec<Spoken>, Error> {
    speech::check_voices(&script.clips)?;
    for folder in [VIDEOS, TRANSCRIPTS] {
        let folder = out.join(folder);
        fs::create_dir_all(&folder).map_err(|source| Error::Write { path: folder, source })?;
    }
    let videos: Vec<&[Clip]> = script.videos().collect();
    let done = AtomicUsize::new(0);
    let spoken: Vec<Vec<Spoken>> = videos
        .par_iter()
        .map(|clips| {
            let (spoken, kept) = video(clips, script.order.seed, out)?;
            report(Progress { videos: done.fetch_add(1, Ordering::Relaxed) + 1, of: videos.len(), kept });
            Ok(spoken)
        })
        .collect::<Result<_, Error>>()?;
    let spoken: Vec<Spoken> = spoken.into_iter().flatten().collect();
    replace(&out.join("labels.csv"), &labels(&script.clips, &spoken))?;
    Ok(spoken)
}

/// One video with its transcript: when its clips are spoken, and whether it was there before.
fn video(clips: &[Clip], seed: u64, out: &Path) -> Result<(Vec<Spoken>, bool), Error> {
    let Some(first) = clips.first() else { return Ok((Vec::new(), false)) };
    let path = out.join(VIDEOS).join(format!("{}.mp4", first.video));
    let source = source(clips, seed);
    let known = kept(&path, clips, &source);
    let kept = known.is_some();
    let spoken = match known {
        Some(spoken) => spoken,
        None => {
            let film = Film::new(clips, digest(source.as_bytes()))?;
            film.write(&path, &mark(&source, &film.sound().spoken))?;
            film.sound().spoken.clone()
        }
    };
    let transcript = out.join(TRANSCRIPTS).join(format!("{}.txt", first.video));
    let lines = clips.iter().zip(&spoken).map(|(clip, Spoken { start, end, .. })| {
        format!("{}___{}___{start:.3}___{end:.3}___{}\n", clip.video, clip.clip, clip.text)
    });
    replace(&transcript, &lines.collect::<String>())?;
    Ok((spoken, kept))
}

/// All that decides what is seen and heard in a video, and nothing else: new labels leave it as it is.
fn source(clips: &[Clip], seed: u64) -> String {
    let parts = clips.iter().map(|clip| {
        let Clip { id, text, speech, expression, strength, visible, noise_db, background, person, pause, .. } = clip;
        format!("\n{id} {text:?} {speech:?} {expression:?} {strength} {visible} {noise_db} {background} {person} {pause}")
    });
    format!("{RECIPE} {seed}{}", parts.collect::<String>())
}

/// What a video says of itself: what it was made from, and its clips' times in milliseconds.
fn mark(source: &str, spoken: &[Spoken]) -> String {
    let times = spoken.iter().map(|clip| format!(" {:.0}-{:.0}", clip.start * 1000.0, clip.end * 1000.0));
    format!("{}{};", signature(source), times.collect::<String>())
}

fn signature(source: &str) -> String {
    format!("affekt-replica {:016x}", digest(source.as_bytes()))
}

/// The times of a video that is there and was made from `source`.
fn kept(path: &Path, clips: &[Clip], source: &str) -> Option<Vec<Spoken>> {
    let bytes = fs::read(path).ok()?;
    let signature = signature(source);
    let at = bytes.windows(signature.len()).rposition(|window| window == signature.as_bytes())?;
    let times = bytes[at + signature.len()..].split(|&byte| byte == b';').next()?;
    let times: Vec<(f64, f64)> = std::str::from_utf8(times)
        .ok()?
        .split_whitespace()
        .map(|span| {
            let (start, end) = span.split_once('-')?;
            Some((start.parse::<f64>().ok()? / 1000.0, end.parse::<f64>().ok()? / 1000.0))
        })
        .collect::<Option<_>>()?;
    let spoken =
        clips.iter().zip(&times).map(|(clip, &(start, end))| Spoken { id: clip.id.clone(), start, end });
    (times.len() == clips.len()).then(|| spoken.collect())
}

/// FNV-1a, of 64 bits: the same in every version of everything.
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The table of labels; `spoken` has the order of `clips`.
fn labels(clips: &[Clip], spoken: &[Spoken]) -> String {
    let mut table = String::from("id,video,clip,start,end,label,split\n");
    for (Clip { id, video, clip, label, split, .. }, Spoken { start, end, .. }) in clips.iter().zip(spoken) {
        table += &format!("{id},{video},{clip},{start:.3},{end:.3},{label},{}\n", split.name());
    }
    table
}

/// Writes a text at once: nobody sees half of it. Until then it is beside `path`, with the extension `part`.
///
/// # Errors
///
/// Where the file cannot be written.
pub fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let part = path.with_extension("part");
    fs::write(&part, text)
        .and_then(|()| fs::rename(&part, path))
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Order;

    fn files(out: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![out.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    files.push((path.strip_prefix(out).unwrap().to_owned(), bytes));
                }
            }
        }
        files.sort();
        files
    }

    #[test]
    fn the_same_script_gives_the_same_files_and_a_run_goes_on_where_it_was() {
        let script = Script::draw(Order { clips: 3, seed: 5, split: None, clips_a_video: Some(1) }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        let spoken = write(&script, &first, &|done| assert!(!done.kept)).unwrap();
        write(&script, &second, &|_| ()).unwrap();
        assert!(files(&first) == files(&second), "the same script gave different files");
        assert_eq!(files(&first).len(), 7);
        for (clip, spoken) in script.clips.iter().zip(&spoken) {
            assert_eq!(clip.id, spoken.id);
            assert!((spoken.start - clip.pause).abs() < 0.001 && spoken.end > spoken.start + 0.3);
        }
        let kept = AtomicUsize::new(0);
        let film = |clip: usize| first.join(VIDEOS).join(format!("{}.mp4", script.clips[clip].video));
        fs::remove_file(film(1)).unwrap();
        let bytes = fs::read(film(2)).unwrap();
        fs::write(film(2), &bytes[..bytes.len() - 20]).unwrap();
        let again = write(&script, &first, &|done| {
            kept.fetch_add(usize::from(done.kept), Ordering::Relaxed);
        });
        assert_eq!((again.unwrap(), kept.into_inner()), (spoken, 1));
        assert!(files(&first) == files(&second), "a continued run gave different files");
    }

    #[test]
    fn variants_of_voices_that_espeak_would_leave_out_are_refused() {
        let mut script = Script::draw(Order { clips: 1, seed: 5, split: None, clips_a_video: None }).unwrap();
        script.clips[0].speech.voice = "en-us+nobody".to_owned();
        let folder = tempfile::tempdir().unwrap();
        let error = write(&script, folder.path(), &|_| ()).unwrap_err().to_string();
        assert!(error.contains("en-us+nobody"), "{error}");
    }
}
