//! A table laid over its base; single settings.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::presets;
use crate::train::Error;

/// The key that names the base.
const BASE: &str = "base";

/// The table called `name`, on its bases. A base is one that comes with affekt, so that a file means the same everywhere.
pub fn whole(name: &str) -> Result<Table, Error> {
    let text = match presets::text(name) {
        Some(text) => text.to_owned(),
        None => file(name)?,
    };
    let bad = |reason: String| Error::Config { name: name.into(), reason };
    // Its message has the line and what stands there.
    let mut table: Table = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
    match table.remove(BASE) {
        None => Ok(table),
        Some(Value::String(base)) if base == name => Err(bad("its base is itself".into())),
        Some(Value::String(base)) if presets::text(&base).is_some() => {
            let mut whole = whole(&base)?;
            lay(&mut whole, table);
            Ok(whole)
        }
        Some(base) => Err(bad(format!("its base is {base}; there are {}", presets::NAMES.join(", ")))),
    }
}

fn file(name: &str) -> Result<String, Error> {
    let path = Path::new(name);
    if !path.is_file() {
        return Err(Error::NoConfig { name: name.into() });
    }
    fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })
}

/// Lays `over` on `under`: tables are joined, everything else is replaced.
fn lay(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => lay(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// One setting as `training.epochs=3`: a line of TOML. Bare words count as texts.
pub fn change(table: &mut Table, change: &str) -> Result<(), Error> {
    let bad = || Error::Change { text: change.into() };
    let parse = |line: &str| toml::from_str::<Table>(line).ok();
    let (key, value) = change.split_once('=').ok_or_else(bad)?;
    let quoted = || parse(&format!("{key}={}", Value::String(value.trim().into())));
    lay(table, parse(change).or_else(quoted).ok_or_else(bad)?);
    Ok(())
}

/// The key of a number that is NaN or infinite: JSON, in which settings reach their method, has no word for it.
pub fn not_finite(table: &Table) -> Option<String> {
    fn within(value: &Value) -> Option<String> {
        match value {
            Value::Float(number) if !number.is_finite() => Some(String::new()),
            Value::Table(table) => not_finite(table).map(|key| format!(".{key}")),
            Value::Array(values) => values.iter().find_map(within),
            _ => None,
        }
    }
    table.iter().find_map(|(key, value)| within(value).map(|rest| format!("{key}{rest}")))
}

/// A message about types in the words of a configuration.
pub fn plain(message: &str) -> String {
    let words = [
        ("expected usize", "expected a whole number, not negative"),
        ("expected u64", "expected a whole number, not negative"),
        ("expected f64", "expected a number"),
    ];
    let message = words.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to));
    match message.split_once("expected struct ") {
        Some((before, name)) => {
            let rest = name.trim_start_matches(|letter: char| letter.is_alphanumeric());
            format!("{before}expected a table{rest}")
        }
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_joined_and_values_replaced() {
        let mut under: Table = toml::from_str("a = 1\n[t]\nb = [1, 2]\nc = 3").unwrap();
        lay(&mut under, toml::from_str("[t]\nb = [4]\nd = 5").unwrap());
        assert_eq!(under, toml::from_str("a = 1\n[t]\nb = [4]\nc = 3\nd = 5").unwrap());
    }

    #[test]
    fn a_change_is_toml_or_a_word() {
        let mut table = Table::new();
        for text in ["a.b=3", "a.c = 0.5", "d=last", "e=[1, 2]", "f = \"x\""] {
            change(&mut table, text).unwrap();
        }
        let want = "d = \"last\"\ne = [1, 2]\nf = \"x\"\n[a]\nb = 3\nc = 0.5";
        assert_eq!(table, toml::from_str(want).unwrap());
        for text in ["a", "=3", "a b=3"] {
            assert!(change(&mut Table::new(), text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_stands_on_a_preset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            whole(path.to_str().unwrap())
        };
        let table = read("base = \"no-mia\"\n[training]\nepochs = 2").unwrap();
        assert_eq!(table["training"]["epochs"], Value::Integer(2));
        assert_eq!(table["settings"]["mia"], Value::String("off".into()));
        assert!(read("base = \"nothing\"").unwrap_err().to_string().contains("no-rnc"));
        let error = read("[training\nepochs = 2").unwrap_err().to_string();
        assert!(error.contains("mine.toml") && error.contains("line 1"), "{error}");
    }
}
