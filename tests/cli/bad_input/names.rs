//! Odd names, rights, pipes and a reader that goes away.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use super::{ORDINARY, remade};
use crate::guarded::{affekt, guarded, judged, refused, wait, watch};

#[test]
fn names_that_shells_and_ffmpeg_read_as_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let clip = remade(folder.path(), "clip.mp4", &["-t", "0.2"]);
    let names: [&[u8]; 10] = [
        b"two words.mp4",
        b"two\nlines.mp4",
        b"-x.mp4",
        b"concat:a|b.mp4",
        b"frame%03d.mp4",
        b"[a]*?.mp4",
        b"\xff\xfe.mp4",
        "視頻.mp4".as_bytes(),
        b"no ending",
        b"lying.jpg",
    ];
    for name in names {
        let path = folder.path().join(OsStr::from_bytes(name));
        fs::copy(&clip, &path).unwrap();
        judged(&path, &[], ORDINARY);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_leading_dash_is_a_file_after_two_dashes() {
    let folder = tempfile::tempdir().unwrap();
    remade(folder.path(), "clip.mp4", &["-t", "0.2"]);
    fs::rename(folder.path().join("clip.mp4"), folder.path().join("-x.mp4")).unwrap();
    for args in [&["predict", "--json", "./-x.mp4"][..], &["predict", "--json", "--", "-x.mp4"]] {
        let mut command = affekt();
        let run = watch(command.current_dir(folder.path()).args(args));
        assert_eq!(run.ended.code, 0, "{args:?}: {}", run.ended.stderr);
    }
}

#[test]
fn links_that_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (around, lost) = (folder.path().join("loop.mp4"), folder.path().join("lost.mp4"));
    symlink(&around, &around).unwrap();
    symlink(folder.path().join("nowhere"), &lost).unwrap();
    assert_eq!(refused(&around, &[]), "unreadable");
    assert_eq!(refused(&lost, &[]), "not_found");
}

/// A user without rights, through a copy of the program that anybody may run.
#[test]
fn what_may_not_be_read() {
    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let program = root.join("affekt");
    fs::copy(assert_cmd::cargo::cargo_bin("affekt"), &program).unwrap();
    let clip = remade(root, "clip.mp4", &["-t", "0.2"]);
    let (secret, closed) = (root.join("secret.mp4"), root.join("closed"));
    fs::copy(&clip, &secret).unwrap();
    fs::create_dir(&closed).unwrap();
    let rights = [(root, 0o755), (&*program, 0o755), (&*clip, 0o644), (&*secret, 0o000), (&*closed, 0o000)];
    for (path, mode) in rights {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let mut command = std::process::Command::new(&program);
    command.current_dir("/").args(["predict", "--json"]).args([&clip, &secret, &closed]);
    if File::open(&secret).is_ok() {
        command.uid(NOBODY).gid(NOBODY).stdout(Stdio::null()).stderr(Stdio::null());
        if command.spawn().and_then(|mut child| child.wait()).is_err() {
            println!("skipped: this user may read everything, and cannot be another");
            return;
        }
    }
    let run = watch(&mut command);
    fs::set_permissions(&closed, Permissions::from_mode(0o755)).unwrap();
    let lines = run.ended.json_lines();
    assert_eq!((run.ended.code, lines.len()), (2, 3), "{}", run.ended.stdout);
    assert!(lines[0]["valence"]["without_text"].is_number());
    for (line, path) in lines[1..].iter().zip([&secret, &closed]) {
        assert_eq!(line["error"]["kind"], "unreadable", "{line}");
        assert_eq!(line["input"], path.to_str().unwrap());
    }
}

/// `affekt predict ... | head -c0`: nobody reads, and that is no failure.
#[test]
fn a_reader_that_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let clip = remade(folder.path(), "clip.mp4", &["-t", "0.2"]);
    let mut command = affekt();
    command.arg("predict").args([&clip, &clip, Path::new("absent.mp4")]).arg("--json");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(wait(&mut child, &command).0, 2);
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!(said, "");
}

/// Results that could not be written are not done.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let clip = remade(folder.path(), "clip.mp4", &["-t", "0.2"]);
    let mut command = affekt();
    command.arg("predict").arg(&clip).arg("--json");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let (code, _) = wait(&mut child, &command);
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(code == 1 && said.contains("No space left"), "{code}: {said}");
}

/// The same file twice is the user's wish.
#[test]
fn a_file_that_is_named_twice_is_judged_twice() {
    let folder = tempfile::tempdir().unwrap();
    let clip = remade(folder.path(), "clip.mp4", &["-t", "0.2"]);
    let run = guarded([OsStr::new("predict"), "--json".as_ref(), clip.as_os_str(), clip.as_os_str()]);
    assert_eq!((run.ended.code, run.ended.json_lines().len()), (0, 2));
}
