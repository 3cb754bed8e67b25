//! Files that are not there, and how each can be had.

use std::fmt;

/// How a file can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// From the hub.
    Pull,
    /// By hand, from a page on which its authors hand it out by a link.
    Import {
        /// The page.
        page: String,
    },
    /// From wherever the bundle came from: `bundle.toml` names no other way.
    Restore,
}

/// A file that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Path inside the bundle.
    pub file: String,
    /// What `models import` calls it: the network whose weights it is, else the file itself.
    pub target: String,
    /// How it can be had.
    pub remedy: Remedy,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match &self.remedy {
            Remedy::Pull => write!(f, "{file} (can be pulled)"),
            Remedy::Import { page } => write!(f, "{file} (import only: its authors hand it out on {page})"),
            Remedy::Restore => write!(f, "{file} (belongs into the bundle's folder)"),
        }
    }
}

/// One line a file.
pub(crate) fn list(missing: &[Missing]) -> String {
    missing.iter().map(|missing| format!("\n  {missing}")).collect()
}

/// The commands that bring the files of `bundle`.
pub(crate) fn commands(bundle: &str, missing: &[Missing]) -> String {
    let bundle = quoted(bundle);
    let pulled = missing.iter().any(|missing| missing.remedy == Remedy::Pull);
    let pull = pulled.then(|| format!("`affekt models pull {bundle}`"));
    let imports = missing.iter().filter(|missing| matches!(missing.remedy, Remedy::Import { .. }));
    let imports = imports.map(|missing| format!("`affekt models import {bundle} {} PATH`", missing.target));
    let restore = missing.iter().any(|missing| missing.remedy == Remedy::Restore);
    let restore = restore.then(|| "copy the others into the bundle's folder".to_owned());
    pull.into_iter().chain(imports).chain(restore).collect::<Vec<_>>().join(", then ")
}

/// As one writes it in a shell.
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+:@,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_bundle_and_target() {
        let missing =
            |file: &str, target: &str, remedy| Missing { file: file.into(), target: target.into(), remedy };
        let all = [
            missing("wavlm/config.json", "wavlm/config.json", Remedy::Pull),
            missing("slam/model.safetensors", "slam", Remedy::Import { page: "https://x".into() }),
        ];
        let told = commands("my bundle", &all);
        assert_eq!(
            told,
            "`affekt models pull 'my bundle'`, then `affekt models import 'my bundle' slam PATH`"
        );
        assert!(list(&all).contains("https://x"));
    }
}
