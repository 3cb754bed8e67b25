//! The clips that a command works through.

use affekt::Error;
use affekt_pipelines::dataset::{Manifest, Severity, Source};

use crate::cli::{self, Global};
use crate::output;

/// The clips of a dataset that a run is about. With labels, those that have one.
pub fn read(dataset: &cli::Dataset, shard: Option<cli::Share>, global: &Global) -> Result<Manifest, Error> {
    let cli::Dataset { name, root, labels } = dataset;
    let source = Source { dataset: name, root: root.as_deref(), labels: labels.as_deref() };
    let mut manifest = Manifest::read(&source)?.sound()?;
    let note = |text: String| {
        if !global.quiet {
            output::note(&(text + "\n"));
        }
    };
    let grave = manifest.problems.iter().filter(|problem| problem.severity == Severity::Error);
    if let (Some(first), count) = (grave.clone().next(), grave.count()) {
        note(format!(
            "warning: {count} problems in the dataset, the first: {first}; `affekt inventory` has them all"
        ));
    }
    let none = |name: &str, reason: String| Error::Setting { name: name.into(), reason };
    if manifest.rows.is_empty() {
        return Err(none("--dataset", format!("{name} has no clips")));
    }
    if let Some(labels) = labels {
        let all = manifest.rows.len();
        manifest.rows.retain(|row| row.label.is_some());
        let left_out = all - manifest.rows.len();
        if manifest.rows.is_empty() {
            return Err(none("--labels", format!("{} labels none of the {all} clips", labels.display())));
        }
        if left_out > 0 {
            note(format!("{left_out} of {all} clips have no label: they are left out"));
        }
    }
    match shard {
        Some(cli::Share { index, count }) => Ok(manifest.shard(index, count)?),
        None => Ok(manifest),
    }
}
