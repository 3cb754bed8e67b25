//! Published tensor names.

use affekt_weights::KeyTable;

/// Names as transformers publishes them: `model.encoder.layers.0.fc1.weight`; also without the leading `model.`, as a
/// network without its output head is saved.
pub const KEYS: KeyTable = KeyTable {
    prefixes: &[],
    renames: &[("encoder.**", "model.encoder.**"), ("decoder.**", "model.decoder.**")],
    // The output head is the embedding table; some files hold it twice. The encoder's positions follow from its width.
    ignored: &["proj_out.weight", "model.encoder.embed_positions.weight"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_published_spellings_are_ours() {
        let name = "model.decoder.layers.3.encoder_attn.k_proj.weight";
        assert_eq!(KEYS.rename(name), name);
        assert_eq!(KEYS.rename("decoder.layers.3.encoder_attn.k_proj.weight"), name);
        assert_eq!(KEYS.rename("encoder.conv1.bias"), "model.encoder.conv1.bias");
    }

    #[test]
    fn what_is_tied_or_computed_are_the_only_extras() {
        assert!(KEYS.is_ignored("proj_out.weight"));
        assert!(KEYS.is_ignored(&KEYS.rename("encoder.embed_positions.weight")));
        assert!(!KEYS.is_ignored("model.decoder.embed_positions.weight"));
        assert!(!KEYS.is_ignored("model.encoder.layers.9.fc1.weight"));
    }
}
