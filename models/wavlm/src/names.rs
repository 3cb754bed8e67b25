//! Tensor names. Ours are those of the Hugging Face files with the weight norm of the positional convolution spelled
//! `weight_g`, `weight_v`.

use affekt_weights::KeyTable;

/// From Hugging Face names (both spellings of the weight norm, with or without the task heads' prefix) and unilm names
/// to ours.
pub const KEYS: KeyTable = KeyTable {
    prefixes: &["wavlm."],
    renames: &[
        (
            "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
            "encoder.pos_conv_embed.conv.weight_g",
        ),
        (
            "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
            "encoder.pos_conv_embed.conv.weight_v",
        ),
        // unilm: module lists with a number for each step, and fairseq's names.
        ("feature_extractor.conv_layers.*.0.*", "feature_extractor.conv_layers.*.conv.*"),
        ("feature_extractor.conv_layers.*.2.1.*", "feature_extractor.conv_layers.*.layer_norm.*"),
        ("feature_extractor.conv_layers.*.2.*", "feature_extractor.conv_layers.*.layer_norm.*"),
        ("layer_norm.*", "feature_projection.layer_norm.*"),
        ("post_extract_proj.*", "feature_projection.projection.*"),
        ("encoder.pos_conv.0.*", "encoder.pos_conv_embed.conv.*"),
        (
            "encoder.layers.*.self_attn.relative_attention_bias.weight",
            "encoder.layers.*.attention.rel_attn_embed.weight",
        ),
        ("encoder.layers.*.self_attn.grep_linear.*", "encoder.layers.*.attention.gru_rel_pos_linear.*"),
        ("encoder.layers.*.self_attn.grep_a", "encoder.layers.*.attention.gru_rel_pos_const"),
        ("encoder.layers.*.self_attn.**", "encoder.layers.*.attention.**"),
        ("encoder.layers.*.self_attn_layer_norm.*", "encoder.layers.*.layer_norm.*"),
        ("encoder.layers.*.fc1.*", "encoder.layers.*.feed_forward.intermediate_dense.*"),
        ("encoder.layers.*.fc2.*", "encoder.layers.*.feed_forward.output_dense.*"),
    ],
    // Stands in for masked frames while pre-training.
    ignored: &["masked_spec_embed", "mask_emb"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hugging_face_names_are_ours() {
        for (published, ours) in [
            ("feature_extractor.conv_layers.0.conv.weight", "feature_extractor.conv_layers.0.conv.weight"),
            ("wavlm.encoder.layer_norm.bias", "encoder.layer_norm.bias"),
            ("encoder.layers.2.attention.q_proj.weight", "encoder.layers.2.attention.q_proj.weight"),
            ("encoder.layers.2.final_layer_norm.weight", "encoder.layers.2.final_layer_norm.weight"),
            ("encoder.pos_conv_embed.conv.weight_g", "encoder.pos_conv_embed.conv.weight_g"),
            (
                "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
                "encoder.pos_conv_embed.conv.weight_v",
            ),
        ] {
            assert_eq!(KEYS.rename(published), ours);
        }
    }

    #[test]
    fn unilm_names_become_ours() {
        for (published, ours) in [
            ("feature_extractor.conv_layers.6.0.weight", "feature_extractor.conv_layers.6.conv.weight"),
            ("feature_extractor.conv_layers.6.2.1.bias", "feature_extractor.conv_layers.6.layer_norm.bias"),
            ("feature_extractor.conv_layers.0.2.weight", "feature_extractor.conv_layers.0.layer_norm.weight"),
            ("layer_norm.weight", "feature_projection.layer_norm.weight"),
            ("post_extract_proj.bias", "feature_projection.projection.bias"),
            ("encoder.pos_conv.0.weight_v", "encoder.pos_conv_embed.conv.weight_v"),
            ("encoder.layer_norm.weight", "encoder.layer_norm.weight"),
            (
                "encoder.layers.0.self_attn.relative_attention_bias.weight",
                "encoder.layers.0.attention.rel_attn_embed.weight",
            ),
            (
                "encoder.layers.9.self_attn.grep_linear.bias",
                "encoder.layers.9.attention.gru_rel_pos_linear.bias",
            ),
            ("encoder.layers.9.self_attn.grep_a", "encoder.layers.9.attention.gru_rel_pos_const"),
            ("encoder.layers.9.self_attn.out_proj.weight", "encoder.layers.9.attention.out_proj.weight"),
            ("encoder.layers.9.self_attn_layer_norm.bias", "encoder.layers.9.layer_norm.bias"),
            ("encoder.layers.9.final_layer_norm.bias", "encoder.layers.9.final_layer_norm.bias"),
            ("encoder.layers.9.fc1.bias", "encoder.layers.9.feed_forward.intermediate_dense.bias"),
            ("encoder.layers.9.fc2.weight", "encoder.layers.9.feed_forward.output_dense.weight"),
        ] {
            assert_eq!(KEYS.rename(published), ours);
        }
        assert!(KEYS.is_ignored("mask_emb"));
    }
}
