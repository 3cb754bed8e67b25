//! Files of a bundle from the hub.

use affekt_core::{Digest, Event, Reporter, Stage};
use affekt_pipelines::Error;
use affekt_weights::Hub;
use affekt_weights::bundle::report::Presence;
use affekt_weights::bundle::{Bundle, HubFile};
use affekt_weights::hub::Wanted;

/// What became of one file.
#[derive(Clone, Debug)]
pub struct Got {
    /// SHA-256 of its bytes, where known.
    pub sha256: Option<Digest>,
    /// Bytes.
    pub size: Option<u64>,
    /// Where it was pulled from, with the commit.
    pub hub: Option<HubFile>,
    /// How it came.
    pub how: How,
}

/// How a file came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is in its place already.
    Already,
    /// From the hub's cache on this machine.
    Cached,
    /// Over the network.
    Fetched,
}

/// The files of `bundle` that `names` (files, or networks) stand for and that the hub has; all that are needed where
/// nothing is named.
pub fn chosen(bundle: &Bundle, names: &[String]) -> Result<Vec<String>, Error> {
    let files = &bundle.manifest().files;
    let on_hub = |path: &&String| files.get(*path).is_some_and(|facts| facts.hub.is_some());
    if names.is_empty() {
        // Nobody needs weights that imported ones stand in for.
        let stood_in = |path: &&String| {
            let owner = bundle.manifest().owner(path);
            owner.is_some_and(|network| {
                bundle.lock().weights.contains_key(network)
                    && bundle
                        .manifest()
                        .networks
                        .get(network)
                        .is_some_and(|files| files.weights.contains(*path))
            })
        };
        return Ok(files.keys().filter(on_hub).filter(|path| !stood_in(path)).cloned().collect());
    }
    let mut chosen = Vec::new();
    for name in names {
        let network = bundle.manifest().networks.get(name);
        let named: Vec<&String> = match network {
            Some(network) => network.all().filter(on_hub).collect(),
            None => files.get_key_value(name).map(|(path, _)| path).into_iter().filter(on_hub).collect(),
        };
        if named.is_empty() {
            return Err(Error::Setting { name: "FILE".into(), reason: unavailable(bundle, name) });
        }
        chosen.extend(named.into_iter().filter(|path| !chosen.contains(*path)).cloned().collect::<Vec<_>>());
    }
    Ok(chosen)
}

fn unavailable(bundle: &Bundle, name: &str) -> String {
    let manifest = bundle.manifest();
    let weights = manifest.networks.get(name).and_then(|network| network.weights.first());
    let facts = manifest.files.get(weights.map_or(name, String::as_str));
    match facts {
        Some(facts) => match &facts.import {
            Some(page) => format!(
                "{name} is on no hub: its authors hand it out on {page}. Get it there, then `affekt models import {} \
                 {name} PATH`",
                bundle.handle()
            ),
            None => format!("{name} cannot be pulled: bundle.toml names no hub for it"),
        },
        None => format!("bundle {} has neither a file nor a network {name:?}", bundle.name()),
    }
}

/// Pulls one file and takes it into the bundle. Nothing is fetched for a file that is in its place and right.
///
/// The revision is the pinned one, else the one that `bundle.lock` recorded, else `main` as it is now; the bytes must be
/// those that `bundle.toml` or `bundle.lock` knows, and those that the hub announces.
pub fn pull(bundle: &mut Bundle, hub: &Hub, path: &str, reporter: &dyn Reporter) -> Result<Got, Error> {
    if let Some(got) = already(bundle, path)? {
        return Ok(got);
    }
    let listed = bundle.manifest().files.get(path).and_then(|facts| facts.hub.clone());
    let listed =
        listed.ok_or_else(|| Error::Setting { name: "FILE".into(), reason: unavailable(bundle, path) })?;
    // That there is a place for it is asked before gigabytes come.
    bundle.place(path)?;
    let locked = bundle.lock().files.get(path).and_then(|locked| locked.hub.as_ref());
    let locked = locked.filter(|locked| locked.repo == listed.repo && locked.file == listed.file);
    let revision = match locked {
        Some(locked) if listed.revision.is_empty() => &locked.revision,
        _ => &listed.revision,
    };
    let wanted = Wanted { file: &listed, revision, sha256: bundle.known_digest(path) };
    let told = std::cell::Cell::new(0);
    let pulled = hub.pull(wanted, &|done, total| {
        // A step of half a percent is enough to look at.
        if done == total || done >= told.get() + (total / 200).max(1) || done < told.get() {
            told.set(done);
            let (done, total) = (done as usize, Some(total as usize));
            reporter.report(&Event::Advanced { stage: Stage::Download, done, total });
        }
    });
    let pulled = pulled.map_err(affekt_weights::Error::from)?;
    bundle.take_pulled(path, &pulled.path, pulled.sha256.clone(), pulled.hub.clone())?;
    let how = if pulled.fetched { How::Fetched } else { How::Cached };
    Ok(Got { sha256: Some(pulled.sha256), size: Some(pulled.size), hub: Some(pulled.hub), how })
}

fn already(bundle: &Bundle, path: &str) -> Result<Option<Got>, Error> {
    let files = bundle.files()?;
    let Some(state) = files.iter().find(|state| state.path == path) else { return Ok(None) };
    if let Presence::Missing(_) = state.presence {
        return Ok(None);
    }
    // A file whose bytes are unknown is the user's own: it is left alone.
    let right = state.presence == Presence::Embedded || bundle.path(path).is_ok();
    if !right {
        return Ok(None);
    }
    let hub = bundle.lock().files.get(path).and_then(|locked| locked.hub.clone());
    Ok(Some(Got { sha256: state.sha256.cloned(), size: state.size, hub, how: How::Already }))
}
