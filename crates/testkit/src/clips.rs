//! Synthetic media, made with the `ffmpeg` command.
//!
//! Every [`Clip`] shows a moving test picture that turns white once a second (see [`flash`]) while the sound, a quiet
//! rising tone, is overlaid by a beep: whatever a container does to its streams, flash and beep belong together.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// When the picture flashes and the sound beeps: at `FIRST + k * PERIOD`, for `LENGTH`, all in seconds.
pub mod flash {
    /// The first flash: the start of a frame at 25 frames a second.
    pub const FIRST: f64 = 0.52;
    /// From one flash to the next.
    pub const PERIOD: f64 = 1.0;
    /// How long each lasts: two such frames.
    pub const LENGTH: f64 = 0.08;
}

/// Amplitude of the beep, a tone of 1 kHz; what sounds between beeps stays below a tenth of it.
pub const BEEP: f32 = 0.5;

/// A recipe for a clip. The extension of the file decides on container and codecs.
#[derive(Clone, Debug)]
pub struct Clip {
    seconds: f64,
    size: (u32, u32),
    fps: u32,
    rate: u32,
    channels: u32,
    video: bool,
    audio: bool,
    sound_starts: f64,
    variable_rate: bool,
    sample_aspect: (u32, u32),
    rotation: i32,
    codecs: Vec<String>,
}

impl Clip {
    /// `seconds` of 160x120 pixels at 25 frames a second with mono sound at 48 kHz.
    pub fn new(seconds: f64) -> Self {
        Self {
            seconds,
            size: (160, 120),
            fps: 25,
            rate: 48_000,
            channels: 1,
            video: true,
            audio: true,
            sound_starts: 0.0,
            variable_rate: false,
            sample_aspect: (1, 1),
            rotation: 0,
            codecs: Vec::new(),
        }
    }

    /// Other pixel dimensions.
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// Another frame rate.
    pub fn fps(mut self, fps: u32) -> Self {
        self.fps = fps;
        self
    }

    /// Another sample rate, in hertz.
    pub fn rate(mut self, rate: u32) -> Self {
        self.rate = rate;
        self
    }

    /// Several channels: the same sound in each.
    pub fn channels(mut self, channels: u32) -> Self {
        self.channels = channels;
        self
    }

    /// Without a video stream.
    pub fn without_video(mut self) -> Self {
        self.video = false;
        self
    }

    /// Without an audio stream.
    pub fn without_audio(mut self) -> Self {
        self.audio = false;
        self
    }

    /// The audio stream starts only `seconds` after the picture; its beeps stay with the flashes.
    pub fn sound_starts(mut self, seconds: f64) -> Self {
        self.sound_starts = seconds;
        self
    }

    /// Frames 3 and 4 of every 5 are missing, and the others stay in their places.
    pub fn variable_rate(mut self) -> Self {
        self.variable_rate = true;
        self
    }

    /// Pixels that are `width` to `height` in shape.
    pub fn sample_aspect(mut self, width: u32, height: u32) -> Self {
        self.sample_aspect = (width, height);
        self
    }

    /// A display matrix that turns the stored picture by `degrees` clockwise, as telephones write it.
    pub fn rotation(mut self, degrees: i32) -> Self {
        self.rotation = degrees;
        self
    }

    /// Output options that override the codecs that the extension implies, such as `["-c:a", "flac"]`.
    pub fn codecs(mut self, options: &[&str]) -> Self {
        self.codecs = options.iter().map(ToString::to_string).collect();
        self
    }

    /// Whether this machine's FFmpeg has the encoders that the extension of `name` stands for; a line says so where it
    /// has not, for the test to skip.
    pub fn can_write(name: &str) -> bool {
        let extension = Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default();
        let codecs = codecs_of(extension);
        let encoders = codecs.windows(2).filter(|pair| pair[0].starts_with("-c:")).map(|pair| pair[1]);
        encoders.into_iter().all(can_encode)
    }

    /// Makes the clip as `folder/name`.
    ///
    /// # Panics
    /// Where the `ffmpeg` command is missing or refuses; the message says what to do.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        if self.rotation == 0 {
            self.encode(&path);
            return path;
        }
        let upright = folder.join(format!("upright-{name}"));
        self.encode(&upright);
        rotate(&upright, &path, self.rotation);
        std::fs::remove_file(&upright).expect("a file that was just made");
        path
    }

    fn encode(&self, path: &Path) {
        let mut args: Vec<String> = Vec::new();
        let lavfi = |source: String| ["-f".into(), "lavfi".into(), "-i".into(), source];
        if self.video {
            args.extend(lavfi(self.picture()));
        }
        if self.audio {
            args.extend(["-itsoffset".into(), self.sound_starts.to_string()]);
            args.extend(lavfi(self.sound()));
        }
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        args.extend(codecs_of(extension).iter().map(ToString::to_string));
        if self.variable_rate {
            args.extend(["-fps_mode".into(), "vfr".into()]);
        }
        args.extend(self.codecs.iter().cloned());
        args.push(path.display().to_string());
        ffmpeg(&args);
    }

    fn picture(&self) -> String {
        let ((width, height), fps, (num, den)) = (self.size, self.fps, self.sample_aspect);
        let flash = format!("drawbox=c=white:t=fill:enable='{}'", flash_expression("t"));
        // A red corner tells up from down.
        let (corner_w, corner_h) = (width / 4, height / 4);
        let corner = format!("drawbox=x=0:y=0:w={corner_w}:h={corner_h}:c=red:t=fill");
        let gaps = if self.variable_rate { ",select='lt(mod(n,5),3)'" } else { "" };
        let seconds = self.seconds;
        format!(
            "testsrc2=s={width}x{height}:r={fps}:d={seconds},{flash},{corner}{gaps},setsar={num}/{den},format=yuv420p"
        )
    }

    fn sound(&self) -> String {
        let time = format!("(t+{})", self.sound_starts);
        let flash = flash_expression(&time);
        let wave = format!("{flash}*{BEEP}*sin(2*PI*1000*{time})+0.03*sin(2*PI*(150+15*{time})*{time})");
        let channels = vec![wave; self.channels as usize].join("|");
        format!("aevalsrc='{channels}':s={}:d={}", self.rate, self.seconds - self.sound_starts)
    }
}

fn flash_expression(time: &str) -> String {
    // Less than a sample of slack keeps the first flashing frame inside whatever the rounding.
    format!("lt(mod({time}+{},{}),{})", flash::PERIOD - flash::FIRST + 1e-5, flash::PERIOD, flash::LENGTH)
}

fn codecs_of(extension: &str) -> &'static [&'static str] {
    match extension {
        "mp4" | "mov" | "mkv" | "ts" => {
            &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "50", "-c:a", "aac"]
        }
        "webm" => &["-c:v", "libvpx", "-deadline", "realtime", "-b:v", "500k", "-c:a", "libopus"],
        "mpg" => &["-c:v", "mpeg2video", "-b:v", "1M", "-c:a", "mp2"],
        "avi" => &["-c:v", "mpeg4", "-b:v", "1M", "-c:a", "pcm_s16le"],
        "ogg" => &["-c:a", "libvorbis"],
        _ => &[],
    }
}

/// FFmpeg takes a rotation, counter-clockwise, as an input option since 6.0 and as a tag before.
fn rotate(from: &Path, to: &Path, clockwise: i32) {
    let (from, to) = (from.display().to_string(), to.display().to_string());
    let option = (-clockwise).to_string();
    let modern = ["-display_rotation", &option, "-i", &from, "-c", "copy", &to];
    if !try_ffmpeg(&modern.map(str::to_string)).0 {
        let tag = format!("rotate={}", (-clockwise).rem_euclid(360));
        ffmpeg(&["-i", &from, "-c", "copy", "-metadata:s:v:0", &tag, &to]);
    }
}

/// Whether this machine's FFmpeg has the encoder `name`; a line says so where it has not, for the test to skip.
pub fn can_encode(name: &str) -> bool {
    static ENCODERS: OnceLock<String> = OnceLock::new();
    let listed = ENCODERS.get_or_init(|| {
        let (_, list, _) = run("ffmpeg", &["-hide_banner", "-encoders"]);
        String::from_utf8_lossy(&list).into_owned()
    });
    let known = listed.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
    if !known {
        crate::realdata::tell(&format!("skipped: the `ffmpeg` command has no encoder {name}"));
    }
    known
}

/// Copies the recording `from` to `to`, `times` in a row, without encoding anything anew but FLAC, whose header holds the
/// length.
///
/// # Panics
/// As [`ffmpeg`].
pub fn repeat(from: &Path, times: usize, to: &Path) {
    let (from, to, loops) = (from.display().to_string(), to.display().to_string(), (times - 1).to_string());
    let codec = if to.ends_with(".flac") { "flac" } else { "copy" };
    ffmpeg(&["-stream_loop", &loops, "-i", &from, "-map", "0", "-c", codec, &to]);
}

/// Runs `ffmpeg` with `args`, overwriting what is there and keeping quiet.
///
/// # Panics
/// Where the command is missing or fails; the message says what to do or what it said.
pub fn ffmpeg<S: AsRef<OsStr> + std::fmt::Debug>(args: &[S]) {
    let (done, said) = try_ffmpeg(args);
    assert!(done, "ffmpeg {args:?} failed: {said}");
}

/// What `ffmpeg` or `ffprobe`, the `program`, prints for `args`.
///
/// # Panics
/// As [`ffmpeg`].
pub fn printed_by<S: AsRef<OsStr> + std::fmt::Debug>(program: &str, args: &[S]) -> Vec<u8> {
    let (done, printed, said) = run(program, args);
    assert!(done, "{program} {args:?} failed: {said}");
    printed
}

fn try_ffmpeg<S: AsRef<OsStr>>(args: &[S]) -> (bool, String) {
    let quiet = ["-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-fflags", "+bitexact"];
    let args: Vec<&OsStr> = quiet.iter().map(OsStr::new).chain(args.iter().map(AsRef::as_ref)).collect();
    let (done, _, said) = run("ffmpeg", &args);
    (done, said)
}

/// Whether it succeeded, what it printed and what it said on the standard error.
fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> (bool, Vec<u8>, String) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| {
        panic!(
            "the `{program}` command cannot be run ({error}): `cargo xtask test` installs what the tests need"
        )
    });
    (output.status.success(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}
