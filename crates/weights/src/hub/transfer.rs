//! One file over HTTP: goes on where an earlier attempt stopped.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

/// Attempts without a further byte before giving up.
const IDLE_ATTEMPTS: u32 = 4;
/// Attempts at all.
const MOST_ATTEMPTS: u32 = 1000;
/// The pause before the second attempt; it doubles with each that brought nothing.
const PAUSE: Duration = Duration::from_millis(200);

/// What is fetched.
pub(super) struct Source<'s> {
    pub agent: &'s Agent,
    pub url: &'s str,
    pub token: Option<&'s str>,
    /// Bytes that the hub announced.
    pub size: u64,
}

/// Why a transfer did not end well.
pub(super) enum Failure {
    /// The server's word; asking again would not help.
    Status(u16),
    /// It broke off again and again.
    Dropped { got: u64, attempts: u32, reason: String },
    /// The file on this side.
    Disk(std::io::Error),
}

/// Why one attempt did not.
enum Stop {
    Final(Failure),
    Again(String),
}

/// Fills the file `part` until it has the announced size, as often as it takes. `progress` hears how much is there.
pub(super) fn fetch(source: &Source, part: &Path, progress: &dyn Fn(u64)) -> Result<(), Failure> {
    let (mut idle, mut attempts) = (0, 0);
    loop {
        let before = length(part)?;
        if before == source.size && part.exists() {
            return Ok(());
        }
        let reason = match attempt(source, part, progress) {
            Ok(()) => continue,
            Err(Stop::Final(failure)) => return Err(failure),
            Err(Stop::Again(reason)) => reason,
        };
        let got = length(part)?;
        attempts += 1;
        idle = if got > before { 0 } else { idle + 1 };
        if idle == IDLE_ATTEMPTS || attempts == MOST_ATTEMPTS {
            return Err(Failure::Dropped { got, attempts: idle.max(1), reason });
        }
        std::thread::sleep(PAUSE * 2u32.pow(idle));
    }
}

fn length(part: &Path) -> Result<u64, Failure> {
    match std::fs::metadata(part) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Failure::Disk(error)),
    }
}

fn attempt(source: &Source, part: &Path, progress: &dyn Fn(u64)) -> Result<(), Stop> {
    let disk = |error| Stop::Final(Failure::Disk(error));
    let mut file = OpenOptions::new().append(true).create(true).open(part).map_err(disk)?;
    let mut have = file.metadata().map_err(disk)?.len();
    if have > source.size {
        // Left by something else than this transfer.
        file.set_len(0).map_err(disk)?;
        have = 0;
    }
    if source.size == 0 {
        return Ok(());
    }
    let response = ask(source, have)?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT if starts_at(&response, have) => {}
        // A server that does not resume sends all of it.
        StatusCode::OK => {
            file.set_len(0).map_err(disk)?;
            have = 0;
        }
        other => return Err(Stop::Again(format!("HTTP {other} with another range than the one asked for"))),
    }
    let result = copy(response, &mut file, have, source.size, progress);
    file.sync_data().map_err(disk)?;
    result
}

fn ask(source: &Source, have: u64) -> Result<Response<Body>, Stop> {
    let mut request = source.agent.get(source.url);
    request = request.header(header::RANGE, format!("bytes={have}-"));
    // Compressed bytes could not be counted.
    request = request.header(header::ACCEPT_ENCODING, "identity");
    if let Some(token) = source.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.call().map_err(|error| match error {
        ureq::Error::StatusCode(status @ (408 | 429 | 500..)) => Stop::Again(format!("HTTP {status}")),
        ureq::Error::StatusCode(status) => Stop::Final(Failure::Status(status)),
        error => Stop::Again(error.to_string()),
    })
}

/// Whether the answer is the part of the file from `have` on.
fn starts_at(response: &Response<Body>, have: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")).and_then(|range| range.split_once('-'));
    start.is_some_and(|(start, _)| start.trim().parse() == Ok(have))
}

fn copy(
    response: Response<Body>,
    file: &mut File,
    mut have: u64,
    size: u64,
    progress: &dyn Fn(u64),
) -> Result<(), Stop> {
    let mut body = response.into_body().into_reader();
    let mut block = vec![0; 1 << 16];
    loop {
        let read = match body.read(&mut block) {
            Ok(0) if have == size => return Ok(()),
            Ok(0) => return Err(Stop::Again("the server ended too early".into())),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::Again(error.to_string())),
        };
        if have + read as u64 > size {
            file.set_len(0).map_err(|error| Stop::Final(Failure::Disk(error)))?;
            return Err(Stop::Again(format!("the server sent more than the {size} bytes that it announced")));
        }
        file.write_all(&block[..read]).map_err(|error| Stop::Final(Failure::Disk(error)))?;
        have += read as u64;
        progress(have);
    }
}
