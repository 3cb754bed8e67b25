use std::path::{Path, PathBuf};

use super::super::Transcript;
use super::timed;

/// A folder of its own for each test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("affekt-transcript-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn refusal(path: &Path) -> String {
    let why = Transcript::read(path).unwrap_err().to_string();
    assert!(why.contains(path.file_name().unwrap().to_str().unwrap()), "{why}");
    why
}

#[test]
fn encodings() {
    let folder = Folder::new("encodings");
    let words = "grüß 你好 😀";
    let units: Vec<u16> = format!("\u{feff}{words}").encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let marked = format!("\u{feff}{words}\r\n");
    for bytes in [&little[..], &big, words.as_bytes(), marked.as_bytes()] {
        let read = Transcript::read(&folder.file("words.txt", bytes)).unwrap();
        assert_eq!(read, Transcript::Plain(words.into()));
    }
    let why = refusal(&folder.file("latin1.txt", b"fine\ngr\xfc\xdf\n"));
    assert!(why.contains("line 2 is not UTF-8 (byte 7 of the file): save it as UTF-8"), "{why}");
    for bytes in [&little[..little.len() - 1], &little[2..], &[0xff, 0xfe, 0x00, 0xd8], b"\x7fELF\0\0"] {
        let why = refusal(&folder.file("binary.txt", bytes));
        assert!(why.contains("save it as UTF-8"), "{why}");
    }
}

#[test]
fn what_is_no_file_is_named() {
    let folder = Folder::new("no-file");
    assert!(refusal(&folder.0).contains("folder"));
    assert!(refusal(&folder.0.join("absent.srt")).contains("no such file"));
    assert!(refusal(&folder.file("empty.txt", b"")).contains("no words"));
    let large = folder.file("large.txt", b"words");
    // A hole: it takes no room on the disk.
    std::fs::File::options().write(true).open(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    assert!(refusal(&large).contains("more than 64 MB"));
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("permission");
    let path = folder.file("secret.txt", b"words");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads it all the same.
    if std::fs::read(&path).is_err() {
        assert!(refusal(&path).to_lowercase().contains("permission"));
    }
}

#[test]
fn the_name_tells_subtitles() {
    let folder = Folder::new("name");
    let broken = b"1\n00:00:01 -> 00:00:02\nhello\n";
    for name in ["a.srt", "a.VTT"] {
        assert!(refusal(&folder.file(name, broken)).contains("two times"));
    }
    assert!(matches!(Transcript::read(&folder.file("a.txt", broken)), Ok(Transcript::Plain(_))));
    let argument = format!("@{}", folder.file("b.srt", b"00:00:01,000 --> 00:00:02,000\nhi").display());
    assert_eq!(Transcript::from_argument(&argument).unwrap(), timed(&[(1.0, 2.0, "hi")]));
}
