//! Packets of the video stream to frames in time.

use std::ops::Range;

use affekt_core::Seconds;
use ffmpeg_next::codec::Context;
use ffmpeg_next::codec::threading::{Config, Type};
use ffmpeg_next::{Error, Packet, decoder, frame};

use crate::ffi;
use crate::outlet::Outlet;
use crate::picture::{LARGE, Painter};
use crate::source::{Source, StreamClock};
use crate::time::{Stamp, latest_credible};
use crate::warning::{Track, Warning};

/// Stored pictures of more pixels than this are refused: both eyes of 8K.
const MAX_PIXELS: i64 = 8_192 * 8_192;
/// Longer pauses between two frames than this, in seconds, are worth telling; the second where the frame rate varies,
/// as that of a recorded screen does.
const PAUSES: [f64; 2] = [0.25, 1.0];
/// More decoder threads than this cost memory and gain nothing.
const THREADS: usize = 8;

/// The video stream on its way to frames.
pub(crate) struct VideoReader {
    pub(crate) clock: StreamClock,
    decoder: decoder::Video,
    painter: Painter,
    picture: frame::Video,
    zero: Stamp,
    span: Range<f64>,
    declared: Option<f64>,
    /// Nominal time from frame to frame.
    step: f64,
    /// Time between the last two frames whose claims could be true.
    last_step: Option<f64>,
    last: Option<f64>,
    /// How long the last frame claims to last.
    shown_until: f64,
    end: Option<f64>,
    complete: bool,
    stopped: bool,
    damaged: usize,
    /// From here on, the time from frame to frame is a pause.
    longest_step: f64,
    gaps: usize,
    gap_seconds: f64,
}

impl VideoReader {
    /// For the frames of `span`, in seconds from time zero.
    pub(crate) fn new(source: &Source, clock: StreamClock, span: Range<f64>) -> Result<Self, Error> {
        let stream = source.input.stream(clock.index).ok_or(Error::StreamNotFound)?;
        let facts = ffi::stored_facts(&stream);
        let mut context = Context::from_parameters(stream.parameters())?;
        // Each frame in flight costs its memory: large ones are decoded one at a time, by slices.
        let kind = if facts.width * facts.height > LARGE { Type::Slice } else { Type::Frame };
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        context.set_threading(Config { count, ..Config::kind(kind) });
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
            zero: source.zero,
            span,
            declared: source.info.duration.map(|duration| duration.0),
            step: 1.0 / fps.unwrap_or(25.0).clamp(1.0, 1_000.0),
            last_step: None,
            last: None,
            shown_until: 0.0,
            end: None,
            complete: false,
            stopped: false,
            damaged: 0,
            longest_step: PAUSES[usize::from(!is_steady)],
            gaps: 0,
            gap_seconds: 0.0,
        })
    }

    /// Decodes `packet`, or what is still inside the decoder for `None`, and hands out every frame of the span in the
    /// order of presentation, until the caller has seen enough.
    pub(crate) fn take(&mut self, packet: Option<&Packet>, outlet: &mut Outlet<'_>) {
        if self.complete {
            return;
        }
        let sent = match packet {
            Some(packet) => self.decoder.send_packet(packet),
            None => self.decoder.send_eof(),
        };
        // After a seek, the first packets may lack their references: what is before the span does not count.
        let time = packet.and_then(Packet::pts).map(|ticks| self.clock.at(ticks).seconds_since(self.zero));
        let counts = usize::from(time.is_none_or(|time| self.span.contains(&time)));
        if sent.is_err() && packet.is_some() {
            self.damaged += counts;
        }
        // A decoder with frame threads reports the errors of earlier packets here, one a thread.
        let mut failures = 0;
        while failures <= 2 * THREADS && !self.complete {
            match self.decoder.receive_frame(&mut self.picture) {
                Ok(()) => self.show_picture(outlet),
                Err(Error::Eof) => return,
                Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => return,
                Err(_) => {
                    self.damaged += counts;
                    failures += 1;
                }
            }
        }
    }

    fn show_picture(&mut self, outlet: &mut Outlet<'_>) {
        let time = self.time_of_picture();
        let lasting = match self.picture.packet().duration {
            ticks @ 1.. => self.clock.at(ticks).seconds_since(Stamp::ZERO),
            _ => self.step,
        };
        self.note_pause(time);
        self.last = Some(time);
        self.shown_until = time + lasting;
        self.end = Some(time + lasting.min(1.0));
        self.complete = time >= self.span.end;
        if self.span.contains(&time) {
            if self.picture.is_corrupt() || self.picture.has_decode_errors() {
                self.damaged += 1;
            }
            match self.painter.paint(&self.picture) {
                Ok(image) => self.stopped = outlet.show(time, image).is_break(),
                Err(_) => self.damaged += 1,
            }
            self.complete |= self.stopped;
        }
    }

    /// Counts the time before the frame of `time` for which no frame is there, though none claims to last so long.
    fn note_pause(&mut self, time: f64) {
        let pause = time - self.shown_until;
        if pause > self.longest_step && self.last.is_some_and(|last| last >= self.span.start) {
            self.gaps += 1;
            self.gap_seconds += pause;
        }
    }

    /// The time that the frame claims, or one step after the last frame where the claim cannot be true. A clock that jumps
    /// by hours spoils the nominal step, which is an average, but not the step from frame to frame before it.
    fn time_of_picture(&mut self) -> f64 {
        let claimed = self.picture.timestamp().map(|ticks| self.clock.at(ticks).seconds_since(self.zero));
        let Some(last) = self.last else {
            let latest = latest_credible(self.declared, self.span.start);
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

    /// Whether every frame of the span has come, or enough of them.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the caller asked for no more frames.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Where the last decoded frame ends, in seconds from time zero; `None` before the first.
    pub(crate) fn end(&self) -> Option<f64> {
        self.end
    }

    /// Where the picture pauses.
    pub(crate) fn gaps(&self) -> Option<Warning> {
        let (track, count, lasting) = (Track::Video, self.gaps, Seconds(self.gap_seconds));
        (count > 0).then_some(Warning::Gaps { track, count, lasting })
    }

    /// What could not be decoded.
    pub(crate) fn damage(&self) -> Option<Warning> {
        let lasting = Seconds(self.damaged as f64 * self.step);
        (self.damaged > 0).then_some(Warning::Damaged { track: Track::Video, count: self.damaged, lasting })
    }
}
