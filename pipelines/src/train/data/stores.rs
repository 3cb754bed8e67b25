//! Which store of a cache each feature is read from.

use std::collections::BTreeMap;
use std::path::Path;

use affekt_cache::{Folder, Store, folders};
use affekt_core::{FeatureKind, FeatureSpec};

use super::Error;

/// The stores of `kinds`, in their order; of several recipes of a feature the one whose digest begins as `recipes` say.
pub fn open(
    cache: &Path,
    kinds: &[FeatureKind],
    recipes: &BTreeMap<FeatureKind, String>,
) -> Result<Vec<(FeatureKind, Store)>, Error> {
    let folders = folders(cache)?;
    kinds.iter().map(|&kind| Ok((kind, store(cache, &folders, kind, recipes.get(&kind))?))).collect()
}

fn store(
    cache: &Path,
    folders: &[Folder],
    kind: FeatureKind,
    digest: Option<&String>,
) -> Result<Store, Error> {
    let mut stores = Vec::new();
    for folder in folders.iter().filter(|folder| folder.kind == kind && may_be(folder, digest)) {
        stores.extend(folder.store()?);
    }
    // A whole digest says more than the name of a folder.
    stores.retain(|store| digest.is_none_or(|digest| store.spec().digest().as_str().starts_with(digest)));
    if stores.len() > 1 {
        let recipes = stores.iter().map(|store| described(store.spec())).collect();
        return Err(Error::Recipes { cache: cache.into(), kind, recipes });
    }
    stores.pop().ok_or_else(|| Error::NoFeature {
        cache: cache.into(),
        kind,
        wanted: digest.map_or(kind.name().to_owned(), |digest| format!("{}-{digest}", kind.name())),
        held: folders.iter().map(Folder::name).collect(),
    })
}

fn may_be(folder: &Folder, digest: Option<&String>) -> bool {
    let digit8 = &folder.digest8;
    digest.is_none_or(|digest| digit8.starts_with(digest) || digest.starts_with(digit8))
}

/// What tells recipes of one feature apart at a glance, the digits of its digest first.
fn described(spec: &FeatureSpec) -> String {
    let layers = spec.layers.map(|rule| format!(" layers {rule},")).unwrap_or_default();
    let FeatureSpec { encoder, width, dtype, .. } = spec;
    format!("{} ({encoder},{layers} {width} x {dtype})", spec.digest().short())
}
