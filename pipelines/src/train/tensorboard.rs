//! Event files for TensorBoard: every loss and every validation metric as a scalar, an epoch a step.
//!
//! A file is a sequence of records, each the length of its message, a checksum of that, the message (an `Event` of
//! TensorFlow's `event.proto`) and a checksum of that. A run that is continued goes on with the file that it has.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use affekt_report::training::Epoch;
use crc::{CRC_32_ISCSI, Crc, Table};
use prost::Message;

use super::Error;

/// The folder of the event file in that of a run.
pub const FOLDER: &str = "tensorboard";

/// The name of an event file is this, a time, and [`END`].
const BEGINNING: &str = "events.out.tfevents.";
const END: &str = ".affekt";
/// The first message of every file.
const VERSION: &str = "brain.Event:2";
/// CRC-32C.
const CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The fields of TensorFlow's `Event` that scalars need.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    /// A member of a `oneof`, so that a 0 is written, too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The event file of a run.
#[derive(Debug)]
pub struct Board {
    path: PathBuf,
    file: File,
    /// Epochs that it holds.
    written: usize,
}

impl Board {
    /// The event file in `folder`, which is made where it is missing. One that is there already is gone on with; a record
    /// that a crash has cut short is taken away.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Write`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.into(), source })?;
        let path = match there(folder).map_err(|source| Error::Read { path: folder.into(), source })? {
            Some(path) => path,
            None => folder.join(format!("{BEGINNING}{:.0}{END}", now())),
        };
        let (file, written) = begin(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
        Ok(Self { path, file, written })
    }

    /// Adds those of `epochs`, all of the run so far, that the file does not hold yet.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn follow(&mut self, epochs: &[Epoch]) -> Result<(), Error> {
        for epoch in epochs.iter().skip(self.written) {
            let step = self.written + 1;
            let event = Event {
                wall_time: now(),
                step: step as i64,
                file_version: None,
                summary: Some(Summary { value: scalars(epoch) }),
            };
            let written = self.file.write_all(&record(&event));
            written.map_err(|source| Error::Write { path: self.path.clone(), source })?;
            self.written = step;
        }
        Ok(())
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The first event file of affekt in `folder`.
fn there(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let is_one = name.to_str().is_some_and(|name| name.starts_with(BEGINNING) && name.ends_with(END));
        found.extend(is_one.then(|| folder.join(name)));
    }
    Ok(found.into_iter().min())
}

/// Opens the file at `path` behind its last whole record, and tells the last step in it; makes it where it is missing.
fn begin(path: &Path) -> io::Result<(File, usize)> {
    let held = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let (events, whole) = events(&held);
    if whole < held.len() {
        file.set_len(whole as u64)?;
    }
    if events.is_empty() {
        let file_version = Some(VERSION.to_owned());
        file.write_all(&record(&Event { wall_time: now(), step: 0, file_version, summary: None }))?;
    }
    Ok((file, events.last().map_or(0, |event| usize::try_from(event.step).unwrap_or_default())))
}

/// The events at the beginning of `bytes` that are whole, and how many bytes they take.
fn events(bytes: &[u8]) -> (Vec<Event>, usize) {
    let (mut events, mut at) = (Vec::new(), 0);
    while let Some((event, length)) = bytes.get(at..).and_then(first) {
        events.push(event);
        at += length;
    }
    (events, at)
}

/// The first event of `bytes`, and how many bytes its record takes; `None` where it is not whole.
fn first(bytes: &[u8]) -> Option<(Event, usize)> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (checked, rest) = rest.split_first_chunk::<4>()?;
    let message = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let sum = rest[message.len()..].first_chunk::<4>()?;
    let whole = *checked == masked(length) && *sum == masked(message);
    let event = Event::decode(message).ok().filter(|_| whole)?;
    Some((event, length.len() + checked.len() + message.len() + sum.len()))
}

fn record(event: &Event) -> Vec<u8> {
    let message = event.encode_to_vec();
    let length = (message.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), &message, &masked(&message)].concat()
}

/// A checksum as records hold it: turned by 15 bits, and moved, so that that of data with checksums in it is a good one.
fn masked(data: &[u8]) -> [u8; 4] {
    CHECKSUM.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

fn scalars(epoch: &Epoch) -> Vec<Scalar> {
    let scalar = |tag: String, value: f64| Scalar { tag, simple_value: Some(value as f32) };
    let mut scalars = vec![scalar("rate".into(), epoch.rate)];
    scalars.extend(epoch.gradient_norm.map(|norm| scalar("gradient_norm".into(), norm)));
    scalars.extend(epoch.losses.iter().map(|(term, value)| scalar(format!("loss/{term}"), *value)));
    for outcome in &epoch.valid {
        let defined = outcome.metrics.entries().into_iter().filter_map(|entry| {
            let tag = format!("valid/{}/{}", outcome.flow, entry.name);
            entry.value.map(|value| scalar(tag, value))
        });
        scalars.extend(defined);
    }
    scalars
}

#[cfg(test)]
mod tests {
    use affekt_report::Metrics;
    use affekt_report::training::{Outcome, Times};

    use super::*;

    fn epochs(count: usize) -> Vec<Epoch> {
        let epoch = |number: usize| Epoch {
            phase: "all".into(),
            epoch: number,
            rate: 1e-4 * number as f64,
            losses: vec![("total".into(), 2.0 / number as f64), ("mkd1".into(), 0.0)],
            gradient_norm: None,
            valid: vec![Outcome {
                split: "valid".into(),
                flow: "complete".into(),
                // Constant predictions: no correlation.
                metrics: Metrics::of(&[0.5, 0.5], &[1.0, -1.0]).unwrap(),
            }],
            seconds: Times::default(),
        };
        (1..=count).map(epoch).collect()
    }

    /// Every record of the only file in `folder`, by hand: lengths, checksums as the format's description has them.
    fn records(folder: &Path) -> Vec<Vec<u8>> {
        let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let bytes = fs::read(&files[0]).unwrap();
        let checked = |data: &[u8], sum: &[u8]| {
            let crc = data.iter().fold(!0u32, |crc, byte| {
                (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
            });
            let mask = |crc: u32| crc.rotate_left(17).wrapping_add(0xa282_ead8);
            assert_eq!(mask(!crc).to_le_bytes(), sum);
        };
        let (mut found, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            checked(&bytes[at..at + 8], &bytes[at + 8..at + 12]);
            let message = &bytes[at + 12..at + 12 + length];
            checked(message, &bytes[at + 12 + length..at + 16 + length]);
            found.push(message.to_vec());
            at += 16 + length;
        }
        found
    }

    fn steps(folder: &Path) -> Vec<i64> {
        records(folder).iter().map(|message| Event::decode(&message[..]).unwrap().step).collect()
    }

    #[test]
    fn records_are_those_of_the_format() {
        let folder = tempfile::tempdir().unwrap();
        Board::open(folder.path()).unwrap().follow(&epochs(1)).unwrap();
        let records = records(folder.path());
        assert_eq!(records.len(), 2);
        // wall_time (field 1, 64 bits), no step 0, file_version (field 3, text of 13 bytes).
        assert_eq!((records[0][0], &records[0][9..11]), (1 << 3 | 1, &[3 << 3 | 2, 13][..]));
        assert!(records[0].ends_with(b"brain.Event:2"));
        // rate: tag (field 1, text of 4 bytes), simple_value (field 2, 32 bits).
        let rate = [&[10, 4][..], b"rate", &[2 << 3 | 5], &1e-4f32.to_le_bytes()].concat();
        assert!(records[1].windows(rate.len()).any(|bytes| bytes == rate));
    }

    #[test]
    fn every_term_and_metric_has_a_tag() {
        let epoch = &epochs(1)[0];
        let tags: Vec<String> = scalars(epoch).into_iter().map(|scalar| scalar.tag).collect();
        assert_eq!(tags[..3], ["rate", "loss/total", "loss/mkd1"]);
        assert!(tags.contains(&"valid/complete/acc2_non0".into()));
        assert!(!tags.contains(&"valid/complete/corr".into()), "an undefined metric has no value");
    }

    #[test]
    fn a_continued_run_writes_no_epoch_twice() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Board::open(folder.path()).unwrap();
        let mut board = open();
        board.follow(&epochs(1)).unwrap();
        board.follow(&epochs(2)).unwrap();
        open().follow(&epochs(2)).unwrap();
        open().follow(&epochs(4)).unwrap();
        assert_eq!(steps(folder.path()), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_record_that_was_cut_short_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        Board::open(folder.path()).unwrap().follow(&epochs(3)).unwrap();
        let path = there(folder.path()).unwrap().unwrap();
        let whole = fs::read(&path).unwrap();
        for length in [0, 5, 30, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            Board::open(folder.path()).unwrap().follow(&epochs(3)).unwrap();
            assert_eq!(steps(folder.path()), [0, 1, 2, 3], "cut to {length} bytes");
        }
    }
}
