//! Published tensor names.

use affekt_weights::KeyTable;

/// Names as transformers publishes them, without the leading `model.`: `layers.0.self_attn.q_proj.weight`,
/// `lm_head.weight`. Early releases also store the rotary frequencies, which follow from the configuration.
pub const KEYS: KeyTable = KeyTable {
    prefixes: &["model."],
    renames: &[],
    ignored: &["**.rotary_emb.inv_freq", "rotary_emb.inv_freq"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_names_lose_their_prefix() {
        assert_eq!(KEYS.rename("model.layers.31.mlp.up_proj.weight"), "layers.31.mlp.up_proj.weight");
        assert_eq!(KEYS.rename("lm_head.weight"), "lm_head.weight");
    }

    #[test]
    fn stored_frequencies_are_the_only_extras() {
        for name in ["model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq"] {
            assert!(KEYS.is_ignored(&KEYS.rename(name)), "{name}");
        }
        assert!(!KEYS.is_ignored("layers.32.mlp.up_proj.weight"));
    }
}
