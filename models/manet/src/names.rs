//! Names in published checkpoints. The network keeps them; only the prefix of data parallelism goes.

use affekt_weights::KeyTable;

/// The table of the published checkpoint: its classifiers and its training statistics are not used here.
pub const KEYS: KeyTable = KeyTable {
    prefixes: &["module."],
    renames: &[],
    ignored: &["fc_1.*", "fc_2.*", "**.num_batches_tracked"],
};
