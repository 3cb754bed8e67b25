//! Packets of the video stream to frames in time.

use std::ops::Range;

use affekt_core::RgbImage;
use ffmpeg_next::codec::Context;
use ffmpeg_next::codec::threading::{Config, Type};
use ffmpeg_next::{Error, Packet, decoder, frame};

use crate::ffi::{self, hardware, hardware::Card};
use crate::lane::Lane;
use crate::outlet::Outlet;
use crate::picture::{LARGE, Painter};
use crate::source::{Source, StreamClock};
use crate::time::{Stamp, latest_credible};

/// Stored pictures of more pixels than this are refused: both eyes of 8K.
const MAX_PIXELS: i64 = 8_192 * 8_192;
/// Longer pauses between two frames than this, in seconds, are worth telling; the second where the frame rate varies,
/// as that of a recorded screen does.
const PAUSES: [f64; 2] = [0.25, 1.0];
/// More decoder threads than this cost memory and gain nothing.
const MOST_THREADS: usize = 8;

/// No decoder holds more pictures back than this: packets before these have become none.
const MOST_INSIDE: usize = 64;

/// As many decoder threads as are of use here.
pub(crate) fn all_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS)
}

/// The video stream on its way to frames for all spans.
pub(crate) struct VideoReader {
    pub(crate) clock: StreamClock,
    decoder: decoder::Video,
    painter: Painter,
    picture: frame::Video,
    /// What a card has decoded, in ordinary memory.
    downloaded: frame::Video,
    /// Whether a card was to decode; then, whether it has not.
    wants_card: bool,
    not_on_card: bool,
    zero: Stamp,
    /// Where the first of the spans starts.
    start: f64,
    declared: Option<f64>,
    /// Nominal time from frame to frame.
    step: f64,
    /// Time between the last two frames whose claims could be true.
    last_step: Option<f64>,
    last: Option<f64>,
    /// How long the last frame claims to last.
    shown_until: f64,
    /// Times of the packets inside the decoder, as far as they are known.
    inside: Vec<f64>,
    /// So many errors in a row are one packet's each.
    most_failures: usize,
    /// From here on, the time from frame to frame is a pause.
    longest_step: f64,
}

impl VideoReader {
    /// For spans of which the first starts at `start`, in seconds from time zero. With a `card`, that decodes what it takes.
    pub(crate) fn new(
        source: &Source,
        clock: StreamClock,
        start: f64,
        threads: usize,
        card: Option<&Card>,
    ) -> Result<Self, Error> {
        let stream = source.input.stream(clock.index).ok_or(Error::StreamNotFound)?;
        let facts = ffi::stored_facts(&stream);
        let mut context = Context::from_parameters(stream.parameters())?;
        // Each frame in flight costs its memory: large ones are decoded one at a time, by slices.
        let kind = if facts.width * facts.height > LARGE { Type::Slice } else { Type::Frame };
        let takes = card.map(|card| card.give_to(&mut context)).transpose()?;
        // A card does the work: threads would only hold its pictures back.
        let threads = if takes == Some(true) { 1 } else { threads };
        context.set_threading(Config { count: threads, ..Config::kind(kind) });
        ffi::limit_pixels(&mut context, MAX_PIXELS);
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(clock.base);
        let fps = source.info.video.as_ref().and_then(|video| video.fps);
        let is_steady = fps.is_some_and(|fps| (f64::from(stream.rate()) / fps - 1.0).abs() < 0.01);
        Ok(Self {
            clock,
            decoder: decoder.video()?,
            painter: Painter::new(source.orientation, ffi::pixel_shape(&source.input, &stream)),
            picture: frame::Video::empty(),
            downloaded: frame::Video::empty(),
            wants_card: card.is_some(),
            not_on_card: takes == Some(false),
            zero: source.zero,
            start,
            declared: source.info.duration.map(|duration| duration.0),
            step: 1.0 / fps.unwrap_or(25.0).clamp(1.0, 1_000.0),
            last_step: None,
            last: None,
            shown_until: 0.0,
            inside: Vec::new(),
            most_failures: 2 * threads.max(MOST_THREADS),
            longest_step: PAUSES[usize::from(!is_steady)],
        })
    }

    /// The same, of a card that was to decode and could not be used.
    pub(crate) fn off_card(self) -> Self {
        Self { not_on_card: true, ..self }
    }

    /// Decodes `packet`, or what is still inside the decoder for `None`, and hands out every frame to the `lanes` to
    /// which it belongs, in the order of presentation. The lanes are in the order of time.
    pub(crate) fn take(&mut self, packet: Option<&Packet>, lanes: &mut [Lane], outlet: &mut Outlet<'_>) {
        if are_complete(lanes) {
            return;
        }
        let sent = match packet {
            Some(packet) => self.decoder.send_packet(packet),
            None => self.decoder.send_eof(),
        };
        let at = |ticks: i64| self.clock.at(ticks).seconds_since(self.zero);
        // After a seek, the first packets may lack their references: what is before a span does not count there.
        let time = packet.and_then(Packet::pts).map(at);
        self.inside.extend(packet.and_then(|packet| packet.pts().or(packet.dts())).map(at));
        self.inside.drain(..self.inside.len().saturating_sub(MOST_INSIDE));
        if sent.is_err() && packet.is_some() {
            note_damage(lanes, time);
        }
        // A decoder with frame threads reports the errors of earlier packets here, one a thread.
        let mut failures = 0;
        while failures <= self.most_failures && !are_complete(lanes) {
            match self.decoder.receive_frame(&mut self.picture) {
                Ok(()) => self.show_picture(lanes, outlet),
                Err(Error::Eof) => return,
                Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => return,
                Err(_) => {
                    note_damage(lanes, time);
                    failures += 1;
                }
            }
        }
    }

    fn show_picture(&mut self, lanes: &mut [Lane], outlet: &mut Outlet<'_>) {
        self.not_on_card |= self.wants_card && !hardware::is_on_card(&self.picture);
        let time = self.time_of_picture();
        let lasting = match self.picture.packet().duration {
            ticks @ 1.. => self.clock.at(ticks).seconds_since(Stamp::ZERO),
            _ => self.step,
        };
        let pause = time - self.shown_until;
        let pause = self.last.filter(|_| pause > self.longest_step).map(|last| (last, pause));
        self.last = Some(time);
        self.inside.retain(|inside| *inside > time);
        self.shown_until = time + lasting;
        let end = Some(time + lasting.min(1.0));
        for lane in lanes.iter_mut() {
            let Some(seeing) = lane.picture.as_mut().filter(|seeing| !seeing.complete) else { continue };
            if let Some((_, pause)) = pause.filter(|(last, _)| *last >= lane.window.start) {
                // No frame is there, though none claims to last so long.
                seeing.gaps += 1;
                seeing.gap_seconds += pause;
            }
            seeing.end = end;
            seeing.complete = time >= lane.window.end;
        }
        self.hand_out(time, lanes, outlet);
    }

    /// Paints the picture once for all who want it.
    fn hand_out(&mut self, time: f64, lanes: &mut [Lane], outlet: &mut Outlet<'_>) {
        let wants = |lane: &&mut Lane| {
            lane.window.contains(&time) && lane.picture.as_ref().is_some_and(|seeing| !seeing.complete)
        };
        let mut viewers = lanes.iter_mut().filter(wants).peekable();
        if viewers.peek().is_none() {
            return;
        }
        let is_damaged = self.picture.is_corrupt() || self.picture.has_decode_errors();
        let mut image = self.paint().ok();
        while let Some(lane) = viewers.next() {
            // The last one needs no copy.
            let image = if viewers.peek().is_some() { image.clone() } else { image.take() };
            let Some(seeing) = &mut lane.picture else { continue };
            seeing.damaged += usize::from(is_damaged);
            match image {
                Some(image) => {
                    seeing.stopped = outlet.show(lane.index, seeing.frames, time, image).is_break();
                    seeing.frames += 1;
                }
                None => seeing.damaged += 1,
            }
            seeing.complete |= seeing.stopped;
        }
    }

    /// The picture, from wherever it lies.
    fn paint(&mut self) -> Result<RgbImage, Error> {
        if !hardware::is_on_card(&self.picture) {
            return self.painter.paint(&self.picture);
        }
        hardware::download(&self.picture, &mut self.downloaded)?;
        self.painter.paint(&self.downloaded)
    }

    /// Whether a card was to decode, and the processor has.
    pub(crate) fn is_not_on_card(&self) -> bool {
        self.not_on_card
    }

    /// The time that the frame claims, or one step after the last frame where the claim cannot be true. A clock that jumps
    /// by hours spoils the nominal step, which is an average, but not the step from frame to frame before it.
    fn time_of_picture(&mut self) -> f64 {
        let claimed = self.picture.timestamp().map(|ticks| self.clock.at(ticks).seconds_since(self.zero));
        let Some(last) = self.last else {
            let latest = latest_credible(self.declared, self.start);
            return claimed.filter(|time| *time <= latest).unwrap_or(0.0);
        };
        let latest = latest_credible(self.declared, last);
        match claimed.filter(|time| *time > last && *time <= latest) {
            Some(time) => {
                self.last_step = Some(time - last).filter(|step| *step <= 1.0).or(self.last_step);
                time
            }
            None => last + self.last_step.unwrap_or(self.step),
        }
    }

    /// Whether the decoder holds a picture of the span `window` still.
    pub(crate) fn holds(&self, window: &Range<f64>) -> bool {
        self.inside.iter().any(|time| window.contains(time))
    }

    /// Nominal time from frame to frame, in seconds.
    pub(crate) fn step(&self) -> f64 {
        self.step
    }
}

fn are_complete(lanes: &[Lane]) -> bool {
    // From the end: the last ones are those that are not begun.
    lanes.iter().rev().filter_map(|lane| lane.picture.as_ref()).all(|picture| picture.complete)
}

/// Notes damage at `time` in the spans to which it belongs, in all where it is unknown.
fn note_damage(lanes: &mut [Lane], time: Option<f64>) {
    for lane in lanes {
        let counts = time.is_none_or(|time| lane.window.contains(&time));
        if let Some(seeing) = lane.picture.as_mut().filter(|seeing| counts && !seeing.complete) {
            seeing.damaged += 1;
        }
    }
}
