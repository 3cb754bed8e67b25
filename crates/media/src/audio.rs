//! Packets of the audio stream to blocks of samples in time.

use affekt_core::Seconds;
use ffmpeg_next::codec::Context;
use ffmpeg_next::{Error, Packet, decoder, frame};

use crate::ffi::Block;
use crate::outlet::Outlet;
use crate::source::{Source, StreamClock};
use crate::time::Stamp;
use crate::timeline::Timeline;
use crate::warning::{Track, Warning};

/// The audio stream on its way to a [`Timeline`].
pub(crate) struct AudioReader {
    pub(crate) clock: StreamClock,
    pub(crate) timeline: Timeline,
    decoder: decoder::Audio,
    block: frame::Audio,
    zero: Stamp,
    grid: Option<Grid>,
    damaged: usize,
    lost: f64,
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
    /// Sends the stream to `timeline`; `grid` makes coarse timestamps exact.
    pub(crate) fn new(
        source: &Source,
        clock: StreamClock,
        grid: Option<Grid>,
        timeline: Timeline,
    ) -> Result<Self, Error> {
        let decoder = open_decoder(source, clock)?;
        let (block, zero) = (frame::Audio::empty(), source.zero);
        Ok(Self { clock, timeline, decoder, block, zero, grid, damaged: 0, lost: 0.0 })
    }

    /// Decodes `packet`, or what is still inside the decoder for `None`.
    pub(crate) fn take(&mut self, packet: Option<&Packet>, outlet: &mut Outlet<'_>) {
        if self.timeline.is_complete() {
            return;
        }
        let sent = match packet {
            Some(packet) => self.decoder.send_packet(packet),
            None => self.decoder.send_eof(),
        };
        let mut failed = sent.is_err() && packet.is_some();
        while let Ok(()) = self.decoder.receive_frame(&mut self.block) {
            failed |= self.place_block(outlet).is_err();
        }
        // After a seek, the first packets may be torn: what is before the span does not count.
        let time = packet.and_then(Packet::pts).map(|ticks| self.clock.at(ticks).seconds_since(self.zero));
        if failed && time.is_none_or(|time| self.timeline.wants(time)) {
            self.damaged += 1;
            let ticks = packet.map_or(0, |packet| packet.duration().max(0));
            self.lost += self.clock.at(ticks).seconds_since(Stamp::ZERO);
        }
    }

    fn place_block(&mut self, outlet: &mut Outlet<'_>) -> Result<(), Error> {
        let rate = self.block.rate();
        let at = self.block.timestamp().map(|ticks| {
            let at = self.clock.at(ticks).samples_since(self.zero, rate);
            let tick = f64::from(self.clock.base) * f64::from(rate);
            let grid = self.grid.filter(|grid| grid.rate == rate);
            grid.map_or(at, |grid| grid.snap(at, self.block.samples(), tick))
        });
        self.timeline.take(&Block::Frame(&self.block), at, outlet)
    }

    /// What was strange.
    pub(crate) fn warning(&self) -> Option<Warning> {
        let (track, count, lasting) = (Track::Audio, self.damaged, Seconds(self.lost));
        (count > 0).then_some(Warning::Damaged { track, count, lasting })
    }
}

fn open_decoder(source: &Source, clock: StreamClock) -> Result<decoder::Audio, Error> {
    let stream = source.input.stream(clock.index).ok_or(Error::StreamNotFound)?;
    let mut decoder = Context::from_parameters(stream.parameters())?.decoder();
    decoder.set_packet_time_base(clock.base);
    decoder.audio()
}
