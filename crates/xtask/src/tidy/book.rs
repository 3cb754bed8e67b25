//! Dependencies with their reasons, invariants with their guards, links that lead somewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Finding;
use super::manifests::Manifests;

const BOOK: &str = "docs/src";
const DEPENDENCIES: &str = "docs/src/dependencies.md";
const ARCHITECTURE: &str = "docs/src/architecture.md";

/// Checks the book against the tree.
pub fn check(root: &Path, manifests: &Manifests, texts: &[(PathBuf, String)]) -> Result<Vec<Finding>> {
    let read = |file: &str| std::fs::read_to_string(root.join(file)).with_context(|| file.to_owned());
    let mut findings = reasons(&read(DEPENDENCIES)?, &manifests.external().collect::<Vec<_>>());
    let code: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    findings.extend(guards(&read(ARCHITECTURE)?, &code));
    for page in pages(root)? {
        let text = read(&page)?;
        let folder = root.join(&page).parent().map(Path::to_owned).unwrap_or_default();
        let dead = links(&text).into_iter().filter(|link| !folder.join(link).exists());
        findings.extend(dead.map(|link| Finding::new(&page, format!("links to {link}, which is not there"))));
    }
    Ok(findings)
}

/// Every dependency has a row in the table, and every row a dependency.
fn reasons(page: &str, dependencies: &[&str]) -> Vec<Finding> {
    let named: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let unnamed = dependencies.iter().filter(|name| !named.contains(name));
    let unnamed = unnamed.map(|name| format!("gives no reason for the dependency {name}"));
    let stale = named.iter().filter(|name| !dependencies.contains(name));
    let stale = stale.map(|name| format!("names {name}, which is no dependency"));
    unnamed.chain(stale).map(|what| Finding::new(DEPENDENCIES, what)).collect()
}

/// An invariant is a list item in bold. It ends with ``Guarded by `test_function` ``, one or more.
fn guards(page: &str, code: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for item in page.split("\n- ").filter(|item| item.starts_with("**")) {
        let item = item.split("\n\n").next().unwrap_or(item).replace("\n  ", " ");
        let Some((invariant, guards)) = item.split_once("Guarded by ") else {
            findings.push(Finding::new(ARCHITECTURE, format!("names no guard: {item}")));
            continue;
        };
        for guard in guards.split('`').skip(1).step_by(2) {
            let definition = format!("fn {guard}(");
            if !code.iter().any(|text| text.contains(&definition)) {
                findings.push(Finding::new(ARCHITECTURE, format!("no function {guard} guards: {invariant}")));
            }
        }
    }
    findings
}

/// The README and the pages of the book.
fn pages(root: &Path) -> Result<Vec<String>> {
    let mut pages = vec!["README.md".to_owned()];
    for entry in std::fs::read_dir(root.join(BOOK)).context(BOOK)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            pages.push(format!("{BOOK}/{name}"));
        }
    }
    pages.sort();
    Ok(pages)
}

/// Targets of links to files, without their `#anchor`.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    local.map(|target| target.split('#').next().unwrap_or(target)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_reason_and_a_stale_row_are_caught() {
        let page = "| crate | why |\n|---|---|\n| `rayon` | threads |\n| `gone` | once |\n";
        let whats: Vec<String> =
            reasons(page, &["rayon", "half"]).into_iter().map(|found| found.what).collect();
        assert_eq!(whats, ["gives no reason for the dependency half", "names gone, which is no dependency"]);
    }

    #[test]
    fn an_invariant_without_a_living_guard_is_caught() {
        let code = ["fn batch_is_single() {}", "fn padding_is_masked() {}"];
        let found = |item: &str| guards(&format!("Text.\n\n{item}\n- plain\n\nMore `text`."), &code).len();
        assert_eq!(
            found("- **Batch is single.** Guarded\n  by `batch_is_single`,\n  `padding_is_masked`."),
            0
        );
        assert_eq!(found("- **Batch is single.** Guarded by `batch_is_single`,\n  `hope`."), 1);
        assert_eq!(found("- **Batch is single.**"), 1);
    }

    #[test]
    fn links_to_files_are_found() {
        assert_eq!(links("[a](b.md#c) [d](https://e) [f](#g) [h](../i.md)"), ["b.md", "../i.md"]);
    }
}
