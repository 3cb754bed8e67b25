//! The table that names the clips of an array.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use affekt_core::ClipId;
use csv::StringRecord;

use crate::Error;
use crate::npy::Stack;

/// A table, TSV or CSV, with a header line and below it a line for each clip of an array. Names of columns are found in any
/// letter case.
#[derive(Clone, Debug)]
pub struct Index {
    /// The file, in UTF-8.
    pub path: PathBuf,
    /// The column of the clips' ids; `id` by default.
    pub id: Option<String>,
    /// The column of their places in the array, from 0; `row` by default, where there is one. Without such a column the
    /// lines stand in the order of the array.
    pub row: Option<String>,
    /// The column that says how many of a clip's rows are its own, and not padding; by default all are.
    pub length: Option<String>,
}

/// What a line says of the clip in its place of the array.
#[derive(Debug)]
pub struct Entry {
    pub id: ClipId,
    /// Rows that are the clip's own.
    pub length: usize,
}

/// Columns by what they say, from 0.
struct Columns {
    id: usize,
    row: Option<usize>,
    length: Option<usize>,
}

/// The lines of a table, and where each begins.
struct Table {
    header: Vec<String>,
    lines: Vec<(usize, StringRecord)>,
}

impl Index {
    /// An entry for each clip of `array`, the file `path`, in its order.
    pub fn read(&self, array: &Stack, path: &Path) -> Result<Vec<Entry>, Error> {
        let table = self.table()?;
        let columns = self.columns(&table.header)?;
        if table.lines.len() != array.clips {
            let (clips, lines) = (array.clips, table.lines.len());
            return Err(Error::Mismatch { array: path.into(), clips, index: self.path.clone(), lines });
        }
        let mut ids: HashMap<ClipId, usize> = HashMap::new();
        let mut entries: Vec<Option<(usize, Entry)>> = table.lines.iter().map(|_| None).collect();
        for (place, (line, fields)) in table.lines.iter().enumerate() {
            let bad = |reason| self.bad(*line, reason);
            let id = id(&fields[columns.id]).map_err(bad)?;
            if let Some(first) = ids.insert(id.clone(), *line) {
                return Err(bad(format!("the id {:?} stands in line {first}, too", id.as_str())));
            }
            let row =
                columns.row.map_or(Ok(place), |column| row(&fields[column], array.clips)).map_err(bad)?;
            let length = columns.length.map_or(Ok(array.rows), |column| length(&fields[column], array.rows));
            let entry = Entry { id, length: length.map_err(bad)? };
            if let Some((first, _)) = &entries[row] {
                return Err(bad(format!("the row {row} is that of line {first}, too")));
            }
            entries[row] = Some((*line, entry));
        }
        // As many lines as clips, and none twice: there is one for each.
        Ok(entries.into_iter().flatten().map(|(_, entry)| entry).collect())
    }

    fn table(&self) -> Result<Table, Error> {
        let text = self.text()?;
        let first = text.lines().find(|line| !line.trim().is_empty());
        let first = first.ok_or_else(|| self.bad(1, "it is empty".to_owned()))?;
        // Tables with tabs quote nothing: a text there may begin with a quote.
        let (delimiter, quoting) = if first.contains('\t') { (b'\t', false) } else { (b',', true) };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(quoting)
            .flexible(true)
            .from_reader(text.as_bytes());
        let unread = |error: csv::Error| {
            let line = error.position().map_or(1, |position| position.line() as usize);
            self.bad(line, error.to_string())
        };
        let header: Vec<String> =
            reader.headers().map_err(unread)?.iter().map(|name| unquoted(name).to_owned()).collect();
        let mut lines = Vec::new();
        for record in reader.records() {
            let record = record.map_err(unread)?;
            let line = record.position().map_or(0, |position| position.line() as usize);
            if record.len() != header.len() {
                let reason = format!("it has {} fields, the header has {}", record.len(), header.len());
                return Err(self.bad(line, reason));
            }
            lines.push((line, record));
        }
        Ok(Table { header, lines })
    }

    fn text(&self) -> Result<String, Error> {
        let io = |source| Error::Read { path: self.path.clone(), source };
        let about = self.path.metadata().map_err(io)?;
        // Before it is opened: opening a pipe waits for somebody to write, and a device may never end.
        if !about.is_file() && !about.is_dir() {
            return Err(Error::NotFile { path: self.path.clone() });
        }
        let bytes = fs::read(&self.path).map_err(io)?;
        // A byte order mark is Windows' way to say UTF-8.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                Err(self.bad(line, "it is not UTF-8".to_owned()))
            }
        }
    }

    fn columns(&self, found: &[String]) -> Result<Columns, Error> {
        let failed = |reason| Error::Columns { path: self.path.clone(), found: found.to_vec(), reason };
        let column = |name: &str| {
            let mut places = found.iter().enumerate().filter(|(_, column)| column.eq_ignore_ascii_case(name));
            match (places.next(), places.next()) {
                (Some(_), Some(_)) => Err(failed(format!("{name} is there twice"))),
                (place, _) => Ok(place.map(|(place, _)| place)),
            }
        };
        let needed = |name: &str, says: &str| {
            column(name)?.ok_or_else(|| failed(format!("none is called {name}, which says {says}")))
        };
        let id = needed(self.id.as_deref().unwrap_or("id"), "which clip a line is for")?;
        let row = match self.row.as_deref() {
            Some(name) => Some(needed(name, "which row of the array a line is for")?),
            None => column("row")?,
        };
        let length = self.length.as_deref().map(|name| needed(name, "how many rows a clip has"));
        Ok(Columns { id, row, length: length.transpose()? })
    }

    fn bad(&self, line: usize, reason: String) -> Error {
        Error::BadIndex { path: self.path.clone(), line, reason }
    }
}

fn id(field: &str) -> Result<ClipId, String> {
    match unquoted(field) {
        "" => Err("it names no clip: its id is empty".to_owned()),
        name => ClipId::new(name).map_err(|error| error.to_string()),
    }
}

fn row(field: &str, clips: usize) -> Result<usize, String> {
    let row = whole("row", field)?;
    match row < clips {
        true => Ok(row),
        false => Err(format!("there is no row {row}: the array has rows 0 to {}", clips - 1)),
    }
}

fn length(field: &str, rows: usize) -> Result<usize, String> {
    let length = whole("length", field)?;
    match length <= rows {
        true => Ok(length),
        false => {
            Err(format!("the length {length} is more than the {rows} rows that the array has for a clip"))
        }
    }
}

fn whole(name: &str, field: &str) -> Result<usize, String> {
    let field = unquoted(field);
    let digits = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
    let number = field.parse().ok().filter(|_| digits);
    number.ok_or_else(|| format!("the {name} {field:?} is not a whole number"))
}

/// A field without blanks and quotes around it: where tables with tabs quote, they quote the whole field.
fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}
