//! From published tensor names to ours.

/// How the names in a published checkpoint become a network's own. Patterns are dotted names in which `*` stands for
/// any one segment, and `**`, first or last, for one or more.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyTable {
    /// Leading parts that some releases put before every name; taken off, in this order, where present.
    pub prefixes: &'static [&'static str],
    /// Pattern and replacement: the segments that `*` stood for are filled in, in order. The first match counts.
    pub renames: &'static [(&'static str, &'static str)],
    /// Patterns (of our names) of tensors that the network does not use and that may be there.
    pub ignored: &'static [&'static str],
}

impl KeyTable {
    /// The table of a network that is published under the names that it has here.
    pub const IDENTITY: Self = Self { prefixes: &[], renames: &[], ignored: &[] };

    /// Our name for the published name `key`.
    pub fn rename(&self, key: &str) -> String {
        let mut key = key;
        for prefix in self.prefixes {
            key = key.strip_prefix(prefix).unwrap_or(key);
        }
        for (pattern, replacement) in self.renames {
            if let Some(captured) = capture(pattern, key) {
                return fill(replacement, &captured);
            }
        }
        key.to_owned()
    }

    /// Whether the tensor that we call `name` may stay unused.
    pub fn is_ignored(&self, name: &str) -> bool {
        self.ignored.iter().any(|pattern| capture(pattern, name).is_some())
    }
}

/// What the wildcards of `pattern` stand for in `key`; `None` where it does not match.
fn capture<'k>(pattern: &str, key: &'k str) -> Option<Vec<&'k str>> {
    if let Some(ending) = pattern.strip_prefix("**.") {
        let depth = ending.split('.').count();
        let (at, _) = key.rmatch_indices('.').nth(depth - 1)?;
        let mut captured = vec![&key[..at]];
        captured.extend(capture(ending, &key[at + 1..])?);
        return Some(captured);
    }
    let mut captured = Vec::new();
    let mut rest = Some(key);
    for part in pattern.split('.') {
        let key = rest?;
        if part == "**" {
            captured.push(key);
            return Some(captured);
        }
        let (segment, after) = match key.split_once('.') {
            Some((segment, after)) => (segment, Some(after)),
            None => (key, None),
        };
        match part {
            "*" => captured.push(segment),
            _ if part == segment => {}
            _ => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(captured)
}

fn fill(replacement: &str, captured: &[&str]) -> String {
    let mut next = captured.iter();
    let filled = replacement.split('.').map(|part| match part {
        "*" | "**" => next.next().copied().unwrap_or(part),
        _ => part,
    });
    filled.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: KeyTable = KeyTable {
        prefixes: &["module.", "model."],
        renames: &[("layers.*.fc1.**", "encoder.*.up.**"), ("old", "new")],
        ignored: &["fc_1.*", "**.num_batches_tracked", "*.extra.**"],
    };

    #[test]
    fn prefixes_go_and_segments_are_carried_over() {
        assert_eq!(TABLE.rename("module.model.layers.3.fc1.weight"), "encoder.3.up.weight");
        assert_eq!(
            TABLE.rename("layers.3.fc1.parametrizations.weight"),
            "encoder.3.up.parametrizations.weight"
        );
        assert_eq!(TABLE.rename("old"), "new");
        assert_eq!(TABLE.rename("older"), "older");
        assert_eq!(TABLE.rename("layers.3.fc2.weight"), "layers.3.fc2.weight");
    }

    #[test]
    fn only_named_extras_are_ignored() {
        assert!(TABLE.is_ignored("fc_1.weight"));
        assert!(TABLE.is_ignored("a.extra.b.c"));
        assert!(TABLE.is_ignored("layer1.0.bn1.num_batches_tracked"));
        assert!(!TABLE.is_ignored("num_batches_tracked"));
        assert!(!TABLE.is_ignored("fc_1.weight.more"));
        assert!(!TABLE.is_ignored("fc_2.weight"));
        assert!(!TABLE.is_ignored("extra"));
    }
}
