//! Published tensor names.

use affekt_weights::KeyTable;

/// Names as transformers publishes them, without the leading `model.`: `layers.0.self_attn.q_proj.weight`,
/// `lm_head.weight`. Early releases also store the rotary frequencies, which follow from the configuration.
pub const KEYS: KeyTable = KeyTable {
    prefixes: &["model."],
    renames: &[],
    ignored: &["**.rotary_emb.inv_freq", "rotary_emb.inv_freq"],
};

/// Names in GGUF files, as llama.cpp writes them: `blk.0.attn_q.weight`, `output.weight`.
pub const GGUF_KEYS: KeyTable = KeyTable {
    prefixes: &[],
    renames: &[
        ("blk.*.attn_norm.weight", "layers.*.input_layernorm.weight"),
        ("blk.*.attn_q.weight", "layers.*.self_attn.q_proj.weight"),
        ("blk.*.attn_k.weight", "layers.*.self_attn.k_proj.weight"),
        ("blk.*.attn_v.weight", "layers.*.self_attn.v_proj.weight"),
        ("blk.*.attn_output.weight", "layers.*.self_attn.o_proj.weight"),
        ("blk.*.ffn_norm.weight", "layers.*.post_attention_layernorm.weight"),
        ("blk.*.ffn_gate.weight", "layers.*.mlp.gate_proj.weight"),
        ("blk.*.ffn_up.weight", "layers.*.mlp.up_proj.weight"),
        ("blk.*.ffn_down.weight", "layers.*.mlp.down_proj.weight"),
        ("token_embd.weight", "embed_tokens.weight"),
        ("output_norm.weight", "norm.weight"),
        ("output.weight", "lm_head.weight"),
    ],
    ignored: &[],
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
