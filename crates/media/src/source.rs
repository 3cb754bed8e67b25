//! An opened container: what it holds, where its time starts, and how to get to a span.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use affekt_core::{SampleRate, Seconds};
use ffmpeg_next::codec::packet::side_data::Type as SideDataType;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::{Packet, Rational, Stream, ffi as sys, media};

use crate::error::Error;
use crate::ffi::{self, Opened};
use crate::info::{AudioInfo, MediaInfo, VideoInfo};
use crate::picture::Orientation;
use crate::time::Stamp;

/// Names under which FFmpeg takes pictures and text art for film.
const NOT_MOVING: [&str; 7] = ["image2", "tty", "bin", "xbin", "adf", "idf", "ico"];
/// ISO brands of still pictures.
const STILL_BRANDS: [&str; 5] = ["avif", "heic", "heix", "mif1", "msf1"];

/// An opened media file with its two chosen streams.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) input: Opened,
    pub(crate) audio: Option<StreamClock>,
    pub(crate) video: Option<StreamClock>,
    /// Where there are several audio streams: which of them is chosen, counted from 1, and how many there are.
    pub(crate) audio_choice: Option<(usize, usize)>,
    /// How the stored picture lies.
    pub(crate) orientation: Orientation,
    /// Time zero: the start of the earlier of the two streams.
    pub(crate) zero: Stamp,
    pub(crate) info: MediaInfo,
    /// Whether `info.duration` is more than a guess.
    pub(crate) duration_is_known: bool,
    /// Packets taken so far.
    pub(crate) packets: usize,
}

/// A stream and its clock.
#[derive(Clone, Copy)]
pub(crate) struct StreamClock {
    pub(crate) index: usize,
    pub(crate) base: Rational,
    pub(crate) start: Stamp,
}

impl StreamClock {
    /// The time of `ticks` of this stream.
    pub(crate) fn at(&self, ticks: i64) -> Stamp {
        Stamp::new(ticks, self.base)
    }
}

impl Source {
    /// Opens `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        ffi::quiet();
        check_file(path)?;
        let input = open_container(path)?;
        let container = input.format().name().to_owned();
        let (audio, video) = choose_streams(&input);
        let clock =
            |index: Option<usize>| index.and_then(|index| input.stream(index)).map(|s| stream_clock(&s));
        let (audio_clock, video_clock) = (clock(audio), clock(video));
        if audio.is_none() && video.is_none() {
            let streams = input.nb_streams() as usize;
            return Err(Error::NoStreams { path: path.into(), container, streams });
        }
        let zero = earliest(&[audio_clock, video_clock]);
        let stream = |index: Option<usize>| index.and_then(|index| input.stream(index));
        let orientation = stream(video).map_or(Orientation::UPRIGHT, |stream| orientation(&stream));
        let (duration, duration_is_known) = declared_duration(&input, zero);
        let info = MediaInfo {
            container,
            duration,
            audio: stream(audio).map(|stream| audio_info(&stream)),
            video: stream(video).map(|stream| video_info(&input, &stream, orientation)),
        };
        let path = path.into();
        let audio_choice = audio_choice(&input, audio);
        Ok(Self {
            path,
            input,
            audio_choice,
            audio: audio_clock,
            video: video_clock,
            orientation,
            zero,
            info,
            duration_is_known,
            packets: 0,
        })
    }

    /// Starts over from the first packet.
    pub(crate) fn rewind(&mut self) -> Result<(), Error> {
        self.input = open_container(&self.path)?;
        Ok(())
    }

    /// The next packet; `None` at the end. `Err` tells how the container is broken there: reading on may help.
    pub(crate) fn read(&mut self) -> Result<Option<Packet>, ffmpeg_next::Error> {
        let mut packet = Packet::empty();
        self.packets += 1;
        match packet.read(&mut self.input) {
            Ok(()) => {
                self.input.restart_watch();
                Ok(Some(packet))
            }
            Err(ffmpeg_next::Error::Eof) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Goes to where decoding must begin for the given streams to be right from `start` seconds on: at a key frame, and
    /// some sound before it. Where no seek leads there, that is the beginning. Gives the time of the first packet there,
    /// as far as it is known.
    pub(crate) fn go_to(
        &mut self,
        start: f64,
        audio: Option<StreamClock>,
        video: Option<StreamClock>,
    ) -> Result<Option<f64>, Error> {
        let zero = self.zero.seconds_since(Stamp::ZERO);
        let mut margin = 1.0;
        while start - margin > 1.0 {
            self.input.restart_watch();
            let target = ((zero + start - margin) * f64::from(sys::AV_TIME_BASE)) as i64;
            if self.input.seek(target, ..target).is_err() {
                break;
            }
            let (lands, first) = self.lands_before(start, audio, video);
            if lands && self.input.seek(target, ..target).is_ok() {
                return Ok(first);
            }
            margin *= 4.0;
        }
        self.rewind()?;
        Ok(Some(0.0))
    }

    /// Whether, from here, a key frame comes at or before `start`, and sound far enough ahead of it; and the time of the
    /// first packet.
    fn lands_before(
        &mut self,
        start: f64,
        audio: Option<StreamClock>,
        video: Option<StreamClock>,
    ) -> (bool, Option<f64>) {
        const PREROLL: f64 = 0.3;
        const PACKETS: usize = 5_000;
        let (mut audio, mut video) = (audio, video);
        let mut earliest = None;
        for _ in 0..PACKETS {
            let Ok(Some(packet)) = self.read() else { return (true, earliest) };
            let index = packet.stream();
            let clock = [audio, video].into_iter().flatten().find(|clock| clock.index == index);
            let (Some(clock), Some(ticks)) = (clock, packet.pts().or(packet.dts())) else { continue };
            let time = clock.at(ticks).seconds_since(self.zero);
            earliest = earliest.or(Some(time));
            let is_video = video.is_some_and(|clock| clock.index == index);
            if is_video && !packet.is_key() {
                continue;
            }
            let limit = if is_video { start } else { start - PREROLL };
            let first = clock.start.seconds_since(self.zero);
            if time > limit.max(first) {
                return (false, earliest);
            }
            let slot = if is_video { &mut video } else { &mut audio };
            *slot = None;
            if audio.is_none() && video.is_none() {
                return (true, earliest);
            }
        }
        // A stream without a packet in all this has nothing to decode before the span.
        (true, earliest)
    }
}

fn check_file(path: &Path) -> Result<(), Error> {
    let path_buf = || path.to_path_buf();
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path: path_buf() },
        _ => Error::Unreadable { path: path_buf(), source },
    };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(Error::IsFolder { path: path_buf() });
    }
    if !metadata.is_file() {
        return Err(Error::NotMedia { path: path_buf(), reason: "it is a device or a pipe".into() });
    }
    File::open(path).map_err(unreadable)?;
    if metadata.len() == 0 {
        return Err(Error::Empty { path: path_buf() });
    }
    Ok(())
}

fn open_container(path: &Path) -> Result<Opened, Error> {
    let not_media = |reason: String| Error::NotMedia { path: path.into(), reason };
    let input = ffi::open(path).map_err(|error| match error {
        _ if is_playlist(path) => not_media(
            "it is a playlist: it names recordings, and is none; nothing that it names was opened".into(),
        ),
        ffmpeg_next::Error::InvalidData => {
            not_media("its content is no known container, or the container is cut off".into())
        }
        error => not_media(reason(error)),
    })?;
    let format = input.format();
    let name = format.name();
    let brand = ffi::major_brand(&input).unwrap_or_default();
    let is_still = STILL_BRANDS.iter().any(|still| brand.trim_ascii() == still.as_bytes());
    if name.ends_with("_pipe") || NOT_MOVING.contains(&name) || is_still {
        return Err(not_media(format!("it is a still picture or a text ({name})")));
    }
    // FFmpeg takes almost any bytes for something; a score of one is no more than a guess.
    if input.probe_score() <= 1 {
        return Err(not_media("its content is no known container".into()));
    }
    Ok(input)
}

/// Whether the file begins as those do that only name others: HLS, DASH, FFmpeg's own, Winamp's, session descriptions.
fn is_playlist(path: &Path) -> bool {
    const BEGINNING: u64 = 1_000;
    let mut begin = Vec::new();
    if File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut begin)).is_err() {
        return false;
    }
    let text = String::from_utf8_lossy(&begin);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let starts = ["#EXTM3U", "ffconcat version", "[playlist]", "v=0\n", "v=0\r\n"];
    starts.iter().any(|start| text.starts_with(start)) || text.contains("<MPD")
}

/// What FFmpeg says, where it says something.
pub(crate) fn reason(error: ffmpeg_next::Error) -> String {
    match error {
        ffmpeg_next::Error::Exit => "there is nothing in hundreds of megabytes of it".into(),
        error if error.to_string().is_empty() => "it cannot be read further".into(),
        error => error.to_string(),
    }
}

/// The best audio and video streams as FFmpeg ranks them, cover art apart.
fn choose_streams(input: &Input) -> (Option<usize>, Option<usize>) {
    let is_film = |stream: &Stream<'_>| {
        let still = Disposition::ATTACHED_PIC;
        stream.parameters().medium() == media::Type::Video && !stream.disposition().contains(still)
    };
    let film = ffi::best_stream(input, media::Type::Video, None)
        .filter(|index| input.stream(*index).is_some_and(|stream| is_film(&stream)))
        .or_else(|| input.streams().find(is_film).map(|stream| stream.index()));
    (ffi::best_stream(input, media::Type::Audio, film), film)
}

fn audio_choice(input: &Input, chosen: Option<usize>) -> Option<(usize, usize)> {
    let is_sound = |stream: &Stream<'_>| stream.parameters().medium() == media::Type::Audio;
    let sounds: Vec<usize> = input.streams().filter(is_sound).map(|stream| stream.index()).collect();
    let place = sounds.iter().position(|index| Some(*index) == chosen)?;
    (sounds.len() > 1).then_some((place + 1, sounds.len()))
}

fn stream_clock(stream: &Stream<'_>) -> StreamClock {
    let base = stream.time_base();
    let mut start = match stream.start_time() {
        sys::AV_NOPTS_VALUE => Stamp::ZERO,
        ticks => Stamp::new(ticks, base),
    };
    // What sounds before zero in a stream with encoder priming is the priming, which the decoder drops.
    if ffi::stored_facts(stream).priming > 0 && start.seconds_since(Stamp::ZERO) < 0.0 {
        start = Stamp::ZERO;
    }
    StreamClock { index: stream.index(), base, start }
}

fn earliest(clocks: &[Option<StreamClock>]) -> Stamp {
    let starts = clocks.iter().flatten().map(|clock| clock.start);
    starts.reduce(|a, b| if b.seconds_since(a) < 0.0 { b } else { a }).unwrap_or(Stamp::ZERO)
}

/// The duration by the header, where there is one, and whether it is more than a guess.
fn declared_duration(input: &Input, zero: Stamp) -> (Option<Seconds>, bool) {
    let ticks = input.duration();
    let mut seconds = ticks as f64 / f64::from(sys::AV_TIME_BASE);
    // Ogg has no header that tells: FFmpeg reads the clock of the last page, which in a chain of files starts anew.
    let mut is_known = !ffi::duration_is_estimated(input) && input.format().name() != "ogg";
    let late = zero.seconds_since(Stamp::ZERO);
    // MP4 files count from zero, and so do some writers of Matroska, FFmpeg among them; others from the first packet.
    let counts_from_zero = ["matroska", "mov"].iter().any(|name| input.format().name().contains(name));
    if counts_from_zero && late > 0.0 && seconds > late {
        seconds -= late;
        is_known = late < 0.5;
    }
    ((ticks > 0).then_some(Seconds(seconds)), is_known)
}

fn audio_info(stream: &Stream<'_>) -> AudioInfo {
    let facts = ffi::stored_facts(stream);
    let codec = stream.parameters().id().name().to_owned();
    AudioInfo { codec, rate: SampleRate(facts.rate), channels: facts.channels }
}

fn video_info(input: &Input, stream: &Stream<'_>, orientation: Orientation) -> VideoInfo {
    let facts = ffi::stored_facts(stream);
    let shape = ffi::pixel_shape(input, stream);
    let (width, height) = orientation.displayed(crate::picture::handy(facts.width, facts.height, shape));
    let rates = [stream.avg_frame_rate(), stream.rate()];
    let fps = rates.iter().find(|rate| rate.0 > 0 && rate.1 > 0).map(|rate| f64::from(*rate));
    VideoInfo { codec: stream.parameters().id().name().to_owned(), width, height, fps }
}

fn orientation(stream: &Stream<'_>) -> Orientation {
    let matrix = stream.side_data().find(|data| data.kind() == SideDataType::DisplayMatrix);
    matrix.map_or(Orientation::UPRIGHT, |data| Orientation::from_display_matrix(data.data()))
}
