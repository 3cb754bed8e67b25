//! Real clips, speech and faces. They may not be committed, so tests that want them skip where they are absent.

use std::path::{Path, PathBuf};

/// The folder named by `AFFEKT_REALDATA`, else `shared/data` beside the checkout or inside it, where there is one.
pub fn root() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("AFFEKT_REALDATA") {
        return Some(PathBuf::from(named)).filter(|path| path.is_dir());
    }
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let beside = project.parent().map(|parent| parent.join("shared/data"));
    beside.into_iter().chain([project.join("shared/data")]).find(|path| path.is_dir())
}

/// Files in `folder` of the real data whose extension is one of `extensions`, sorted; `None`, with a line that says
/// that the test is skipped, where this machine has no real data.
pub fn files(folder: &str, extensions: &[&str]) -> Option<Vec<PathBuf>> {
    let Some(root) = root() else {
        tell("skipped: no real data here (set AFFEKT_REALDATA to run this test)");
        return None;
    };
    let wanted = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    };
    let entries = std::fs::read_dir(root.join(folder)).ok()?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(wanted).collect();
    files.sort();
    Some(files)
}

#[expect(clippy::print_stdout, reason = "a test that skips must say so where the test runner shows output")]
pub(crate) fn tell(line: &str) {
    println!("{line}");
}
