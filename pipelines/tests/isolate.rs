//! Workers that really die, hang and answer nonsense cost the file at hand, and nothing else.
#![cfg(all(target_os = "linux", feature = "media"))]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::collections::BTreeSet;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use affekt_core::{ErrorKind, Explain as _, Seconds, Span};
use affekt_pipelines::cut::{Cost, Cutting, Detector, Found, Order, Part, Sign};
use affekt_pipelines::isolate::{
    Answer, Bulk, End, Error, Head, Pool, Program, Request, Settings, Speaker, Work, serve,
};
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
    let mut work = Work::default();
    serve(io::stdin(), pipe(), |request, speaker| {
        let misbehaved = match request {
            Request::Probe { path } => behave(path.to_str().unwrap(), pipe()),
            Request::Cut(order) => misbehave(order, &mut work, speaker, pipe()),
        };
        misbehaved.unwrap_or_else(|| work.answer(request, speaker))
    })
    .unwrap();
}

/// Cuts the first clip, and then does what the name of the file says; `None` to cut them all as the real worker does.
fn misbehave(order: &Order, work: &mut Work, speaker: &mut Speaker<'_>, pipe: File) -> Option<Answer> {
    let name = order.media.file_stem()?.to_str()?.to_owned();
    if name == "good" {
        return None;
    }
    let first = Order { spans: vec![order.spans[0]], ..order.clone() };
    let over = work.answer(&Request::Cut(first), speaker);
    let head = |index| {
        let bits = |index: usize| {
            let Span { start, end } = order.spans[index.min(2)];
            (start.0.to_bits(), end.map(|end| end.0.to_bits()))
        };
        let (sound, picture) = (Part::Absent("none".into()), Part::Absent("none".into()));
        Head { index, span: bits(index), sound, picture, warnings: Vec::new() }
    };
    let clip = match name.as_str() {
        "alive" => {
            // Longer than any of its silences may be.
            for frames in 0..4 {
                thread::sleep(Duration::from_millis(700));
                let _ = speaker.say(&Answer::Advanced { frames }, &Bulk::default());
            }
            return Some(over);
        }
        "missing" => return Some(over),
        "again" => head(0),
        "foreign" => head(7),
        "other" => Head { span: head(2).span, ..head(1) },
        "unasked" => Head { sound: Part::Unasked, ..head(1) },
        "huge" => Head { sound: Part::There(1 << 40), ..head(1) },
        "torn" => Head { sound: Part::There(1 << 20), ..head(1) },
        "reopened" => {
            let _ = speaker.say(&Answer::Opened { digest: "0".repeat(64) }, &Bulk::default());
            return Some(over);
        }
        other => {
            behave(other, pipe);
            return Some(over);
        }
    };
    let _ = speaker.say(&Answer::Clip(clip), &Bulk::default());
    if name == "torn" {
        std::process::abort();
    }
    Some(over)
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

/// Three clips of a recording whose name tells a worker how to behave.
fn order(folder: &Path, name: &str) -> Order {
    let media = folder.join(format!("{name}.mp4"));
    if !media.exists() {
        Clip::new(3.0).write(folder, &format!("{name}.mp4"));
    }
    let span = |start, end| Span::new(Some(start), Some(end)).unwrap();
    let spans = vec![span(0.5, 1.0), span(0.9, 2.1), span(2.0, 2.9)];
    let faces = Some(Detector::RustFace);
    Order { media, spans, unwanted: BTreeSet::new(), sound: true, faces, decoder: affekt_media::Decoder::Cpu }
}

/// What was found of an order, and how it ended.
fn cut(pool: &Pool, order: &Order) -> (Vec<Found>, Result<Cost, Error>) {
    let mut found = Vec::new();
    let ended = pool.cut(order, |next| {
        if let Sign::Found(next) = next {
            found.push(next);
        }
        ControlFlow::Continue(())
    });
    (found, ended)
}

#[test]
fn a_worker_cuts_as_this_process_does() {
    let folder = tempdir().unwrap();
    let order = order(folder.path(), "good");
    let mut here = Vec::new();
    let cost = Cutting::with_threads(1).cut(&order, &mut |sign| {
        if let Sign::Found(found) = sign {
            here.push(found);
        }
        ControlFlow::Continue(())
    });
    let pool = pool(1);
    let (there, ended) = cut(&pool, &order);
    assert_eq!(there.len(), 4);
    assert!(there == here);
    let ended = ended.unwrap();
    assert_eq!(ended.frames, cost.unwrap().frames);
    assert!(ended.decode.0 > 0.0 && ended.faces.0 > 0.0, "{ended:?}");
}

#[test]
fn a_worker_that_dies_in_the_middle_costs_the_rest_only() {
    let folder = tempdir().unwrap();
    let good = order(folder.path(), "good");
    let pool = pool(1);
    for (name, end) in [
        ("abort", "the decoder died by signal 6 on this file"),
        ("segv", "the decoder died by signal 11 on this file"),
        ("cut", "the decoder died by signal 9 on this file"),
        ("exit", "the decoder ended with exit code 7 on this file"),
        ("memory", "the decoder died by signal 6 on this file: memory allocation of 1073741824 bytes failed"),
        ("garbage", "the decoder answered nonsense on this file: a message of 555819297 bytes"),
        ("missing", "the decoder answered nonsense on this file: 2 clips are missing"),
        ("again", "the decoder answered nonsense on this file: clip 0 again"),
        ("foreign", "the decoder answered nonsense on this file: clip 7, which was not asked for"),
        ("other", "the decoder answered nonsense on this file: clip 1 of another span"),
        ("unasked", "the decoder answered nonsense on this file: clip 1 of other streams"),
        ("huge", "the decoder answered nonsense on this file: a clip of 1099511627776 samples and 0 frames"),
        ("torn", "the decoder died by signal 6 on this file"),
        ("reopened", "the decoder answered nonsense on this file: it opens the file again"),
    ] {
        let order = order(folder.path(), name);
        let (found, ended) = cut(&pool, &order);
        assert!(
            matches!(&found[..], [Found::Opened { .. }, Found::Clip(Ok(clip))] if clip.index == 0),
            "{name}"
        );
        let error = ended.unwrap_err();
        assert_eq!(error.to_string(), format!("{}: {end}", order.media.display()));
        assert_eq!(error.kind(), ErrorKind::NotMedia);
        let (found, ended) = cut(&pool, &good);
        assert_eq!((found.len(), ended.is_ok()), (4, true), "after {name}");
    }
}

#[test]
fn silence_is_limited_and_signs_of_life_end_it() {
    let folder = tempdir().unwrap();
    let limit = Duration::from_secs(2);
    let pool = Pool::start(program(), Settings { workers: 1, limit, memory: None }).unwrap();
    let (found, ended) = cut(&pool, &order(folder.path(), "hang"));
    assert_eq!(found.len(), 2);
    assert!(
        ended.unwrap_err().to_string().ends_with("hang.mp4: the decoder took longer than 2s on this file")
    );
    // Nearly three seconds, none of them silent to the end.
    let (found, ended) = cut(&pool, &order(folder.path(), "alive"));
    assert_eq!(found.len(), 2);
    assert!(ended.unwrap_err().to_string().ends_with("2 clips are missing"));
    // Whoever takes a clip may take his time.
    let mut taken = 0;
    let ended = pool.cut(&order(folder.path(), "good"), |sign| {
        taken += u32::from(matches!(sign, Sign::Found(_)));
        thread::sleep(Duration::from_millis(2_200) * u32::from(taken == 2));
        ControlFlow::Continue(())
    });
    assert!(ended.is_ok() && taken == 4);
}

#[test]
fn breaking_off_ends_the_work_at_once() {
    let folder = tempdir().unwrap();
    let pool = pool(1);
    let process = process(&pool);
    let start = Instant::now();
    let mut taken = 0;
    let ended = pool.cut(&order(folder.path(), "hang"), |sign| {
        taken += u32::from(matches!(sign, Sign::Found(_)));
        if matches!(sign, Sign::Found(Found::Clip(_))) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(ended.is_ok() && taken == 2);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(is_gone(process));
    assert!(cut(&pool, &order(folder.path(), "good")).1.is_ok());
}

#[test]
fn errors_of_an_order_are_those_of_the_decoder() {
    let folder = tempdir().unwrap();
    let good = order(folder.path(), "good");
    let text = folder.path().join("good.txt");
    std::fs::write(&text, "no video").unwrap();
    let pool = pool(1);
    for media in [text, folder.path().to_path_buf(), folder.path().join("absent/good.mp4")] {
        let here = affekt_media::probe(&media).unwrap_err();
        let (_, ended) = cut(&pool, &Order { media, ..good.clone() });
        let there = ended.unwrap_err();
        assert_eq!(there.to_string(), here.to_string());
        assert_eq!((there.kind(), there.hint()), (here.kind(), here.hint()));
    }
}

/// More bytes than a pipe holds, both ways.
#[test]
fn orders_of_thousands_of_clips_are_taken() {
    let folder = tempdir().unwrap();
    let media = Clip::new(6.0).write(folder.path(), "good.mp4");
    let span = |n: u32| {
        let start = 2.0 + f64::from(n % 300) / 100.0;
        Span::new(Some(start), Some(start + 0.1)).unwrap()
    };
    let order = Order {
        media,
        spans: (0..2_000).map(span).collect(),
        unwanted: BTreeSet::new(),
        sound: true,
        faces: None,
        decoder: affekt_media::Decoder::Cpu,
    };
    let (found, ended) = cut(&pool(1), &order);
    assert_eq!((found.len(), ended.is_ok()), (2_001, true));
}
