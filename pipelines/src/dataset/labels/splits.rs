//! How parts of a dataset are called in tables.

use super::columns::unquoted;
use crate::dataset::Split;

/// What stands where a clip belongs to no part.
const NONE: [&str; 4] = ["", "-", "none", "unused"];

/// The split that a field names, by its name or by number: 0 train, 1 valid, 2 test. `None` where it says that the clip is in
/// none of them: 3, `-`, `none`, `unused`, or nothing at all.
pub fn split_of(name: &str) -> Result<Option<Split>, ()> {
    match name {
        "0" => Ok(Some(Split::Train)),
        "1" => Ok(Some(Split::Valid)),
        "2" => Ok(Some(Split::Test)),
        "3" => Ok(None),
        name if NONE.iter().any(|none| name.eq_ignore_ascii_case(none)) => Ok(None),
        name => Split::named(name).map(Some).ok_or(()),
    }
}

/// The columns of a table that may tell of splits, while it is read.
pub struct Candidates<'t> {
    columns: Vec<Candidate<'t>>,
}

struct Candidate<'t> {
    name: &'t str,
    /// Fields below it that name a split, in words: numbers say many things.
    named: usize,
    /// Fields below it that do not.
    other: usize,
}

impl<'t> Candidates<'t> {
    pub fn of(header: &'t [String]) -> Self {
        Self { columns: header.iter().map(|name| Candidate { name, named: 0, other: 0 }).collect() }
    }

    pub fn look_at(&mut self, record: &csv::StringRecord) {
        for (column, field) in self.columns.iter_mut().zip(record) {
            let field = unquoted(field);
            if Split::named(field).is_some() {
                column.named += 1;
            } else if !NONE.iter().any(|none| field.eq_ignore_ascii_case(none)) {
                column.other += 1;
            }
        }
    }

    /// Those with `split` in their name, or with nothing else below it.
    pub fn names(&self) -> Vec<String> {
        let likely = |column: &&Candidate| {
            let is_called_so = column.name.to_ascii_lowercase().contains("split");
            is_called_so || column.named > 0 && column.other == 0
        };
        self.columns.iter().filter(likely).map(|column| column.name.to_owned()).collect()
    }
}
