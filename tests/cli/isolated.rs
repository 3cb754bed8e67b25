//! `affekt inventory` opens media in workers: what becomes of one that is killed, and of those of a process that is.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{SAMPLE, affekt, project};
use crate::guarded;

/// A manifest of `count` recordings, links to the sample clip where the system allows that.
fn dataset(count: usize) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("0.mp4");
    fs::copy(project().join(SAMPLE), &first).unwrap();
    let mut lines = String::new();
    for clip in 0..count {
        let path = folder.path().join(format!("{clip}.mp4"));
        if clip > 0 && fs::hard_link(&first, &path).is_err() {
            fs::copy(&first, &path).unwrap();
        }
        lines +=
            &format!("{{\"id\": \"{clip}\", \"media\": \"{clip}.mp4\", \"text\": \"hello\", \"end\": 1}}\n");
    }
    let manifest = folder.path().join("clips.jsonl");
    fs::write(&manifest, lines).unwrap();
    let manifest = manifest.to_str().unwrap().to_owned();
    (folder, manifest)
}

/// An inventory that has opened some files, and its first worker.
fn started(manifest: &str) -> (Child, String) {
    let mut command = guarded::affekt();
    command.args(["inventory", "--json", "--verbose", "--dataset", manifest]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let worker = first_worker(child.id());
    let mut events = BufReader::new(child.stderr.take().unwrap());
    for _ in 0..10 {
        events.read_line(&mut String::new()).unwrap();
    }
    thread::spawn(move || io::copy(&mut events, &mut io::sink()));
    (child, worker)
}

/// Children of a process that are not dead.
fn children(of: u32) -> Vec<String> {
    let is_child = |id: &String| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields.get(1) == Some(&of.to_string().as_str()) && fields[0] != "Z"
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_child).collect()
}

/// The first child, as soon as there is one.
fn first_worker(of: u32) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match children(of).pop() {
            Some(worker) => return worker,
            None => assert!(Instant::now() < until, "no worker is started"),
        }
    }
}

fn kill(signal: &str, process: &str) {
    assert!(
        Command::new("sh").args(["-c", &format!("kill -{signal} {process}")]).status().unwrap().success()
    );
}

#[test]
fn a_killed_worker_costs_one_file() {
    let (_folder, manifest) = dataset(2000);
    let (child, worker) = started(&manifest);
    // Held until a file waits for it for certain.
    kill("STOP", &worker);
    thread::sleep(Duration::from_millis(300));
    kill("KILL", &worker);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["summary"]["probed"], 1999);
    let unreadable: Vec<&Value> = told["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|problem| problem["kind"] == "unreadable_media")
        .collect();
    assert_eq!(unreadable.len(), 1, "{unreadable:?}");
    let message = unreadable[0]["message"].as_str().unwrap();
    assert!(message.contains("the decoder died by signal 9 on this file"), "{message}");
}

#[test]
fn workers_end_with_a_process_that_is_killed() {
    let (_folder, manifest) = dataset(2000);
    let (mut child, _) = started(&manifest);
    let workers = children(child.id());
    assert!(!workers.is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let is_there = |worker: &String| {
        let line = fs::read_to_string(Path::new("/proc").join(worker).join("cmdline")).unwrap_or_default();
        line.contains("affekt")
    };
    while workers.iter().any(is_there) {
        assert!(Instant::now() < until, "workers outlive their process");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_worker_is_no_command_for_people() {
    for args in [&["--help"][..], &["man"], &["completions", "bash"]] {
        let told = affekt(args).stdout;
        let names =
            |name| told.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| word == name);
        assert!(names("inventory") && !names("worker"), "{args:?}");
    }
}

#[test]
fn a_worker_without_a_request_ends_with_its_input() {
    let mut command = guarded::affekt();
    let output = command.arg("worker").stdin(Stdio::null()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
