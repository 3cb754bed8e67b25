//! The members and their allowed edges, as data. The book's architecture page tells the same in words.

/// Where a member stands. A member may depend on any member of a lower layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Vocabulary.
    Core,
    /// One kind of work each; knows no network by name.
    Machinery,
    /// One network each.
    Network,
    /// Stages in order.
    Flow,
    /// What users see.
    Product,
    /// Never part of the product; nobody depends on it but in `[dev-dependencies]`.
    Dev,
}

/// Every member of the workspace.
pub const MEMBERS: [(&str, Layer); 20] = [
    ("crates/core", Layer::Core),
    ("crates/media", Layer::Machinery),
    ("crates/faces", Layer::Machinery),
    ("crates/weights", Layer::Machinery),
    ("crates/nn", Layer::Machinery),
    ("crates/generate", Layer::Machinery),
    ("crates/cache", Layer::Machinery),
    ("crates/report", Layer::Machinery),
    ("crates/train", Layer::Machinery),
    ("models/wavlm", Layer::Network),
    ("models/manet", Layer::Network),
    ("models/llama", Layer::Network),
    ("models/sdumc", Layer::Network),
    ("models/whisper", Layer::Network),
    ("pipelines", Layer::Flow),
    ("crates/affekt", Layer::Product),
    ("crates/testkit", Layer::Dev),
    ("crates/replica", Layer::Dev),
    ("crates/xtask", Layer::Dev),
    ("tests", Layer::Dev),
];

/// Edges within a layer. There is no other.
const SIDEWAYS: [(&str, &str); 4] = [
    ("crates/faces", "crates/nn"),
    ("crates/faces", "crates/weights"),
    ("crates/generate", "crates/nn"),
    ("crates/train", "crates/nn"),
];

/// Members that may depend on these alone.
const ONLY: [(&str, &[&str]); 2] = [
    // Set-up has to build before anything else can.
    ("crates/xtask", &[]),
    // What the product is judged by is made without what is judged; errors are measured alike.
    ("crates/replica", &["crates/core", "crates/report"]),
];

/// The layer of the member in `folder`.
pub fn layer(folder: &str) -> Option<Layer> {
    MEMBERS.iter().find(|(name, _)| *name == folder).map(|(_, layer)| *layer)
}

/// Whether the member in folder `from` may depend on the one in folder `to`, outside of `[dev-dependencies]`.
pub fn allowed(from: &str, to: &str) -> bool {
    if let Some((_, only)) = ONLY.iter().find(|(member, _)| *member == from) {
        return only.contains(&to);
    }
    match (layer(from), layer(to)) {
        (Some(_), Some(Layer::Dev)) | (None, _) | (_, None) => false,
        (Some(above), Some(below)) => below < above || SIDEWAYS.contains(&(from, to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_point_down_or_are_listed() {
        assert!(allowed("crates/media", "crates/core"));
        assert!(allowed("models/wavlm", "crates/nn"));
        assert!(allowed("crates/affekt", "models/sdumc"));
        assert!(allowed("crates/faces", "crates/nn"));
        assert!(allowed("crates/replica", "crates/core"));
    }

    #[test]
    fn edges_up_sideways_and_to_dev_members_are_refused() {
        for (from, to) in [
            ("crates/core", "crates/media"),
            ("crates/nn", "models/wavlm"),
            ("crates/nn", "crates/faces"),
            ("models/llama", "models/wavlm"),
            ("pipelines", "crates/affekt"),
            ("crates/affekt", "crates/testkit"),
            ("crates/xtask", "crates/core"),
            ("crates/replica", "crates/media"),
            ("tests", "crates/replica"),
            ("crates/affekt", "crates/unheard-of"),
        ] {
            assert!(!allowed(from, to), "{from} -> {to}");
        }
    }
}
