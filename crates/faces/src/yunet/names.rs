//! Names in the published files. The network has those of its PyTorch code (`libfacedetection.train`).

use affekt_weights::KeyTable;

/// The table of the published files. The ONNX exports have batch normalisation folded into the convolution before it,
/// and for every convolution so changed the exporter made a number of its name; the numbers are the same in all of them.
pub const KEYS: KeyTable = KeyTable {
    prefixes: &["module."],
    renames: &[
        ("459", "backbone.model0.conv1.weight"),
        ("460", "backbone.model0.conv1.bias"),
        ("462", "backbone.model0.conv2.conv2.weight"),
        ("463", "backbone.model0.conv2.conv2.bias"),
        ("465", "backbone.model1.conv1.conv2.weight"),
        ("466", "backbone.model1.conv1.conv2.bias"),
        ("468", "backbone.model1.conv2.conv2.weight"),
        ("469", "backbone.model1.conv2.conv2.bias"),
        ("471", "backbone.model2.conv1.conv2.weight"),
        ("472", "backbone.model2.conv1.conv2.bias"),
        ("474", "backbone.model2.conv2.conv2.weight"),
        ("475", "backbone.model2.conv2.conv2.bias"),
        ("477", "backbone.model3.conv1.conv2.weight"),
        ("478", "backbone.model3.conv1.conv2.bias"),
        ("480", "backbone.model3.conv2.conv2.weight"),
        ("481", "backbone.model3.conv2.conv2.bias"),
        ("483", "backbone.model4.conv1.conv2.weight"),
        ("484", "backbone.model4.conv1.conv2.bias"),
        ("486", "backbone.model4.conv2.conv2.weight"),
        ("487", "backbone.model4.conv2.conv2.bias"),
        ("489", "backbone.model5.conv1.conv2.weight"),
        ("490", "backbone.model5.conv1.conv2.bias"),
        ("492", "backbone.model5.conv2.conv2.weight"),
        ("493", "backbone.model5.conv2.conv2.bias"),
        ("495", "neck.lateral_convs.2.conv2.weight"),
        ("496", "neck.lateral_convs.2.conv2.bias"),
        ("498", "neck.lateral_convs.1.conv2.weight"),
        ("499", "neck.lateral_convs.1.conv2.bias"),
        ("501", "neck.lateral_convs.0.conv2.weight"),
        ("502", "neck.lateral_convs.0.conv2.bias"),
        ("504", "bbox_head.multi_level_share_convs.0.0.conv2.weight"),
        ("505", "bbox_head.multi_level_share_convs.0.0.conv2.bias"),
        ("507", "bbox_head.multi_level_share_convs.1.0.conv2.weight"),
        ("508", "bbox_head.multi_level_share_convs.1.0.conv2.bias"),
        ("510", "bbox_head.multi_level_share_convs.2.0.conv2.weight"),
        ("511", "bbox_head.multi_level_share_convs.2.0.conv2.bias"),
    ],
    // Shapes and scales that the exported graphs keep among their weights.
    #[rustfmt::skip]
    ignored: &[
        "**.num_batches_tracked",
        "267", "322", "329", "401", "434", "512", "513", "514", "515", "516", "517", "518", "519", "520",
        "521", "522", "523", "524", "525", "526", "527", "528", "529", "530", "531", "532", "533", "534",
        "535", "536", "537",
    ],
};
