//! `.npy` files of another program into a store.
//!
//! | module | holds |
//! |---|---|
//! | `folder` | [`import`]: a file a clip |
//! | `table` | [`import_table`]: one file of all clips, and the table that names them |
//! | `index` | [`Index`]: that table |

mod folder;
mod index;
mod table;

use std::path::Path;

use affekt_core::{ClipId, Digest, Event, FeatureKind, FeatureSpec, LayerRule, Reporter};

use crate::{Error, Facts, ShardWriter, Status, Store};

pub use folder::import;
pub use index::Index;
pub use table::import_table;

/// Bytes of features after which a shard is written.
const SHARD: usize = 64 << 20;
/// The stage that a failed row names.
const STAGE: &str = "import";

/// What the user knows of features that another program has made.
#[derive(Clone, Debug)]
pub struct Description {
    /// Which feature they are.
    pub kind: FeatureKind,
    /// The network, by name.
    pub encoder: String,
    /// Digest of its weights; where it is not known, the digest of the files stands for it.
    pub weights: Option<Digest>,
    /// Which hidden states.
    pub layers: Option<LayerRule>,
    /// What was done to the input, in order.
    pub preprocessing: Vec<String>,
    /// Numbers a row; by default those of the first file that can be read.
    pub width: Option<usize>,
    /// How the numbers shall be kept: `f32`, `f16` or `bf16`.
    pub dtype: String,
    /// What one row stands for: `20ms`, `frame`, `token`; by default what it is where this program makes the feature, and
    /// `clip` where an array has one row a clip.
    pub row: Option<String>,
}

/// What was imported.
#[derive(Debug)]
pub struct Imported {
    /// The recipe under which the features lie.
    pub spec: FeatureSpec,
    /// Features that were taken.
    pub written: usize,
    /// Features that were there already.
    pub already: usize,
    /// Clips whose numbers cannot be taken, and why; each is a failed row.
    pub failed: Vec<(ClipId, String)>,
    /// Files of other kinds, which were left alone.
    pub ignored: usize,
}

impl Description {
    /// The recipe of imported features. Its last step is `imported-` with the digest of their source: features of another
    /// origin never mix with these, and running again over the same files goes on.
    fn spec(&self, width: usize, source: &Digest, one_row: bool) -> FeatureSpec {
        let Self { kind, encoder, weights, layers, preprocessing, dtype, row, .. } = self.clone();
        let imported = format!("imported-{source}");
        let preprocessing = preprocessing.into_iter().chain([imported]).collect();
        let weights = weights.unwrap_or_else(|| source.clone());
        let usual = match kind {
            _ if one_row => "clip",
            FeatureKind::Audio | FeatureKind::Speech => "20ms",
            FeatureKind::Video => "frame",
            FeatureKind::Text | FeatureKind::Simulated => "token",
        };
        let row = row.unwrap_or_else(|| usual.to_owned());
        FeatureSpec { kind, encoder, weights, layers, preprocessing, width, dtype, row }
    }
}

/// Features on their way into a store, a shard at a time.
struct Intake<'r> {
    store: Store,
    writer: ShardWriter,
    imported: Imported,
    reporter: &'r dyn Reporter,
    /// How many clips the source has.
    count: usize,
}

impl<'r> Intake<'r> {
    fn open(
        cache: &Path,
        spec: FeatureSpec,
        count: usize,
        reporter: &'r dyn Reporter,
    ) -> Result<Self, Error> {
        let store = Store::open(cache, &spec)?;
        let writer = store.writer()?;
        let imported = Imported { spec, written: 0, already: 0, failed: Vec::new(), ignored: 0 };
        Ok(Self { store, writer, imported, reporter, count })
    }

    /// Whether the clip needs no work. The recipe names the bytes of its source: what was said of it before still holds.
    fn knows(&mut self, id: &ClipId) -> bool {
        match self.store.clip(id).map(|clip| &clip.status) {
            Some(Status::Failed { reason, .. } | Status::Absent { reason }) => {
                self.imported.failed.push((id.clone(), reason.clone()));
            }
            Some(Status::Done { .. }) => self.imported.already += 1,
            None => return false,
        }
        true
    }

    /// Tells of the clip with this number among all.
    fn announce(&self, id: &ClipId, index: usize) {
        self.reporter.report(&Event::Input { name: id.to_string(), index, count: self.count });
    }

    /// Takes the numbers of a clip, or why it has none, as a row of the next shard.
    fn take(&mut self, id: ClipId, facts: Facts, numbers: Result<&[f32], String>) -> Result<(), Error> {
        let added = match numbers {
            Ok(numbers) => self.writer.add(id.clone(), facts.clone(), numbers),
            Err(reason) => Err(Error::BadFeature { clip: id.clone(), reason }),
        };
        match added {
            Ok(()) => self.imported.written += 1,
            Err(Error::BadFeature { reason, .. }) => {
                self.writer.add_failure(id.clone(), facts, STAGE, reason.clone())?;
                self.imported.failed.push((id, reason));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Writes a shard where there is enough for one.
    fn flush(&mut self) -> Result<(), Error> {
        if self.writer.pending_bytes() > SHARD {
            std::mem::replace(&mut self.writer, self.store.writer()?).commit()?;
        }
        Ok(())
    }

    fn close(self) -> Result<Imported, Error> {
        self.writer.commit()?;
        Ok(self.imported)
    }
}
