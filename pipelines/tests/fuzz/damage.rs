//! What is done to a clip.

use std::ops::Range;

use crate::random::Random;
use crate::seeds::Seed;

/// Bytes that a damaged file may have: doubled blocks would make ever larger ones.
const LARGEST: usize = 4 << 20;
/// Bytes that count as the head of a file.
const HEAD: usize = 4096;

/// What stands before, behind or around the lengths, counts and offsets of a container: of MP4 and MOV, of RIFF and IFF, of
/// Ogg, FLAC, MP3 and FLV.
const NAMES: &str = "ftyp moov mvhd trak tkhd edts elst mdia mdhd hdlr stbl stsd stts ctts stss stsc stsz stco mdat moof \
    tfhd tfdt trun mvex avc1 avcC hvcC mp4a esds mp4v alac colr RIFF LIST avih strh strf movi idx1 fmt data FORM COMM SSND \
    OggS OpusHead vorbis fLaC ID3 Info FLV onMetaData";

/// The same, where it is no text. Matroska: file, segment, info, tracks, cluster, cues, scale, duration, width, height,
/// private data, block. MPEG: pack, system, sequence, extension, picture, sound, NAL unit, packet of a transport stream.
/// Pictures that say how large they are: MPEG-4, VP8, JPEG.
#[rustfmt::skip]
const CODES: [&[u8]; 23] = [
    b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75",
    b"\x1c\x53\xbb\x6b", b"\x2a\xd7\xb1", b"\x44\x89", b"\xb0\x81", b"\xba\x81", b"\x63\xa2", b"\xa3\x42",
    b"\0\0\x01\xba", b"\0\0\x01\xbb", b"\0\0\x01\xb3", b"\0\0\x01\xb5", b"\0\0\x01\xe0", b"\0\0\x01\xc0",
    b"\0\0\x01\x67", b"\x47\x40",
    b"\0\0\x01\x20", b"\x9d\x01\x2a", b"\xff\xc0\0",
];

/// Numbers at which arithmetic goes wrong.
const EXTREMES: [u64; 12] =
    [0, 1, 2, 7, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX >> 1, u64::MAX];

/// Where each mark stands, of those that stand anywhere.
pub fn marks(bytes: &[u8]) -> Vec<Vec<usize>> {
    let places = |mark: &[u8]| {
        let windows = bytes.windows(mark.len()).enumerate();
        windows.filter_map(|(at, window)| (window == mark).then_some(at)).collect::<Vec<_>>()
    };
    let marks = NAMES.split_whitespace().map(str::as_bytes).chain(CODES);
    marks.map(places).filter(|places| !places.is_empty()).collect()
}

/// `seed` after one to five kinds of damage, some of which take blocks from `other`.
pub fn damage(seed: &Seed, other: &Seed, random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.bytes.clone();
    // First, while they are in their places.
    for _ in 0..random.below(4) {
        field(&mut bytes, &seed.marks, random);
    }
    let more = if bytes == seed.bytes { 1 + random.below(3) } else { random.below(3) };
    for _ in 0..more {
        one(&mut bytes, &other.bytes, random);
    }
    bytes.truncate(LARGEST);
    bytes
}

/// Writes another number near a mark.
fn field(bytes: &mut [u8], marks: &[Vec<usize>], random: &mut Random) {
    if marks.is_empty() {
        return;
    }
    let places = random.choose(marks);
    let at = (*random.choose(places) + random.below(36)).saturating_sub(4);
    let width = *random.choose(&[1, 2, 4, 8]);
    let Some(place) = bytes.get_mut(at..at + width) else { return };
    let was = place.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let number = match random.below(4) {
        0 => was.wrapping_add(1 + random.below(16) as u64),
        1 => was.wrapping_sub(1 + random.below(16) as u64),
        _ => *random.choose(&EXTREMES),
    };
    if random.one_in(3) {
        place.copy_from_slice(&number.to_le_bytes()[..width]);
    } else {
        place.copy_from_slice(&number.to_be_bytes()[8 - width..]);
    }
}

/// Does one kind of damage, which may change the length.
fn one(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    match random.below(11) {
        0 => flip(bytes, random),
        1 => overwrite(bytes, random),
        2 => {
            let block = bytes.drain(block(bytes, random)).collect::<Vec<_>>();
            insert(bytes, &block, random);
        }
        3 => drop(bytes.drain(block(bytes, random))),
        4 => {
            let block = bytes[block(bytes, random)].to_vec();
            insert(bytes, &block, random);
        }
        5 => insert(bytes, &other[block(other, random)], random),
        6 => bytes.truncate(random.below(bytes.len())),
        7 => {
            let rest = block(other, random).start;
            bytes.truncate(random.below(bytes.len()));
            bytes.extend_from_slice(&other[rest..]);
        }
        8 => {
            let head = HEAD.min(bytes.len());
            spoil(&mut bytes[head..], random);
        }
        9 => {
            let head = HEAD.min(bytes.len());
            spoil(&mut bytes[..head], random);
        }
        _ => {
            let tail = bytes.len().saturating_sub(HEAD);
            spoil(&mut bytes[tail..], random);
        }
    }
}

/// A block: short ones as often as long ones.
fn block(bytes: &[u8], random: &mut Random) -> Range<usize> {
    let start = place(bytes, random);
    let length = random.length((bytes.len() / 2).max(1));
    start..(start + length).min(bytes.len())
}

/// Any place, or one where headers are.
fn place(bytes: &[u8], random: &mut Random) -> usize {
    match random.below(4) {
        0 => random.below(bytes.len().min(HEAD)),
        1 => bytes.len() - random.below(bytes.len().min(HEAD)),
        _ => random.below(bytes.len()),
    }
}

fn insert(bytes: &mut Vec<u8>, block: &[u8], random: &mut Random) {
    let at = place(bytes, random);
    drop(bytes.splice(at..at, block.iter().copied()));
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    for _ in 0..random.length(64) {
        let at = place(bytes, random);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
}

fn overwrite(bytes: &mut [u8], random: &mut Random) {
    let range = block(bytes, random);
    let kind = random.below(3);
    for byte in &mut bytes[range] {
        *byte = match kind {
            0 => 0,
            1 => 0xff,
            _ => random.byte(),
        };
    }
}

/// Changes one byte in two, or in thousands.
fn spoil(bytes: &mut [u8], random: &mut Random) {
    let most = 2 << random.below(12);
    let mut at = random.below(most);
    while let Some(byte) = bytes.get_mut(at) {
        *byte = random.byte();
        at += 1 + random.below(most);
    }
}
