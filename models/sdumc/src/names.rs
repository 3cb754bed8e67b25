//! Names in published checkpoints. The network keeps them; only prefixes go.

use affekt_weights::KeyTable;

use crate::{Config, Mia};

/// Data parallelism and the authors' trainer each wrap the model once, in either order.
const PREFIXES: &[&str] = &["module.", "model.", "module."];

const WITH_MIA: KeyTable = KeyTable {
    prefixes: PREFIXES,
    renames: &[],
    ignored: &["fc_out_e.**", "fc_out_ev.**", "prelu.**", "layer_normali.**", "normali.**"],
};

const WITHOUT_MIA: KeyTable = KeyTable {
    prefixes: PREFIXES,
    renames: &[],
    ignored: &[
        "fc_out_e.**",
        "fc_out_ev.**",
        "prelu.**",
        "layer_normali.**",
        "normali.**",
        "missing_text_imagination_mlp.**",
        "missing_cross_text_query_imagination_mlp.**",
    ],
};

/// The table for a network of these settings: with the imagination off its published tensors are ignored too.
pub fn keys(cfg: &Config) -> &'static KeyTable {
    match cfg.mia {
        Mia::Off => &WITHOUT_MIA,
        Mia::ResidualAe(_) | Mia::Equation => &WITH_MIA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_go_in_either_order() {
        for key in
            ["fc_att.bias", "model.fc_att.bias", "module.model.fc_att.bias", "model.module.fc_att.bias"]
        {
            assert_eq!(WITH_MIA.rename(key), "fc_att.bias");
        }
    }

    #[test]
    fn imagination_is_ignored_only_where_it_is_off() {
        let name = "missing_text_imagination_mlp.transition.0.weight";
        let off = Config { mia: Mia::Off, ..Config::default() };
        assert!(keys(&off).is_ignored(name));
        assert!(!keys(&Config::default()).is_ignored(name));
        assert!(keys(&Config::default()).is_ignored("normali.running_mean"));
        assert!(!keys(&off).is_ignored("fc_out_v.weight"));
    }
}
