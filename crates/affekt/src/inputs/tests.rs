//! Arguments in a small tree of files.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;

/// Files, each empty, and the folders that they need.
fn tree(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    folder
}

const FILES: [&str; 11] = [
    "clip10.mp4",
    "clip2.MP4",
    "clip2.srt",
    "notes.txt",
    "face.JPG",
    ".hidden.mp4",
    ".cache/a.mp4",
    "b/deep/er/x.webm",
    "b/y.wav",
    "b/y.txt",
    "only text/z.txt",
];

/// What `arguments`, relative to `root`, stand for; errors by their kind.
fn expanded(root: &Path, arguments: &[&str], kinds: Kinds) -> Vec<String> {
    let arguments: Vec<PathBuf> = arguments.iter().map(|argument| root.join(argument)).collect();
    let short = |text: &str| text.replace(&format!("{}/", root.display()), "");
    let entry = |entry: Result<PathBuf, InputError>| match entry {
        Ok(path) => short(path.to_str().unwrap()),
        Err(error) => {
            assert!(error.to_string().starts_with(&error.input()), "{error}");
            assert!(error.hint().is_some(), "{error}");
            format!("{:?} {}", error.kind(), short(&error.input()))
        }
    };
    expand(&arguments, kinds).entries.into_iter().map(entry).collect()
}

fn media(root: &Path, arguments: &[&str]) -> Vec<String> {
    expanded(root, arguments, Kinds::Media)
}

const ALL: [&str; 4] = ["b/deep/er/x.webm", "b/y.wav", "clip2.MP4", "clip10.mp4"];

#[test]
fn files_stay_as_named_and_in_order() {
    let root = tree(&FILES);
    let named = ["notes.txt", "absent.mp4", "clip10.mp4", "notes.txt"];
    assert_eq!(media(root.path(), &named), named);
}

#[test]
fn a_folder_is_what_is_in_it() {
    let root = tree(&FILES);
    assert_eq!(media(root.path(), &[""]), ALL);
    let with_pictures = expanded(root.path(), &[""], Kinds::MediaAndPictures);
    assert_eq!(with_pictures, ["b/deep/er/x.webm", "b/y.wav", "clip2.MP4", "clip10.mp4", "face.JPG"]);
    // Hidden is what is found, not what is named.
    assert_eq!(media(root.path(), &[".cache"]), [".cache/a.mp4"]);
}

#[test]
fn a_folder_without_media_is_an_error() {
    let root = tree(&FILES);
    fs::create_dir(root.path().join("empty")).unwrap();
    let found = media(root.path(), &["empty", "b/y.wav", "only text"]);
    assert_eq!(found, ["IsFolder empty", "b/y.wav", "IsFolder only text"]);
}

#[test]
fn patterns_are_those_of_a_shell() {
    let root = tree(&FILES);
    let cases: [(&str, &[&str]); 14] = [
        ("*.mp4", &["clip10.mp4"]),
        ("clip?.*", &["clip2.MP4"]),
        ("clip*", &["clip2.MP4", "clip10.mp4"]),
        ("[a-c]*/*", &["b/deep/er/x.webm", "b/y.wav"]),
        ("b/*.w*", &["b/y.wav"]),
        ("**/*.w*", &["b/deep/er/x.webm", "b/y.wav"]),
        ("**/**/y.*", &["b/y.wav"]),
        ("**", &ALL),
        ("*", &ALL),
        (".*/*", &[".cache/a.mp4"]),
        // Without a single ending of media, all are taken.
        ("*.txt", &["notes.txt"]),
        ("only*", &["IsFolder only*"]),
        ("*.mov", &["NotFound *.mov"]),
        ("clip10.mp4/*", &["NotFound clip10.mp4/*"]),
    ];
    for (pattern, expected) in cases {
        assert_eq!(media(root.path(), &[pattern]), expected, "{pattern}");
    }
    assert_eq!(media(root.path(), &["clip[10.mp4"]), ["BadConfig clip[10.mp4"]);
}

#[test]
fn a_file_may_be_called_like_a_pattern() {
    let root = tree(&["what?.mp4", "whatx.mp4", "[1]/a.mp4", "1/b.mp4"]);
    assert_eq!(media(root.path(), &["what?.mp4"]), ["what?.mp4"]);
    assert_eq!(media(root.path(), &["[1]"]), ["[1]/a.mp4"]);
    assert_eq!(media(root.path(), &["[1]/*"]), ["1/b.mp4"]);
    let lost = root.path().join("lost?.mp4");
    symlink(root.path().join("nowhere"), &lost).unwrap();
    assert_eq!(media(root.path(), &["lost?.mp4"]), ["lost?.mp4"]);
}

#[test]
fn what_was_named_is_not_brought_again() {
    let root = tree(&FILES);
    symlink(root.path().join("clip10.mp4"), root.path().join("b/again.mp4")).unwrap();
    let found = media(root.path(), &["b", "*.mp4", "", "clip2.MP4"]);
    assert_eq!(found, ["b/again.mp4", "b/deep/er/x.webm", "b/y.wav", "clip2.MP4"]);
}

#[test]
fn links_make_no_loops() {
    let root = tree(&["a/x.mp4", "elsewhere/y.mp4"]);
    let a = root.path().join("a");
    for (name, target) in
        [("up", root.path().to_owned()), ("self", a.clone()), ("lost.mp4", "nowhere".into())]
    {
        symlink(target, a.join(name)).unwrap();
    }
    // A link that leads nowhere is told when it is opened.
    let expected = ["a/lost.mp4", "a/x.mp4"];
    assert_eq!(media(root.path(), &["a"]), expected);
    assert_eq!(media(root.path(), &["a/**/*.mp4"]), expected);
    symlink(&a, root.path().join("named")).unwrap();
    assert_eq!(media(root.path(), &["named"]), ["named/lost.mp4", "named/x.mp4"]);
}

#[test]
fn several_are_more_than_one_or_what_may_be() {
    let root = tree(&FILES);
    let several = |arguments: &[&str]| {
        let arguments: Vec<PathBuf> = arguments.iter().map(|name| root.path().join(name)).collect();
        expand(&arguments, Kinds::Media).several
    };
    assert!(!several(&["clip10.mp4"]) && !several(&["absent"]));
    assert!(several(&[".cache"]) && several(&["*.mp4"]) && several(&["a.mp4", "b.mp4"]));
}

#[test]
fn a_folder_that_may_not_be_read_stands_in_its_place() {
    let root = tree(&["a.mp4", "b/y.mp4", "c.mp4"]);
    let closed = root.path().join("b");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    assert_eq!(media(root.path(), &[""]), ["a.mp4", "Unreadable b", "c.mp4"]);
    assert_eq!(media(root.path(), &["**/*.mp4"]), ["Unreadable b", "a.mp4", "c.mp4"]);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn transcripts_beside() {
    let root = tree(&["a.txt", "a.SRT", "a.mp4", "b.vtt", "b.txt", "c.b.txt", "d.srt/x", "e.txt.bak"]);
    let found = |name: &str| {
        let found = sidecar(root.path(), Path::new("elsewhere").join(name).as_path()).unwrap();
        found.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
    };
    let cases = [("a.mp4", "a.SRT"), ("b.webm", "b.vtt"), ("c.b.mkv", "c.b.txt")];
    for (media, transcript) in cases {
        assert_eq!(found(media).as_deref(), Some(transcript), "{media}");
    }
    assert_eq!((found("c.mp4"), found("d.mp4"), found("e.mp4"), found("A.mp4")), (None, None, None, None));
    let absent = sidecar(&root.path().join("absent"), Path::new("a.mp4")).unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::Unreadable);
}
