//! `affekt models`: what bundles consist of, and how their files come.

mod import;
mod ls;
mod pull;
mod verify;

use std::process::ExitCode;

use crate::cli::{Global, Models};

/// Runs the command.
pub fn run(command: &Models, global: &Global) -> ExitCode {
    match command {
        Models::Ls { bundle } => ls::run(bundle.as_deref(), global),
        Models::Pull { bundle, files } => pull::run(bundle, files, global),
        Models::Verify { bundle } => verify::run(bundle.as_deref(), global),
        Models::Import { bundle, target, path } => import::run(bundle, target, path, global),
    }
}

/// The bundle that is named, or all that are known.
fn named(bundle: Option<&str>) -> Vec<String> {
    match bundle {
        Some(bundle) => vec![bundle.to_owned()],
        None => affekt::bundles::known().map(str::to_owned).collect(),
    }
}

/// Bytes as people read them.
pub fn size(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else { return "-".into() };
    let (mut number, mut unit) = (bytes as f64, "B");
    for larger in ["kB", "MB", "GB"] {
        if number < 999.5 {
            break;
        }
        (number, unit) = (number / 1000.0, larger);
    }
    if unit == "B" || number >= 99.95 { format!("{number:.0} {unit}") } else { format!("{number:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_600, "1.0 MB"),
            (4_081_004_224, "4.1 GB"),
            (123_456, "123 kB"),
        ];
        for (bytes, told) in cases {
            assert_eq!(size(Some(bytes)), told);
        }
        assert_eq!(size(None), "-");
    }
}
