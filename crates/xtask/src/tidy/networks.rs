//! That all networks read alike.

use std::path::Path;

use super::Finding;
use super::layers::{Layer, MEMBERS};

/// What every network's folder holds.
const FILES: [&str; 6] =
    ["README.md", "src/config.rs", "src/names.rs", "src/model.rs", "tests/golden.rs", "tests/golden.py"];

/// Every network has its configuration, its names, its model, its card and its goldens.
pub fn check(root: &Path) -> Vec<Finding> {
    let networks = MEMBERS.iter().filter(|(_, layer)| *layer == Layer::Network);
    networks.flat_map(|(folder, _)| absent(root, folder)).collect()
}

fn absent(root: &Path, folder: &str) -> Vec<Finding> {
    let absent = FILES.iter().filter(|file| !root.join(folder).join(file).is_file());
    absent.map(|file| Finding::new(folder, format!("has no {file}, which every network has"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_without_its_files_is_caught() {
        let findings = absent(Path::new(env!("CARGO_MANIFEST_DIR")), ".");
        assert_eq!(findings.len(), FILES.len());
        assert_eq!(findings[0].what, "has no README.md, which every network has");
    }
}
