//! The directory of a zip archive as torch writes one: every record stored as it is, so that tensors can be mapped.
//!
//! Numbers and their places are those of PKWARE's APPNOTE 6.3: 4.3.7 local header, 4.3.12 directory, 4.3.14 to 4.3.16
//! its end, 4.5.3 the fields of large archives.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Flaw;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";

/// Fixed parts of the headers.
const LOCAL_SIZE: usize = 30;
const CENTRAL_SIZE: usize = 46;
const END_SIZE: usize = 22;
const LOCATOR64_SIZE: usize = 20;
const LARGEST_COMMENT: usize = 0xffff;

/// Extra field of sizes and offsets past 32 bits.
const LARGE: u16 = 1;

/// An archive: names of the records, without the folder that holds them all, and where they lie.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    records: BTreeMap<&'a str, Range<usize>>,
}

fn broken(what: impl std::fmt::Display) -> Flaw {
    Flaw::malformed(format!("as a zip archive, {what}"))
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let directory = directory(bytes)?;
        let mut fields = Fields { bytes: &bytes[..directory.end], at: directory.start };
        let mut entries = Vec::new();
        while fields.at < directory.end {
            entries.push(Entry::read(&mut fields)?);
        }
        let pickle =
            entries.iter().find(|entry| file_name(entry.name) == "data.pkl" && depth(entry.name) < 2);
        let pickle = pickle.ok_or_else(|| Flaw::Refused {
            is: "a zip archive that torch.save did not write: it has no data.pkl".into(),
            remedy: "unpack it and give the weights inside",
        })?;
        let folder = &pickle.name[..pickle.name.len() - "data.pkl".len()];
        let mut records = BTreeMap::new();
        for entry in &entries {
            let Some(name) = entry.name.strip_prefix(folder) else { continue };
            if records.insert(name, entry.range(bytes, directory.start)?).is_some() {
                return Err(broken(format_args!("it has two records {:?}", short(entry.name))));
            }
        }
        disjoint(&records)?;
        Ok(Self { bytes, records })
    }

    pub fn has(&self, name: &str) -> bool {
        self.records.contains_key(name)
    }

    /// Where the record lies in the file.
    pub fn range(&self, name: &str) -> Result<Range<usize>, Flaw> {
        let range = self.records.get(name).cloned();
        range.ok_or_else(|| broken(format_args!("it lacks the record {:?}", short(name))))
    }

    /// The bytes of a record.
    pub fn record(&self, name: &str) -> Result<&'a [u8], Flaw> {
        Ok(&self.bytes[self.range(name)?])
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn depth(path: &str) -> usize {
    path.matches('/').count()
}

/// Names come from the file: only so much of one goes into a message.
fn short(name: &str) -> String {
    name.chars().take(100).collect()
}

fn disjoint(records: &BTreeMap<&str, Range<usize>>) -> Result<(), Flaw> {
    let mut ranges: Vec<(&Range<usize>, &str)> = records.iter().map(|(name, range)| (range, *name)).collect();
    ranges.sort_by_key(|(range, _)| (range.start, range.end));
    match ranges.windows(2).find(|pair| pair[0].0.end > pair[1].0.start) {
        Some(pair) => {
            Err(broken(format_args!("records {:?} and {:?} overlap", short(pair[0].1), short(pair[1].1))))
        }
        None => Ok(()),
    }
}

/// Where the directory lies.
fn directory(bytes: &[u8]) -> Result<Range<usize>, Flaw> {
    let truncated = || broken("it has no directory at its end: it is truncated");
    let from = bytes.len().saturating_sub(END_SIZE + LARGEST_COMMENT);
    let last = bytes.len().checked_sub(END_SIZE).ok_or_else(truncated)?;
    let end = (from..=last).rev().find(|&at| {
        let comment =
            bytes[at + END_SIZE - 2..].first_chunk().map(|raw| usize::from(u16::from_le_bytes(*raw)));
        bytes[at..].starts_with(END) && comment == Some(bytes.len() - at - END_SIZE)
    });
    let end = end.ok_or_else(truncated)?;
    let mut fields = Fields { bytes, at: end + 12 };
    let (mut size, mut start, mut limit) = (u64::from(fields.u32()?), u64::from(fields.u32()?), end);
    let locator = end.checked_sub(LOCATOR64_SIZE).filter(|&at| bytes[at..].starts_with(LOCATOR64));
    if let Some(locator) = locator {
        let end64 = Fields { bytes, at: locator + 8 }.u64()?;
        let end64 = usize::try_from(end64).ok().filter(|&at| at < locator && bytes[at..].starts_with(END64));
        limit = end64.ok_or_else(|| broken("the end of its large directory is not where it should be"))?;
        let mut fields = Fields { bytes, at: limit + 40 };
        (size, start) = (fields.u64()?, fields.u64()?);
    }
    let range = usize::try_from(start).ok().zip(usize::try_from(size).ok());
    let range = range.and_then(|(start, size)| Some(start..start.checked_add(size)?));
    let range = range.filter(|range| range.end <= limit);
    range
        .ok_or_else(|| broken(format_args!("its directory of {size} bytes at {start} lies outside the file")))
}

/// An entry of the directory.
struct Entry<'a> {
    name: &'a str,
    flags: u16,
    method: u16,
    packed: u64,
    size: u64,
    header: u64,
}

impl<'a> Entry<'a> {
    fn read(fields: &mut Fields<'a>) -> Result<Self, Flaw> {
        let start = fields.at;
        if !fields.bytes[start..].starts_with(CENTRAL) {
            return Err(broken(format_args!("its directory has no entry at byte {start}")));
        }
        fields.at = start + 8;
        let (flags, method) = (fields.u16()?, fields.u16()?);
        fields.at = start + 20;
        let (packed, size) = (u64::from(fields.u32()?), u64::from(fields.u32()?));
        let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
        fields.at = start + 42;
        let header = u64::from(fields.u32()?);
        debug_assert_eq!(fields.at, start + CENTRAL_SIZE);
        let name = std::str::from_utf8(fields.take(usize::from(name))?)
            .map_err(|_| broken(format_args!("the name at byte {start} is not UTF-8")))?;
        let extra = fields.take(usize::from(extra))?;
        fields.take(usize::from(comment))?;
        let mut entry = Self { name, flags, method, packed, size, header };
        entry.enlarge(extra)?;
        Ok(entry)
    }

    /// Takes numbers that do not fit into 32 bits from the extra field.
    fn enlarge(&mut self, extra: &[u8]) -> Result<(), Flaw> {
        let mut fields = Fields { bytes: extra, at: 0 };
        while extra.len() - fields.at >= 4 {
            let (kind, length) = (fields.u16()?, fields.u16()?);
            let mut field = Fields { bytes: fields.take(usize::from(length))?, at: 0 };
            if kind == LARGE {
                for number in [&mut self.size, &mut self.packed, &mut self.header] {
                    if *number == u64::from(u32::MAX) {
                        *number = field.u64()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Where the bytes of the record lie, all of them before `limit`.
    fn range(&self, bytes: &[u8], limit: usize) -> Result<Range<usize>, Flaw> {
        let name = short(self.name);
        if self.flags & 1 != 0 {
            return Err(broken(format_args!("record {name:?} is encrypted")));
        }
        if self.method != 0 || self.packed != self.size {
            let size = self.size;
            let what = format_args!(
                "record {name:?} is compressed (to {size} bytes when unpacked), which torch.save never does"
            );
            return Err(broken(what));
        }
        let outside = || broken(format_args!("record {name:?} reaches outside the file"));
        let header = usize::try_from(self.header).map_err(|_| outside())?;
        let local = bytes.get(header..).filter(|rest| rest.starts_with(LOCAL)).ok_or_else(outside)?;
        let mut fields = Fields { bytes: local, at: 26 };
        let (name_length, extra) = (fields.u16()?, fields.u16()?);
        let start = header + LOCAL_SIZE + usize::from(name_length) + usize::from(extra);
        let end = usize::try_from(self.size).ok().and_then(|size| start.checked_add(size));
        end.filter(|&end| end <= limit).map(|end| start..end).ok_or_else(outside)
    }
}

/// Little-endian numbers, one after another.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Flaw> {
        let taken = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| broken("its directory ends too early"))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        self.take(N).map(|taken| *taken.first_chunk().expect("as many were taken"))
    }

    fn u16(&mut self) -> Result<u16, Flaw> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Flaw> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Flaw> {
        self.array().map(u64::from_le_bytes)
    }
}
