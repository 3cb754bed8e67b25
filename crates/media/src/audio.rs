//! Packets of the audio stream to blocks of samples in time.

use ffmpeg_next::codec::Context;
use ffmpeg_next::{Error, Packet, decoder, frame};

use crate::ffi::Block;
use crate::lane::{Hearing, Lane};
use crate::outlet::Outlet;
use crate::source::{Source, StreamClock};
use crate::time::Stamp;

/// The audio stream on its way to the timelines of all spans.
pub(crate) struct AudioReader {
    pub(crate) clock: StreamClock,
    decoder: decoder::Audio,
    block: frame::Audio,
    zero: Stamp,
    grid: Option<Grid>,
    end: Option<f64>,
}

/// Where blocks of equal size end. Containers that count in milliseconds (mkv, webm) tell a block's time only to half a
/// tick; on the grid it is exact again, so that a span decoded after a seek has the very samples of the whole. Ends, not
/// starts: decoders cut the first block after a seek at its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// Where the first block of the stream ends, in samples from time zero.
    origin: i64,
    /// Samples of each block after it.
    size: i64,
    rate: u32,
}

impl Grid {
    /// Reads the first two blocks of the stream; `None` where the container counts finely enough or nothing is to be
    /// had. The source must be at its beginning, and is not there any more afterwards.
    pub(crate) fn find(source: &mut Source, clock: StreamClock) -> Option<Self> {
        const PACKETS: usize = 1_000;
        let rate = source.info.audio.as_ref()?.rate.0;
        if f64::from(clock.base) * f64::from(rate) <= 1.0 {
            return None;
        }
        let mut decoder = open_decoder(source, clock).ok()?;
        let mut block = frame::Audio::empty();
        let mut origin = None;
        for _ in 0..PACKETS {
            let packet = source.read().ok()??;
            if packet.stream() != clock.index || decoder.send_packet(&packet).is_err() {
                continue;
            }
            while decoder.receive_frame(&mut block).is_ok() && block.rate() == rate {
                let samples = block.samples() as i64;
                match origin {
                    Some(origin) => return Some(Self { origin, size: samples.max(1), rate }),
                    None => {
                        origin =
                            Some(clock.at(block.timestamp()?).samples_since(source.zero, rate) + samples);
                    }
                }
            }
        }
        None
    }

    /// The start of a block that claims to start `at`, moved so that it ends on the grid, where that is at most a
    /// `tick` away.
    fn snap(self, at: i64, samples: usize, tick: f64) -> i64 {
        let end = at + samples as i64;
        let blocks = (end - self.origin + self.size / 2).div_euclid(self.size);
        let error = self.origin + blocks * self.size - end;
        if error.abs() as f64 <= tick { at + error } else { at }
    }
}

impl AudioReader {
    /// For the stream of `clock`; `grid` makes coarse timestamps exact.
    pub(crate) fn new(source: &Source, clock: StreamClock, grid: Option<Grid>) -> Result<Self, Error> {
        let decoder = open_decoder(source, clock)?;
        let (block, zero) = (frame::Audio::empty(), source.zero);
        Ok(Self { clock, decoder, block, zero, grid, end: None })
    }

    /// Decodes `packet`, or what is still inside the decoder for `None`, for all `lanes`, which are in the order of time.
    pub(crate) fn take(&mut self, packet: Option<&Packet>, lanes: &mut [Lane], outlet: &mut Outlet<'_>) {
        if hearings(lanes).all(|hearing| hearing.timeline.is_complete()) {
            return;
        }
        let sent = match packet {
            Some(packet) => self.decoder.send_packet(packet),
            None => self.decoder.send_eof(),
        };
        let refused = sent.is_err() && packet.is_some();
        while let Ok(()) = self.decoder.receive_frame(&mut self.block) {
            self.place_block(lanes, outlet);
        }
        let time = packet.and_then(Packet::pts).map(|ticks| self.clock.at(ticks).seconds_since(self.zero));
        for hearing in hearings(lanes) {
            if std::mem::take(&mut hearing.failed) || refused {
                let ticks = packet.map_or(0, |packet| packet.duration().max(0));
                hearing.note_damage(time, self.clock.at(ticks).seconds_since(Stamp::ZERO));
            }
        }
    }

    fn place_block(&mut self, lanes: &mut [Lane], outlet: &mut Outlet<'_>) {
        let (rate, samples) = (self.block.rate(), self.block.samples());
        let claimed = self.block.timestamp().map(|ticks| self.clock.at(ticks).samples_since(self.zero, rate));
        let tick = f64::from(self.clock.base) * f64::from(rate);
        let grid = self.grid.filter(|grid| grid.rate == rate);
        let exact = claimed.map(|at| grid.map_or(at, |grid| grid.snap(at, samples, tick)));
        let end = exact.map(|at| (at + samples as i64) as f64 / f64::from(rate.max(1)));
        let mut failed = false;
        for hearing in hearings(lanes) {
            if !hearing.timeline.is_complete() && !hearing.wants(end) {
                // The lanes are in the order of time: it is too early for the others as well.
                break;
            }
            if hearing.wants(end) {
                let at = if hearing.on_grid { exact } else { claimed };
                hearing.failed |= hearing.timeline.take(&Block::Frame(&self.block), at, outlet).is_err();
                failed |= hearing.failed;
            }
        }
        if !failed {
            self.end = end.filter(|end| self.end.is_none_or(|last| *end > last)).or(self.end);
        }
    }

    /// Where the last block ends that any time is known of.
    pub(crate) fn end(&self) -> Option<f64> {
        self.end
    }
}

fn hearings(lanes: &mut [Lane]) -> impl Iterator<Item = &mut Hearing> {
    lanes.iter_mut().filter_map(|lane| lane.sound.as_mut())
}

fn open_decoder(source: &Source, clock: StreamClock) -> Result<decoder::Audio, Error> {
    let stream = source.input.stream(clock.index).ok_or(Error::StreamNotFound)?;
    let mut decoder = Context::from_parameters(stream.parameters())?.decoder();
    decoder.set_packet_time_base(clock.base);
    decoder.audio()
}
