//! Headers of all media files of a dataset.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use affekt_core::{Event, Reporter, Seconds};
use rayon::prelude::*;

use super::Manifest;
use super::inventory::Durations;
use crate::isolate::Pool;

/// Where media files are opened.
#[derive(Clone, Copy, Debug)]
pub enum Prober<'p> {
    /// In this process, which ends with a file that crashes the decoder.
    InProcess,
    /// In workers; such a file is unreadable.
    Isolated(&'p Pool),
}

impl Prober<'_> {
    fn duration(self, path: &Path) -> Result<Option<Seconds>, String> {
        match self {
            Self::InProcess => {
                affekt_media::probe(path).map(|info| info.duration).map_err(|error| error.to_string())
            }
            Self::Isolated(pool) => pool.probe(path).map_err(|error| error.to_string()),
        }
    }
}

/// Reads the headers of every media file that is there, on all cores; an [`Event::Input`] each.
pub fn durations(manifest: &Manifest, prober: Prober, reporter: &dyn Reporter) -> Durations {
    let needed = manifest.rows.iter().map(|row| row.media.as_path()).filter(|path| path.is_file());
    let found = manifest.found.media.values().map(std::path::PathBuf::as_path);
    let paths: BTreeSet<&Path> = needed.chain(found).collect();
    let (started, count) = (AtomicUsize::new(0), paths.len());
    let paths: Vec<&Path> = paths.into_iter().collect();
    let probed = paths.into_par_iter().map(|path| {
        let index = started.fetch_add(1, Ordering::Relaxed);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        reporter.report(&Event::Input { name, index, count });
        (path.to_owned(), prober.duration(path))
    });
    probed.collect::<Vec<_>>().into_iter().collect()
}
