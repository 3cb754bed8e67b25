//! MOSEI's folders.

use std::fs;
use std::path::Path;

use super::super::inventory::{Durations, take};
use super::super::{Kind, Manifest, Source, Split};
use super::kinds;

const VIDEOS: &str = "Videos/Full/Combined";
const TRANSCRIPTS: &str = "Transcript/Segmented/Combined";

/// A tree of empty media files and the transcripts given.
fn tree(videos: &[&str], transcripts: &[(&str, &[u8])]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for folder in [VIDEOS, TRANSCRIPTS] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    for video in videos {
        fs::write(root.path().join(VIDEOS).join(video), b"").unwrap();
    }
    for (name, text) in transcripts {
        fs::write(root.path().join(TRANSCRIPTS).join(name), text).unwrap();
    }
    root
}

fn read(root: &Path, labels: Option<&Path>) -> Manifest {
    Manifest::read(&Source { dataset: "mosei", root: Some(root), labels }).unwrap()
}

#[test]
fn clips_come_in_order_with_their_official_split() {
    let first = "-3g5yACwYnA___10___5.0___9.5___more of it\r\n-3g5yACwYnA___2___0.5___5.5___well___then\r\n";
    let tree = tree(
        &["-3g5yACwYnA.mp4", "--qXJuDtHPw.mp4", ".DS_Store"],
        &[
            ("-3g5yACwYnA.txt", first.as_bytes()),
            ("--qXJuDtHPw.txt", b"--qXJuDtHPw___5___23.2___30.3___hello"),
        ],
    );
    let manifest = read(tree.path(), None);
    assert_eq!(manifest.problems, []);
    let ids: Vec<&str> = manifest.rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["--qXJuDtHPw_5", "-3g5yACwYnA_2", "-3g5yACwYnA_10"]);
    let [hello, well, _] = &manifest.rows[..] else { panic!("{manifest:?}") };
    assert_eq!(well.media, tree.path().join(VIDEOS).join("-3g5yACwYnA.mp4"));
    assert_eq!((well.text.as_deref(), well.split), (Some("well___then"), Some(Split::Train)));
    assert_eq!((hello.video.as_str(), hello.split), ("--qXJuDtHPw", Some(Split::Valid)));
    let inventory = take(&manifest, &Durations::new());
    assert_eq!(kinds(&inventory.problems), [Kind::Overlap]);
    assert_eq!(inventory.summary.splits.keys().copied().collect::<Vec<_>>(), ["train", "valid"]);
    assert_eq!((inventory.summary.errors, inventory.summary.warnings), (0, 1));
}

#[test]
fn a_line_that_is_wrong_is_a_problem_with_its_number() {
    let cases: [(&[u8], Kind, &str); 9] = [
        (b"v___1___x___2.0___hi", Kind::BadNumber, "start \"x\""),
        (b"v___1___1.0___nan___hi", Kind::BadNumber, "end \"nan\""),
        (b"v___1___3.0___2.0___hi", Kind::BadSpan, "3 to 2"),
        (b"v___1___2.0___2.0___hi", Kind::BadSpan, "2 to 2"),
        (b"v___0___2.0___3.0___hi", Kind::DuplicateId, "line 1"),
        (b"v___1___2.0___3.0___ ", Kind::EmptyText, "no words"),
        (b"v___../x___2.0___3.0___hi", Kind::BadId, "path separator"),
        (b"w___1___2.0___3.0___hi", Kind::BadLine, "\"w\""),
        (b"v___1___2.0", Kind::BadLine, "ID___CLIP"),
    ];
    for (line, kind, part) in cases {
        let text = [b"v___0___0.0___1.0___good\n", line].concat();
        let tree = tree(&["v.mp4"], &[("v.txt", &text)]);
        let manifest = read(tree.path(), None);
        assert_eq!(kinds(&manifest.problems), [kind], "{manifest:?}");
        let told = manifest.problems[0].to_string();
        assert!(told.contains("v.txt: line 2: ") && told.contains(part), "{told}");
    }
}

#[test]
fn transcripts_that_cannot_be_read_are_named_and_nothing_is_begun() {
    let tree = tree(
        &["a.mp4", "b.mp4", "c.mp4"],
        &[("a.txt", b"a___0___0.0___1.0___caf\xe9"), ("b.txt", b" \n"), ("c.txt", b"c___0___0.0___1.0___hi")],
    );
    let manifest = read(tree.path(), None);
    assert_eq!(kinds(&manifest.problems), [Kind::UnreadableTranscript, Kind::EmptyText]);
    assert!(manifest.problems[0].message.contains("line 1"), "{}", manifest.problems[0]);
    assert_eq!(manifest.rows.len(), 1);
    let refused = manifest.sound().unwrap_err().to_string();
    assert!(refused.contains("a.txt: line 1 is not UTF-8"), "{refused}");
}

#[test]
#[cfg(unix)]
fn transcripts_that_are_no_files_are_not_overlooked() {
    let tree = tree(&["a.mp4", "b.mp4"], &[("a.txt", b"a___0___0.0___1.0___hi\n")]);
    let odd = tree.path().join(TRANSCRIPTS).join("b.txt");
    let told = || {
        let problems = read(tree.path(), None).problems;
        assert_eq!(kinds(&problems), [Kind::UnreadableTranscript], "{problems:?}");
        problems[0].to_string()
    };
    assert!(std::process::Command::new("mkfifo").arg(&odd).status().unwrap().success());
    assert!(told().contains("b.txt: it is a pipe or a device"));
    fs::remove_file(&odd).unwrap();
    std::os::unix::fs::symlink("nowhere", &odd).unwrap();
    assert!(told().contains("b.txt: there is no such file"));
}

/// Who extracts hears of it too: recordings whose clips nobody knows are left out.
#[test]
fn recordings_without_transcript_are_told_but_refuse_nothing() {
    let tree = tree(&["a.mp4", "b.mp4"], &[("a.txt", b"a___0___0.0___1.0___hi\n")]);
    let labels = tree.path().join("labels.csv");
    fs::write(&labels, "id,label\na_0,0\nb_0,1\nc_0,1\n").unwrap();
    for (labels, expected) in [
        (None, vec![Kind::MissingTranscript]),
        (Some(labels.as_path()), vec![Kind::MissingTranscript, Kind::MissingMedia]),
    ] {
        let manifest = read(tree.path(), labels);
        assert_eq!(kinds(&manifest.problems), expected);
        assert!(manifest.problems[0].to_string().contains("b.mp4: it has no transcript"));
        assert_eq!(manifest.sound().unwrap().rows.len(), 1);
    }
}

#[test]
fn what_stands_alone_is_told_once() {
    let line =
        |video: &str| format!("{video}___0___0.0___1.0___hi\n{video}___1___1.0___2.0___ho\n").into_bytes();
    let (whole, unheard, unseen) = (line("whole"), line("unseen"), line("unknown"));
    let transcripts: [(&str, &[u8]); 4] =
        [("whole.txt", &whole), ("unseen.txt", &unheard), ("unknown.txt", &unseen), ("notes.md", b"")];
    let tree = tree(&["whole.mp4", "silent.mp4", "extra.mp4", "other.mkv"], &transcripts);
    let of = |labels: Option<&Path>| {
        let inventory = take(&read(tree.path(), labels), &Durations::new());
        let told = inventory.problems.iter().map(|problem| {
            let file = problem.file.as_ref().unwrap().file_name().unwrap().to_string_lossy().into_owned();
            (problem.kind, file)
        });
        told.collect::<Vec<_>>()
    };
    let named =
        |list: &[(Kind, &str)]| list.iter().map(|&(kind, file)| (kind, file.into())).collect::<Vec<_>>();
    let without_labels = [
        (Kind::MissingMedia, "unknown.mp4"),
        (Kind::MissingMedia, "unseen.mp4"),
        (Kind::MissingTranscript, "extra.mp4"),
        (Kind::MissingTranscript, "silent.mp4"),
        (Kind::ExtraMedia, "other.mkv"),
        (Kind::ExtraTranscript, "notes.md"),
    ];
    assert_eq!(of(None), named(&without_labels));
    let labels = tree.path().join("labels.csv");
    let rows =
        "whole_0,0\nwhole_7,0\nunseen_0,0\nunseen_1,1\nsilent_0,0\nsilent_1,0\nnowhere_0,0\nnowhere_1,2\n";
    fs::write(&labels, format!("id,label\n{rows}")).unwrap();
    let with_labels = [
        (Kind::MissingMedia, "nowhere.mp4"),
        (Kind::MissingMedia, "unseen.mp4"),
        (Kind::MissingTranscript, "silent.mp4"),
        (Kind::MissingLabel, "unknown.mp4"),
        (Kind::MissingLabel, "unknown.mp4"),
        (Kind::MissingLabel, "whole.mp4"),
        (Kind::ExtraMedia, "extra.mp4"),
        (Kind::ExtraMedia, "other.mkv"),
        (Kind::ExtraTranscript, "notes.md"),
        (Kind::ExtraTranscript, "unknown.txt"),
        (Kind::ExtraLabel, "labels.csv"),
    ];
    assert_eq!(of(Some(&labels)), named(&with_labels));
}
