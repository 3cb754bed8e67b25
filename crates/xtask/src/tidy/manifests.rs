//! Every `Cargo.toml` against the layers; lints, descriptions, crate heads.

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Finding;
use super::layers::{self, MEMBERS};

/// All manifests of the workspace.
pub struct Manifests {
    workspace: Table,
    members: Vec<(String, Table)>,
}

impl Manifests {
    /// Reads the root's manifest and that of each member it names.
    pub fn read(root: &Path) -> Result<Self> {
        let read = |folder: &str| -> Result<Table> {
            let path = root.join(folder).join("Cargo.toml");
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            text.parse().with_context(|| path.display().to_string())
        };
        let workspace = read("")?;
        let members = members(&workspace)
            .into_iter()
            .map(|folder| Ok((folder.to_owned(), read(folder)?)))
            .collect::<Result<_>>()?;
        Ok(Self { workspace, members })
    }

    /// Folders of the members.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(folder, _)| folder.as_str())
    }

    /// Names of the dependencies that come from a registry.
    pub fn external(&self) -> impl Iterator<Item = &str> {
        let all = table(&self.workspace, &["workspace", "dependencies"]);
        all.into_iter()
            .flatten()
            .filter(|(_, value)| value.get("path").is_none())
            .map(|(name, _)| name.as_str())
    }

    /// The member list, and each member's edges, lints and description.
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = self.member_list();
        for (folder, manifest) in &self.members {
            let place = format!("{folder}/Cargo.toml");
            for what in self.edges(folder, manifest).into_iter().chain(header(manifest)) {
                findings.push(Finding::new(&place, what));
            }
        }
        findings
    }

    fn member_list(&self) -> Vec<Finding> {
        let unknown = self.folders().filter(|folder| layers::layer(folder).is_none());
        let unknown =
            unknown.map(|folder| format!("member {folder} stands in no layer of xtask/src/tidy/layers.rs"));
        let absent = MEMBERS.iter().filter(|(folder, _)| !self.folders().any(|member| member == *folder));
        let absent = absent.map(|(folder, _)| format!("{folder} of xtask/src/tidy/layers.rs is no member"));
        unknown.chain(absent).map(|what| Finding::new("Cargo.toml", what)).collect()
    }

    fn edges(&self, folder: &str, manifest: &Table) -> Vec<String> {
        let mut findings = Vec::new();
        for (name, dependency) in shipped_dependencies(manifest) {
            if dependency.get("workspace").and_then(Value::as_bool) != Some(true) {
                findings.push(format!("dependency {name} does not come from [workspace.dependencies]"));
            }
            if let Some(to) = self.home(name)
                && !layers::allowed(folder, to)
            {
                findings.push(format!("{folder} must not depend on {to}"));
            }
        }
        findings
    }

    /// The folder of a dependency that is a member.
    fn home(&self, name: &str) -> Option<&str> {
        table(&self.workspace, &["workspace", "dependencies"])?.get(name)?.get("path")?.as_str()
    }
}

/// A crate's root file begins by saying what the crate is.
pub fn heads(root: &Path, manifests: &Manifests) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, manifest) in &manifests.members {
        let roots: Vec<String> = root_files(manifest)
            .into_iter()
            .map(|file| format!("{folder}/{file}"))
            .filter(|file| root.join(file).is_file())
            .collect();
        if roots.is_empty() {
            findings.push(Finding::new(folder, "has neither src/lib.rs, nor src/main.rs, nor a [[test]]"));
        }
        for file in roots {
            let text = std::fs::read_to_string(root.join(&file)).unwrap_or_default();
            if !text.starts_with("//! ") {
                findings.push(Finding::new(file, "does not begin with a `//!` line on what the crate is"));
            }
        }
    }
    findings
}

fn root_files(manifest: &Table) -> Vec<&str> {
    let tests = manifest.get("test").and_then(Value::as_array).into_iter().flatten();
    let tests = tests.filter_map(|test| test.get("path")?.as_str());
    ["src/lib.rs", "src/main.rs"].into_iter().chain(tests).collect()
}

fn header(manifest: &Table) -> Vec<String> {
    let mut findings = Vec::new();
    if table(manifest, &["lints"]).and_then(|lints| lints.get("workspace")?.as_bool()) != Some(true) {
        findings.push("does not inherit the lints: `[lints] workspace = true`".to_owned());
    }
    let description = table(manifest, &["package"]).and_then(|package| package.get("description")?.as_str());
    if description.is_none_or(|text| text.trim().is_empty() || text.contains('\n')) {
        findings.push("has no description of one line".to_owned());
    }
    findings
}

fn members(workspace: &Table) -> Vec<&str> {
    let list = table(workspace, &["workspace"]).and_then(|workspace| workspace.get("members")?.as_array());
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Name and value of every dependency that users get: also those of build scripts and of single targets.
fn shipped_dependencies(manifest: &Table) -> Vec<(&str, &Value)> {
    let targets =
        table(manifest, &["target"]).into_iter().flatten().filter_map(|(_, target)| target.as_table());
    std::iter::once(manifest)
        .chain(targets)
        .flat_map(|part| ["dependencies", "build-dependencies"].map(|kind| table(part, &[kind])))
        .flatten()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

fn table<'a>(from: &'a Table, path: &[&str]) -> Option<&'a Table> {
    path.iter().try_fold(from, |table, key| table.get(*key)?.as_table())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = r#"
        [workspace]
        members = ["crates/nn"]
        [workspace.dependencies]
        affekt-core = { path = "crates/core" }
        affekt-wavlm = { path = "models/wavlm" }
        rayon = "1"
    "#;

    const KEEPS: &str = r#"
        [package]
        description = "Blocks."
        [lints]
        workspace = true
        [dependencies]
        affekt-core.workspace = true
        [dev-dependencies]
        affekt-wavlm.workspace = true
    "#;

    fn findings(member: &str) -> Vec<String> {
        let workspace = WORKSPACE.parse().unwrap();
        let all = Manifests { workspace, members: vec![("crates/nn".to_owned(), member.parse().unwrap())] };
        let of_member = |finding: &Finding| finding.place == "crates/nn/Cargo.toml";
        all.check().into_iter().filter(of_member).map(|finding| finding.what).collect()
    }

    #[test]
    fn a_manifest_that_keeps_the_rules_passes() {
        assert_eq!(findings(KEEPS), [""; 0]);
    }

    #[test]
    fn machinery_that_names_a_network_is_caught() {
        for kind in ["dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            let member =
                KEEPS.replace("[dependencies]\n        affekt-core", &format!("[{kind}]\n affekt-wavlm"));
            assert_eq!(findings(&member), ["crates/nn must not depend on models/wavlm"], "{kind}");
        }
    }

    #[test]
    fn a_dependency_of_its_own_is_caught() {
        let member = KEEPS.replace("affekt-core.workspace = true", "rayon = '1'");
        assert_eq!(findings(&member), ["dependency rayon does not come from [workspace.dependencies]"]);
    }

    #[test]
    fn lints_and_description_are_required() {
        let member = KEEPS.replace("workspace = true\n        [dep", "workspace = false\n        [dep");
        assert_eq!(findings(&member), ["does not inherit the lints: `[lints] workspace = true`"]);
        let member = KEEPS.replace("Blocks.", " ");
        assert_eq!(findings(&member), ["has no description of one line"]);
    }

    #[test]
    fn the_member_list_is_that_of_the_architecture() {
        let all = Manifests {
            workspace: WORKSPACE.parse().unwrap(),
            members: vec![("crates/odd".to_owned(), Table::new())],
        };
        let findings = all.member_list();
        assert!(findings[0].what.starts_with("member crates/odd stands in no layer"), "{findings:?}");
        assert_eq!(findings.len(), 1 + MEMBERS.len());
    }

    #[test]
    fn dependencies_from_a_registry_are_told_from_members() {
        let all = Manifests { workspace: WORKSPACE.parse().unwrap(), members: Vec::new() };
        assert_eq!(all.external().collect::<Vec<_>>(), ["rayon"]);
    }
}
