//! Datasets shaped as MOSEI, filled with copies of the sample clip.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::command::{SAMPLE, project};

/// MOSEI's folders under a root of their own, filled with copies of the sample clip (5.7 s).
pub struct Tree {
    root: TempDir,
}

impl Tree {
    /// The folders, empty.
    pub fn new() -> Self {
        let tree = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir_all(tree.media("").parent().unwrap()).unwrap();
        fs::create_dir_all(tree.transcript("").parent().unwrap()).unwrap();
        tree
    }

    /// Two videos of the official splits, two clips each, with nothing wrong.
    pub fn sound() -> Self {
        let tree = Self::new();
        for video in ["-3g5yACwYnA", "--qXJuDtHPw"] {
            tree.video(
                video,
                &["0___0.0___2.5___I really love this film", "1___2.5___5.6___I would see it again"],
            );
        }
        tree
    }

    /// Where the recording `video` is.
    pub fn media(&self, video: &str) -> PathBuf {
        self.root.path().join(format!("Videos/Full/Combined/{video}.mp4"))
    }

    /// Where its transcript is.
    pub fn transcript(&self, video: &str) -> PathBuf {
        self.root.path().join(format!("Transcript/Segmented/Combined/{video}.txt"))
    }

    /// Makes a recording.
    pub fn copy(&self, video: &str) {
        fs::copy(project().join(SAMPLE), self.media(video)).unwrap();
    }

    /// Writes a transcript of `lines`, each without the name of the recording.
    pub fn write(&self, video: &str, lines: &[&str]) {
        let lines: String = lines.iter().map(|line| format!("{video}___{line}\n")).collect();
        fs::write(self.transcript(video), lines).unwrap();
    }

    /// A recording with its transcript.
    pub fn video(&self, video: &str, lines: &[&str]) {
        self.copy(video);
        self.write(video, lines);
    }

    /// A table of labels beside the folders.
    pub fn labels(&self, text: impl AsRef<[u8]>) -> String {
        let path = self.root.path().join("labels.csv");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The root folder.
    pub fn path(&self) -> &Path {
        self.root.path()
    }
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
