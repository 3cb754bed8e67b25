//! Workers that really die, hang and answer nonsense cost the file at hand, and nothing else.
#![cfg(all(target_os = "linux", feature = "media"))]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use affekt_core::{ErrorKind, Explain as _, Seconds};
use affekt_pipelines::isolate::{Answer, End, Error, Pool, Program, Request, Settings, answer, serve};
use affekt_testkit::clips::Clip;
use rustix::process::{Pid, Signal, getpgid, getpgrp, getpid, kill_process};
use tempfile::tempdir;

/// Tells this program that it is a worker: it answers on this pipe, since the test harness writes to stdout.
const PIPE: &str = "AFFEKT_TEST_WORKER_PIPE";

/// This program again, as a worker that does what the name of a file says.
fn program() -> Program {
    let harness = std::env::current_exe().unwrap();
    let start = format!("{PIPE}=/dev/fd/3 exec \"$0\" worker --exact --nocapture 3>&1 >/dev/null");
    let arguments = ["-c".into(), start.into(), harness.into()];
    Program { path: "/bin/sh".into(), arguments: arguments.into() }
}

fn pool(workers: usize) -> Pool {
    Pool::start(program(), Settings { workers, memory: Some(256 << 20), ..Settings::default() }).unwrap()
}

/// Run by the pools of the other tests.
#[test]
fn worker() {
    let Some(pipe) = std::env::var_os(PIPE) else { return };
    let pipe = || OpenOptions::new().write(true).open(&pipe).unwrap();
    serve(io::stdin(), pipe(), |request| {
        let Request::Probe { path } = request;
        behave(path.to_str().unwrap(), pipe()).unwrap_or_else(|| answer(request))
    })
    .unwrap();
}

/// `None` to answer as the real worker does.
fn behave(name: &str, mut pipe: File) -> Option<Answer> {
    match name {
        "abort" => std::process::abort(),
        "panic" => panic!("a bad picture"),
        "exit" => std::process::exit(7),
        "hang" => thread::sleep(Duration::from_secs(60)),
        // Rust catches the first, to tell of a full stack.
        "segv" => loop {
            kill_process(getpid(), Signal::SEGV).unwrap();
        },
        "memory" => drop(std::hint::black_box(vec![1_u8; 1 << 30])),
        "garbage" => pipe.write_all(&[b'!'; 100]).unwrap(),
        "cut" => {
            pipe.write_all(&[9, 0, 0, 0, b'[']).unwrap();
            kill_process(getpid(), Signal::KILL).unwrap();
        }
        "twice" => pipe.write_all(b"\x1b\0\0\0[1,{\"duration\":{\"bits\":0}}]").unwrap(),
        "pid" => return Some(Answer::Duration { bits: Some(u64::from(std::process::id())) }),
        _ => return None,
    }
    Some(Answer::Duration { bits: None })
}

fn message(pool: &Pool, name: &str) -> String {
    let error = pool.probe(Path::new(name)).unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::NotMedia);
    assert!(error.hint().is_some());
    error.to_string()
}

/// The process that would answer next, of a pool of one.
fn process(pool: &Pool) -> Pid {
    let bits = pool.probe(Path::new("pid")).unwrap().unwrap().0.to_bits();
    Pid::from_raw(i32::try_from(bits).unwrap()).unwrap()
}

fn is_gone(process: Pid) -> bool {
    let until = Instant::now() + Duration::from_secs(10);
    while Path::new(&format!("/proc/{}", process.as_raw_pid())).exists() {
        if Instant::now() > until {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

#[test]
fn a_worker_that_dies_costs_its_file_only() {
    let folder = tempdir().unwrap();
    let sound = Clip::new(0.4).write(folder.path(), "sound.mp4");
    let expected = affekt_media::probe(&sound).unwrap().duration;
    let pool = pool(1);
    for (name, expected_message) in [
        ("abort", "abort: the decoder died by signal 6 on this file"),
        ("segv", "segv: the decoder died by signal 11 on this file"),
        ("exit", "exit: the decoder ended with exit code 7 on this file"),
        ("cut", "cut: the decoder died by signal 9 on this file"),
    ] {
        assert_eq!(message(&pool, name), expected_message);
        assert_eq!(pool.probe(&sound).unwrap(), expected, "after {name}");
    }
}

/// The headers of damaged recordings: within the limits, by an answer.
#[test]
fn damaged_media_cost_no_worker() {
    let folder = tempdir().unwrap();
    let clip = |name: &str| std::fs::read(Clip::new(0.2).write(folder.path(), name)).unwrap();
    let corpus = ["a.mp4", "a.mkv", "a.ts"].map(clip);
    let path = folder.path().join("damaged.mp4");
    let pool = Pool::start(program(), Settings { workers: 1, ..Settings::default() }).unwrap();
    let process = process(&pool);
    let mut cases = 0;
    affekt_testkit::fuzz::damaged(&corpus, |bytes| {
        cases += 1;
        std::fs::write(&path, bytes).unwrap();
        let probed = pool.probe(&path);
        assert!(matches!(probed, Ok(_) | Err(Error::Failed { .. })), "{probed:?}");
    });
    println!("{cases} damaged files");
    assert_eq!(self::process(&pool), process, "it is the same worker still");
}

#[test]
fn what_a_dying_worker_said_is_told() {
    let pool = pool(1);
    let told = message(&pool, "memory");
    assert_eq!(
        told,
        "memory: the decoder died by signal 6 on this file: memory allocation of 1073741824 bytes failed"
    );
    let told = message(&pool, "panic");
    assert!(told.starts_with("panic: the decoder ended with exit code 101 on this file: "), "{told}");
}

#[test]
fn a_worker_that_hangs_is_killed_in_time() {
    let limit = Duration::from_secs(2);
    let pool = Pool::start(program(), Settings { workers: 1, limit, memory: None }).unwrap();
    let process = process(&pool);
    let start = Instant::now();
    assert_eq!(message(&pool, "hang"), "hang: the decoder took longer than 2s on this file");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(is_gone(process));
    assert_eq!(pool.probe(Path::new("absent.mp4")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn nonsense_is_no_answer() {
    let pool = pool(1);
    let told = message(&pool, "garbage");
    assert!(told.contains("answered nonsense on this file: a message of 555819297 bytes"), "{told}");
    // Two answers to one request: the second must not be taken for that of the next file.
    assert_eq!(pool.probe(Path::new("twice")).unwrap(), Some(Seconds(0.0)));
    let told = message(&pool, "absent.mp4");
    assert!(told.ends_with("answered nonsense on this file: an answer to request 1 of 2"), "{told}");
    assert_eq!(pool.probe(Path::new("absent.mp4")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn errors_of_a_worker_are_those_of_the_decoder() {
    let folder = tempdir().unwrap();
    let text = folder.path().join("text.mp4");
    std::fs::write(&text, "no video").unwrap();
    let pool = pool(1);
    for path in [&text, folder.path(), &folder.path().join("absent.mp4")] {
        let (here, there) = (affekt_media::probe(path).unwrap_err(), pool.probe(path).unwrap_err());
        assert_eq!(there.to_string(), here.to_string());
        assert_eq!((there.kind(), there.hint()), (here.kind(), here.hint()));
    }
}

#[test]
fn a_worker_that_was_killed_while_idle_costs_nothing() {
    let pool = pool(1);
    let process = process(&pool);
    kill_process(process, Signal::KILL).unwrap();
    thread::sleep(Duration::from_millis(200));
    assert_ne!(self::process(&pool), process);
}

#[test]
fn many_threads_share_the_workers() {
    let pool = pool(2);
    let lost =
        |name: &str| matches!(pool.probe(Path::new(name)), Err(Error::Lost { end: End::Died { .. }, .. }));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..4 {
                    assert!(lost("segv"));
                    assert!(pool.probe(Path::new("pid")).unwrap().is_some());
                }
            });
        }
    });
}

#[test]
fn an_interrupt_from_the_terminal_does_not_reach_workers() {
    let pool = pool(1);
    let process = process(&pool);
    assert_ne!(getpgid(Some(process)).unwrap(), getpgrp());
}

#[test]
fn workers_end_with_the_pool() {
    let pool = pool(1);
    let process = process(&pool);
    drop(pool);
    assert!(is_gone(process));
}

/// As when the process that asks is killed: its end of the pipe is closed.
#[test]
fn a_worker_ends_with_its_input_even_while_it_hangs() {
    let Program { path, arguments } = program();
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let json = br#"[1,{"probe":{"path":{"Unix":[104,97,110,103]}}}]"#;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&(json.len() as u32).to_le_bytes()).unwrap();
    stdin.write_all(json).unwrap();
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it has the pipe still");
    let start = Instant::now();
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn programs_that_are_no_workers_are_refused_at_once() {
    for (path, arguments, part) in [
        ("absent-program", vec![], "No such file"),
        (
            "/bin/sh",
            vec!["-c", "echo cannot load a library >&2; exit 3"],
            "it ended with exit code 3: cannot load",
        ),
        ("/bin/sh", vec!["-c", "echo hello there; sleep 9"], "it speaks another language"),
    ] {
        let arguments = arguments.into_iter().map(Into::into).collect();
        let error = Pool::start(Program { path: path.into(), arguments }, Settings::default()).unwrap_err();
        assert!(matches!(error, Error::NotStarted { .. }), "{error:?}");
        assert!(error.to_string().contains(part) && error.hint().is_some(), "{error}");
    }
}
