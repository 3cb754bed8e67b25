//! Rules of the tree that no compiler checks.
//!
//! | module | checks |
//! |---|---|
//! | [`layers`] | the members and their allowed edges, as data |
//! | [`manifests`] | every `Cargo.toml` against them; lints, descriptions, crate heads |
//! | [`files`] | sizes of source files; paths outside the project |
//! | [`networks`] | that all networks read alike |
//! | [`book`] | dependencies with their reasons, invariants with their guards, links that lead somewhere |

mod book;
mod files;
mod layers;
mod manifests;
mod networks;

use std::path::Path;

use anyhow::{Result, bail};

pub use files::sources;

/// A broken rule: where, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    place: String,
    what: String,
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// Checks the tree and prints every broken rule.
pub fn run(root: &Path) -> Result<()> {
    let texts = files::read(root, &sources(root)?)?;
    let manifests = manifests::Manifests::read(root)?;
    let mut findings = manifests.check();
    findings.extend(manifests::heads(root, &manifests));
    findings.extend(files::sizes(&texts));
    findings.extend(files::outside_paths(&texts));
    findings.extend(networks::check(root));
    findings.extend(book::check(root, &manifests, &texts)?);
    for Finding { place, what } in &findings {
        println!("{place}: {what}");
    }
    if !findings.is_empty() {
        bail!("the tree breaks its rules in {} places", findings.len());
    }
    println!("tidy: {} members and {} source files keep the rules", layers::MEMBERS.len(), texts.len());
    Ok(())
}
