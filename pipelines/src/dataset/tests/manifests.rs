use std::fs;
use std::path::Path;

use affekt_core::{ErrorKind, Explain, Seconds, Span};

use super::super::{Error, Kind, Labels, Manifest, Source, Split, jsonl};
use super::{kinds, manifest};

#[test]
fn a_line_may_have_everything_or_an_id_and_media() {
    let text = "\n{\"id\": \"a_0\", \"media\": \"x/a.mp4\", \"start\": 1.5, \"end\": 3, \"text\": \"hello\", \"label\": \
                -1, \"split\": \"dev\"}\n{\"id\":\"b\",\"media\":\"/abs/b.wav\",\"split\":null}\n";
    let manifest = manifest(text);
    assert_eq!(manifest.problems, []);
    let [a, b] = &manifest.rows[..] else { panic!("{manifest:?}") };
    assert_eq!(
        (a.id.as_str(), a.video.as_str(), a.media.as_path()),
        ("a_0", "a", Path::new("media/x/a.mp4"))
    );
    assert_eq!((a.span, a.text.as_deref()), (Span::new(Some(1.5), Some(3.0)).unwrap(), Some("hello")));
    assert_eq!((a.label, a.split), (Some(-1.0), Some(Split::Valid)));
    assert_eq!((b.span, b.media.as_path(), b.split), (Span::ALL, Path::new("/abs/b.wav"), None));
    assert_eq!(manifest.duration(), Seconds(1.5));
}

#[test]
fn a_line_that_is_wrong_is_a_problem_with_its_number() {
    let cases = [
        (r#"{"id": "../a", "media": "a.mp4"}"#, Kind::BadId, "path separator"),
        (r#"{"id": "..", "media": "a.mp4"}"#, Kind::BadId, "names a folder"),
        (r#"{"id": "", "media": "a.mp4"}"#, Kind::BadId, "empty"),
        (r#"{"id": "__metadata__", "media": "a.mp4"}"#, Kind::BadId, "the cache keeps to itself"),
        (&format!(r#"{{"id": "{}", "media": "a.mp4"}}"#, "a".repeat(201)), Kind::BadId, "200 bytes"),
        (
            r#"{"id": "a", "media": "a.mp4", "end": 1e300}"#,
            Kind::BadNumber,
            "the end 1e300 is beyond 1000000 s",
        ),
        (r#"{"id": "a", "media": "a.mp4", "start": -1e300}"#, Kind::BadNumber, "the start -1e300"),
        (r#"{"id": "a", "media": "a.mp4", "start": 1000000.5}"#, Kind::BadNumber, "11 days"),
        (r#"{"id": "a", "media": "a.mp4", "start": 3, "end": 2}"#, Kind::BadSpan, "3 to 2"),
        (r#"{"id": "a", "media": "a.mp4", "start": -1}"#, Kind::BadSpan, "-1"),
        (r#"{"id": "a", "media": "a.mp4", "label": NaN}"#, Kind::BadNumber, "NaN"),
        (r#"{"id": "a", "media": "a.mp4", "label": -Infinity}"#, Kind::BadNumber, "Infinity"),
        (r#"{"id": "a", "media": "a.mp4", "end": "2"}"#, Kind::BadLine, "expected f64"),
        (r#"{"id": "a", "media": "a.mp4", "strat": 2}"#, Kind::BadLine, "strat"),
        (r#"{"id": "a"}"#, Kind::BadLine, "media"),
        (r#"{"id": 7, "media": "a.mp4"}"#, Kind::BadLine, "string"),
        ("id,media", Kind::BadLine, "expected"),
        (r#"{"id": "good", "media": "a.mp4"}"#, Kind::DuplicateId, "line 1"),
        (r#"{"id": "a", "media": "a.mp4", "text": " "}"#, Kind::EmptyText, "no words"),
        (r#"{"id": "a", "media": "a.mp4", "split": "dress"}"#, Kind::BadSplit, "dress"),
    ];
    for (line, kind, part) in cases {
        let manifest = manifest(&format!("{}\n{line}\n", r#"{"id": "good", "media": "a.mp4"}"#));
        assert_eq!(kinds(&manifest.problems), [kind], "{line}: {manifest:?}");
        let told = manifest.problems[0].to_string();
        assert!(told.starts_with("clips.jsonl: line 2: ") && told.contains(part), "{told}");
        let kept = matches!(kind, Kind::EmptyText | Kind::BadSplit);
        assert_eq!(manifest.rows.len(), 1 + usize::from(kept), "{line}");
        assert_eq!(manifest.sound().is_err(), kind != Kind::EmptyText, "{line}");
    }
}

#[test]
fn a_refusal_names_the_first_line_and_counts_the_others() {
    let error = manifest("x\n{\"id\": \"a/b\", \"media\": \"a\"}\n").sound().unwrap_err();
    assert!(error.to_string().starts_with("clips.jsonl: line 1: "), "{error}");
    assert!(error.to_string().ends_with("(and 1 more)"), "{error}");
    assert_eq!(error.kind(), ErrorKind::BadDataset);
}

#[test]
fn files_of_any_system_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clips.jsonl");
    let read = |bytes: &[u8], root: Option<&Path>| {
        fs::write(&path, bytes).unwrap();
        Manifest::read(&Source { dataset: path.to_str().unwrap(), root, labels: None })
    };
    let text = "{\"id\": \"a\", \"media\": \"a.mp4\"}\r\n{\"id\": \"b\", \"media\": \"b.mp4\"}\r\n";
    let manifest = read(format!("\u{feff}{text}").as_bytes(), None).unwrap();
    assert_eq!(manifest.problems, []);
    assert_eq!(manifest.rows[1].media, folder.path().join("b.mp4"));
    let elsewhere = tempfile::tempdir().unwrap();
    let manifest = read(text.as_bytes(), Some(elsewhere.path())).unwrap();
    assert_eq!(manifest.rows[1].media, elsewhere.path().join("b.mp4"));
    let latin = read(b"{\"id\": \"a\", \"media\": \"a.mp4\"}\n{\"id\": \"caf\xe9\"}\n", None).unwrap_err();
    let told = latin.to_string();
    assert!(told.contains("clips.jsonl") && told.contains("line 2") && told.contains("byte 41"), "{told}");
    let absent = read(text.as_bytes(), Some(Path::new("absent"))).unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
}

/// Nobody writes to the pipe, and the device never ends.
#[test]
#[cfg(unix)]
fn pipes_and_devices_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let clips = folder.path().join("clips.jsonl");
    let refused = |path: &Path| {
        for error in [jsonl::read(path, None).unwrap_err(), Labels::read(path).unwrap_err()] {
            let told = error.to_string();
            assert!(
                told.starts_with(path.to_str().unwrap()) && told.contains("write its text to a file"),
                "{told}"
            );
            assert_eq!(error.kind(), ErrorKind::Unreadable);
        }
    };
    assert!(std::process::Command::new("mkfifo").arg(&clips).status().unwrap().success());
    refused(&clips);
    refused(Path::new("/dev/zero"));
    // A link to a file is one.
    let (file, link) = (folder.path().join("file.jsonl"), folder.path().join("link.jsonl"));
    fs::write(&file, "{\"id\": \"a\", \"media\": \"a.mp4\"}\n").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert_eq!(jsonl::read(&link, None).unwrap().rows.len(), 1);
}

#[test]
fn datasets_that_are_not_known_are_named() {
    let read = |dataset, root| Manifest::read(&Source { dataset, root, labels: None }).unwrap_err();
    assert!(matches!(read("mosi2", None), Error::UnknownDataset { name } if name == "mosi2"));
    assert!(matches!(read("mosei", None), Error::NoRoot { .. }));
    assert_eq!(read("absent.jsonl", None).kind(), ErrorKind::NotFound);
    let folder = tempfile::tempdir().unwrap();
    let layout = read("mosei", Some(folder.path()));
    assert!(layout.to_string().contains("Videos/Full/Combined"), "{layout}");
    assert_eq!(layout.kind(), ErrorKind::BadDataset);
    fs::create_dir_all(folder.path().join("Videos/Full/Combined")).unwrap();
    assert!(read("mosei", Some(folder.path())).to_string().contains("Transcript/Segmented/Combined"));
}
