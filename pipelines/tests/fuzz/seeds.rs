//! The clips that are damaged.

use std::fs;
use std::path::{Path, PathBuf};

use affekt_testkit::clips::{Clip, can_encode, ffmpeg};
use affekt_testkit::realdata;

use crate::damage::marks;

/// Real clips of more bytes are cut to their beginnings, headers made anew.
const SMALL: u64 = 700_000;
/// Seconds of such a beginning, and of what is made here.
const SHORT: f64 = 1.0;

/// A clip.
pub struct Seed {
    /// Name of the file.
    pub name: String,
    pub bytes: Vec<u8>,
    /// About as long.
    pub seconds: f64,
    /// Where headers are, by kind.
    pub marks: Vec<Vec<usize>>,
}

impl Seed {
    fn read(path: &Path, seconds: f64) -> Self {
        let bytes = fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, marks: marks(&bytes), bytes, seconds }
    }
}

/// Every container and codec that is made here, the sample, and real clips where this machine has any.
pub fn all(folder: &Path) -> Vec<Seed> {
    let mut seeds = made(folder);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tiny/sample.mp4");
    seeds.push(Seed::read(&sample, 5.6));
    for recordings in ["video", "video_awkward"] {
        for path in realdata::files(recordings, &["mp4", "mov", "mpg"]).unwrap_or_default() {
            seeds.push(real(&path, folder));
        }
    }
    seeds
}

/// A name, the encoders that it needs beside those of every build of FFmpeg, and its options.
type Recipe = (&'static str, &'static [&'static str], &'static [&'static str]);

const PICTURES: [Recipe; 14] = [
    ("plain.mp4", &["libx264"], &[]),
    ("front.mp4", &["libx264"], &["-movflags", "+faststart"]),
    ("plain.mov", &["libx264"], &[]),
    ("plain.mkv", &["libx264"], &[]),
    ("plain.ts", &["libx264"], &[]),
    ("plain.webm", &["libvpx", "libopus"], &[]),
    ("plain.mpg", &[], &[]),
    ("plain.avi", &[], &[]),
    ("flash.flv", &[], &["-c:v", "flv", "-ar", "44100", "-c:a", "aac"]),
    ("fragments.mp4", &["libx264"], &["-movflags", "frag_keyframe+empty_moov", "-g", "10"]),
    (
        "hevc.mkv",
        &["libx265"],
        &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"],
    ),
    ("vp9.webm", &["libvpx-vp9", "libopus"], &["-c:v", "libvpx-vp9", "-cpu-used", "8"]),
    ("stills.mov", &[], &["-c:v", "mjpeg", "-bf", "0", "-c:a", "pcm_f32le"]),
    ("interlaced.mpg", &[], &["-flags", "+ilme+ildct", "-c:a", "ac3"]),
];

const SOUNDS: [Recipe; 10] = [
    ("plain.wav", &[], &[]),
    ("float.wav", &[], &["-c:a", "pcm_f32le"]),
    ("adpcm.wav", &[], &["-c:a", "adpcm_ms"]),
    ("plain.flac", &[], &[]),
    ("plain.mp3", &["libmp3lame"], &[]),
    ("plain.ogg", &["libvorbis"], &[]),
    ("opus.ogg", &["libopus"], &["-c:a", "libopus"]),
    ("plain.m4a", &[], &[]),
    ("lossless.m4a", &[], &["-c:a", "alac"]),
    ("plain.aiff", &[], &[]),
];

fn made(folder: &Path) -> Vec<Seed> {
    let recipes =
        PICTURES.iter().map(|recipe| (recipe, true)).chain(SOUNDS.iter().map(|recipe| (recipe, false)));
    let possible = recipes.filter(|((_, encoders, _), _)| encoders.iter().all(|encoder| can_encode(encoder)));
    let mut seeds: Vec<Seed> = possible
        .map(|((name, _, options), has_picture)| {
            let clip = Clip::new(SHORT).codecs(options);
            let clip = if has_picture { clip } else { clip.without_video().channels(2) };
            Seed::read(&clip.write(folder, name), SHORT)
        })
        .collect();
    let odd = Clip::new(SHORT).variable_rate().sample_aspect(4, 3).sound_starts(0.2);
    seeds.push(Seed::read(&odd.write(folder, "odd.mkv"), SHORT));
    seeds.push(Seed::read(&Clip::new(SHORT).rotation(90).write(folder, "turned.mp4"), SHORT));
    seeds
}

/// A small recording as it is, the beginning of a large one.
fn real(path: &Path, folder: &Path) -> Seed {
    if fs::metadata(path).unwrap().len() <= SMALL {
        return Seed::read(path, 2.4);
    }
    let beginning: PathBuf = folder.join(path.file_name().unwrap());
    let [from, to] = [path, &beginning].map(|path| path.to_str().unwrap().to_owned());
    ffmpeg(&["-i", &from, "-t", &SHORT.to_string(), "-c", "copy", "-movflags", "+faststart", &to]);
    Seed::read(&beginning, SHORT)
}
