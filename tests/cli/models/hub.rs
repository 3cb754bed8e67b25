//! A hub on this machine that speaks as the real one does, and misbehaves on demand.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use affekt_core::Digest;

/// The commit that `main` stands for.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The entity tag of small files, which git keeps.
pub const GIT_ETAG: &str = "89abcdef0123456789abcdef0123456789abcdef";
/// Longest that a connection stays open.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the server answers requests for bytes.
#[derive(Clone)]
pub enum Mood {
    /// As asked.
    Good,
    /// Each answer breaks off after so many bytes; the last number holds on.
    Drops(Vec<usize>),
    /// Other bytes than the announced ones.
    Lies,
    /// Never resumes: sends everything, whatever is asked for, breaking off once.
    NoResume,
    /// Sends no byte and keeps the connection open.
    Hangs,
}

/// What the server has and does.
#[derive(Clone)]
pub struct State {
    /// The large file, announced with its SHA-256 behind a redirect.
    pub large: Vec<u8>,
    /// The small file.
    pub small: Vec<u8>,
    /// The commit that answers name.
    pub commit: String,
    /// In place of the entity tag.
    pub etag: Option<String>,
    /// In place of the answer to what a file is.
    pub status: Option<u16>,
    /// How bytes are sent.
    pub mood: Mood,
    /// Every request: path, range, authorization.
    pub log: Vec<(String, String, String)>,
}

/// The server; it ends with the test.
pub struct FakeHub {
    /// Its address.
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

impl FakeHub {
    pub fn new() -> Self {
        let large: Vec<u8> =
            (0..700_000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let state = State {
            large,
            small: b"{\"width\": 4}\n".to_vec(),
            commit: COMMIT.into(),
            etag: None,
            status: None,
            mood: Mood::Good,
            log: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (shared, address) = (Arc::clone(&state), endpoint.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, address) = (Arc::clone(&shared), address.clone());
                std::thread::spawn(move || answer(&stream.unwrap(), &state, &address));
            }
        });
        Self { endpoint, state }
    }

    /// Changes what it has or does.
    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    pub fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    /// SHA-256 of the large file.
    pub fn sha256(&self) -> String {
        Digest::of(&self.state().large).to_string()
    }

    /// Where the ranges of requests for the large file's bytes started, without those that only ask what it is.
    pub fn starts(&self) -> Vec<usize> {
        let log = self.state().log;
        let ranges = log.iter().filter(|(path, ..)| path.starts_with("/cdn/")).map(|(_, range, _)| range);
        let starts = ranges.filter_map(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        starts.collect()
    }
}

fn answer(stream: &TcpStream, state: &Mutex<State>, address: &str) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(path) = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)) else { return };
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        let found = headers.iter().filter_map(|line| line.split_once(": "));
        let found = found.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or(String::new(), |(_, value)| value.to_owned())
    };
    let (range, authorization) = (header("range"), header("authorization"));
    let now = {
        let mut state = state.lock().unwrap();
        state.log.push((path.clone(), range.clone(), authorization));
        state.clone()
    };
    let is_small = path.ends_with("config.json");
    let etag = now
        .etag
        .clone()
        .unwrap_or_else(|| if is_small { GIT_ETAG.into() } else { Digest::of(&now.large).to_string() });
    let about = format!("X-Repo-Commit: {}\r\nX-Linked-ETag: \"{etag}\"\r\nETag: \"{etag}\"\r\n", now.commit);
    if let Some(status) = now.status {
        return send(stream, &format!("{status} Refused"), "", b"no");
    }
    if path.starts_with("/cdn/") {
        return bytes(stream, state, &now.large, &range, &about);
    }
    match path.split("/resolve/").nth(1) {
        Some(_) if is_small => bytes(stream, state, &now.small, &range, &about),
        Some(_) => send(stream, "302 Found", &format!("{about}Location: {address}/cdn/large\r\n"), b""),
        None => send(stream, "404 Not Found", "", b"no"),
    }
}

fn bytes(stream: &TcpStream, state: &Mutex<State>, all: &[u8], range: &str, about: &str) {
    let (from, to) =
        range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap();
    let to = to.parse().map_or(all.len(), |last: usize| last + 1);
    if from >= all.len() {
        return send(stream, "416 Range Not Satisfiable", "", b"");
    }
    let asked_only = to == 1;
    let mood = if asked_only { Mood::Good } else { state.lock().unwrap().mood.clone() };
    let mut part = all[from..to].to_vec();
    let partial = format!("{about}Content-Range: bytes {from}-{}/{}\r\n", to - 1, all.len());
    match mood {
        Mood::Good => send(stream, "206 Partial Content", &partial, &part),
        Mood::Lies => {
            part.iter_mut().for_each(|byte| *byte ^= 1);
            send(stream, "206 Partial Content", &partial, &part);
        }
        Mood::Drops(mut after) => {
            let now = after[0];
            if after.len() > 1 {
                after.remove(0);
                state.lock().unwrap().mood = Mood::Drops(after);
            }
            break_off(stream, "206 Partial Content", &partial, &part, now);
        }
        Mood::NoResume => {
            if from == 0 {
                break_off(stream, "206 Partial Content", &partial, &part, 1000);
            } else {
                send(stream, "200 OK", about, all);
            }
        }
        Mood::Hangs => {
            break_off(stream, "206 Partial Content", &partial, &part, 0);
            std::thread::sleep(PAUSE_OF_A_HANG);
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Longer than the command's patience in the test that hangs.
const PAUSE_OF_A_HANG: Duration = Duration::from_secs(5);

fn send(stream: &TcpStream, status: &str, headers: &str, body: &[u8]) {
    break_off(stream, status, headers, body, body.len());
}

/// Announces the whole body and sends its first bytes. The client may be gone by then.
fn break_off(mut stream: &TcpStream, status: &str, headers: &str, body: &[u8], after: usize) {
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[..after.min(body.len())]));
    let _ = stream.flush();
}
