//! Encoded streams that begin again at their end, and their way into a file.

use std::path::Path;

use affekt_core::Seconds;
use ffmpeg_next::codec::Parameters;
use ffmpeg_next::codec::packet::Flags;
use ffmpeg_next::format::context::Output;
use ffmpeg_next::{Error, Packet, Rational};

use crate::ffi;

/// A packet without its container: times in ticks of its stream.
#[derive(Clone)]
pub(super) struct Stored {
    data: Vec<u8>,
    pts: i64,
    dts: i64,
    duration: i64,
    key: bool,
}

impl Stored {
    /// `None` for one without data.
    pub(super) fn of(packet: &Packet) -> Option<Self> {
        let (pts, duration) = (packet.pts().unwrap_or(0), packet.duration());
        let dts = packet.dts().unwrap_or(pts);
        Some(Self { data: packet.data()?.to_vec(), pts, dts, duration, key: packet.is_key() })
    }

    /// The same at another time.
    pub(super) fn at(self, ticks: i64) -> Self {
        Self { dts: ticks + self.dts - self.pts, pts: ticks, ..self }
    }

    /// The same of another duration.
    pub(super) fn lasting(self, ticks: i64) -> Self {
        Self { duration: ticks, ..self }
    }

    /// When it is over.
    pub(super) fn end(&self) -> i64 {
        self.pts + self.duration
    }

    fn packet(&self, stream: usize) -> Packet {
        let mut packet = Packet::copy(&self.data);
        packet.set_stream(stream);
        packet.set_pts(Some(self.pts));
        packet.set_dts(Some(self.dts));
        packet.set_duration(self.duration);
        packet.set_flags(if self.key { Flags::KEY } else { Flags::empty() });
        packet
    }
}

/// An encoded stream that begins again at its end.
pub(super) struct Loop {
    parameters: Parameters,
    base: Rational,
    /// One round, in the order of decoding; not empty.
    packets: Vec<Stored>,
    /// Ticks of one round; more than none.
    round: i64,
}

impl Loop {
    /// `None` where the packets last no time.
    pub(super) fn new(parameters: Parameters, base: Rational, packets: Vec<Stored>) -> Option<Self> {
        let round = packets.iter().map(Stored::end).max().filter(|end| *end > 0)?;
        Some(Self { parameters, base, packets, round })
    }

    /// Its packets, round after round, without end.
    fn rounds(&self) -> impl Iterator<Item = Stored> {
        (0..).flat_map(move |round| {
            let later = move |packet: &Stored| packet.clone().at(packet.pts + round * self.round);
            self.packets.iter().map(later)
        })
    }

    fn seconds(&self, ticks: i64) -> f64 {
        ticks as f64 * f64::from(self.base)
    }

    /// Whether a film of `wanted` seconds can end before this packet.
    fn ends_before(&self, packet: &Stored, wanted: Seconds) -> bool {
        // Ticks are exact, and their seconds almost.
        packet.key && self.seconds(packet.pts) >= wanted.0 - 1e-6
    }
}

/// Writes `picture` up to the first end of a group from `wanted` on, and as much of `sound`.
pub(super) fn write(path: &Path, picture: &Loop, sound: &Loop, wanted: Seconds) -> Result<Seconds, Error> {
    let mut output = ffi::create(path)?;
    for stream in [picture, sound] {
        let mut added = output.add_stream(ffmpeg_next::codec::Id::None)?;
        added.set_parameters(stream.parameters.clone());
        added.set_time_base(stream.base);
    }
    output.write_header()?;
    let mut heard = sound.rounds().peekable();
    let mut reached = 0;
    // The first packet always is a key frame at zero, where no film may end.
    for (index, seen) in picture.rounds().enumerate() {
        if index > 0 && picture.ends_before(&seen, wanted) {
            reached = seen.pts;
            break;
        }
        let due = picture.seconds(seen.dts);
        put(&mut output, picture, 0, &seen)?;
        while let Some(block) = heard.next_if(|block| sound.seconds(block.pts) <= due) {
            put(&mut output, sound, 1, &block)?;
        }
    }
    let end = picture.seconds(reached);
    while let Some(block) = heard.next_if(|block| sound.seconds(block.pts) < end) {
        put(&mut output, sound, 1, &block)?;
    }
    output.write_trailer()?;
    Ok(Seconds(end))
}

fn put(output: &mut Output, from: &Loop, stream: usize, stored: &Stored) -> Result<(), Error> {
    let mut packet = stored.packet(stream);
    let base = output.stream(stream).ok_or(Error::StreamNotFound)?.time_base();
    packet.rescale_ts(from.base, base);
    packet.write_interleaved(output)
}
