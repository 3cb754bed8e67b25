//! Sizes of source files; paths outside the project.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Finding;
use crate::shell;

/// No file has more lines.
const LONGEST: usize = 600;
/// The median file has fewer lines.
const MEDIAN: usize = 250;

/// Places of one machine. Split, so that this file does not name them.
const OUTSIDE: [&str; 3] = [concat!("..", "/shared"), concat!("/", "work"), concat!("/", "tmp")];

/// Rust and Python files that git does not ignore, from the root, in order; without git, all under the folders that
/// hold code.
pub fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "--", "*.rs", "*.py"]);
    let mut paths: Vec<PathBuf> = match shell::capture(git.current_dir(root)) {
        Ok(list) => list.lines().map(PathBuf::from).filter(|path| root.join(path).is_file()).collect(),
        Err(_) => walk(root)?,
    };
    paths.sort();
    Ok(paths)
}

fn walk(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> =
        ["crates", "models", "pipelines", "tests"].map(|name| root.join(name)).into();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
                found.push(path.strip_prefix(root)?.to_owned());
            }
        }
    }
    Ok(found)
}

/// The text of each file.
pub fn read(root: &Path, paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(root.join(path)).with_context(|| path.display().to_string())?;
        Ok((path.clone(), text))
    };
    paths.iter().map(read).collect()
}

/// No file is too long, and half of them are short.
pub fn sizes(texts: &[(PathBuf, String)]) -> Vec<Finding> {
    let mut lines: Vec<usize> = texts.iter().map(|(_, text)| text.lines().count()).collect();
    let mut findings: Vec<Finding> = texts
        .iter()
        .zip(&lines)
        .filter(|(_, lines)| **lines > LONGEST)
        .map(|((path, _), lines)| {
            Finding::new(path.to_string_lossy(), format!("has {lines} lines, more than {LONGEST}"))
        })
        .collect();
    lines.sort_unstable();
    if let Some(&median) = lines.get(lines.len() / 2)
        && median >= MEDIAN
    {
        findings.push(Finding::new(
            "the tree",
            format!("the median file has {median} lines, not below {MEDIAN}"),
        ));
    }
    findings
}

/// Code names no place of one machine: configuration only.
pub fn outside_paths(texts: &[(PathBuf, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in texts {
        for (index, line) in text.lines().enumerate() {
            for outside in OUTSIDE.iter().filter(|outside| names_path(line, outside)) {
                let place = format!("{}:{}", path.display(), index + 1);
                findings
                    .push(Finding::new(place, format!("names {outside}, which lies outside the project")));
            }
        }
    }
    findings
}

/// Whether `path` stands in `line` as a whole path component, not as a part of a longer word.
fn names_path(line: &str, path: &str) -> bool {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    line.match_indices(path).any(|(start, _)| {
        let before = line.as_bytes()[..start].last().copied();
        let after = line.as_bytes().get(start + path.len()).copied();
        !before.is_some_and(in_word) && !after.is_some_and(in_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: usize) -> (PathBuf, String) {
        (PathBuf::from(format!("{lines}.rs")), "x\n".repeat(lines))
    }

    #[test]
    fn a_long_file_is_caught() {
        assert_eq!(sizes(&[text(LONGEST), text(10), text(10)]), []);
        let findings = sizes(&[text(LONGEST + 1), text(10), text(10)]);
        assert_eq!(findings, [Finding::new("601.rs", "has 601 lines, more than 600")]);
    }

    #[test]
    fn a_tree_of_long_files_is_caught() {
        assert_eq!(sizes(&[text(300), text(249), text(10)]), []);
        let findings = sizes(&[text(300), text(250), text(10)]);
        assert_eq!(findings, [Finding::new("the tree", "the median file has 250 lines, not below 250")]);
    }

    #[test]
    fn paths_of_one_machine_are_caught() {
        let temporary = OUTSIDE[2];
        assert!(names_path(&format!("open(\"{temporary}/a\")"), temporary));
        assert!(!names_path("let a = \"/tmpfs\"; b/tmp", temporary));
        let line = format!("let path = \"{}\";", OUTSIDE[0]);
        let findings = outside_paths(&[("a.rs".into(), format!("\n{line}\n"))]);
        assert_eq!(findings[0].place, "a.rs:2");
    }
}
