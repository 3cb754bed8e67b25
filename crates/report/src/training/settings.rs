//! Settings as a flat list: for reading, and for telling two runs apart.

use serde_json::Value;

/// Every setting by its path, such as `settings.loss.rnc`, with its value as JSON; a text stands without its quotes.
pub fn flat(config: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(config, &mut String::new(), &mut found);
    found
}

/// The settings without the seed: what makes two runs one experiment.
pub fn but_seed(config: &Value) -> Value {
    let mut config = config.clone();
    if let Value::Object(members) = &mut config {
        members.shift_remove("seed");
    }
    config
}

fn walk(value: &Value, path: &mut String, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let end = path.len();
                if end > 0 {
                    path.push('.');
                }
                path.push_str(name);
                walk(member, path, found);
                path.truncate(end);
            }
        }
        Value::String(text) => found.push((path.clone(), text.clone())),
        other => found.push((path.clone(), other.to_string())),
    }
}

/// Settings of `other` that differ from those of `first`, as `path = value`; one that only `first` has is `path` alone, gone.
pub fn differences(first: &Value, other: &Value) -> Vec<String> {
    let (first, other) = (flat(&but_seed(first)), flat(&but_seed(other)));
    let changed = other
        .iter()
        .filter(|setting| !first.contains(setting))
        .map(|(path, value)| format!("{path} = {value}"));
    let gone = first.iter().filter(|(path, _)| !other.iter().any(|(name, _)| name == path));
    changed.chain(gone.map(|(path, _)| format!("no {path}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_told_apart_by_their_path() {
        let first = json!({"seed": 1, "rate": 1e-4, "loss": {"rs": 0.1, "rnc": 0.5}, "empty": {}});
        let other = json!({"seed": 2, "rate": 1e-4, "loss": {"rs": 0.0}, "name": "x", "empty": {}});
        assert_eq!(differences(&first, &other), ["loss.rs = 0.0", "name = x", "no loss.rnc"]);
        assert_eq!(differences(&first, &first), [""; 0]);
        assert_eq!(flat(&first)[4], ("empty".into(), "{}".into()));
    }
}
