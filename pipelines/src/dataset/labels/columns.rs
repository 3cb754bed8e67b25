//! Which column of a table says what.

use std::path::Path;

use crate::dataset::Error;

/// Places of the columns, from 0.
pub struct Columns {
    pub id: Option<usize>,
    pub video: Option<usize>,
    pub clip: Option<usize>,
    pub start: Option<usize>,
    pub end: Option<usize>,
    pub label: usize,
    pub split: Option<usize>,
    /// Whether the labels are rounded ones.
    pub rounded: bool,
}

impl Columns {
    /// Finds them in the header `found` of the table `path`, in any letter case; `split` names that of the splits.
    pub fn of(path: &Path, found: &[String], split: Option<&str>) -> Result<Self, Error> {
        let failed = |reason: String| Error::Columns { path: path.into(), found: found.to_vec(), reason };
        let column = |names: &[&str]| {
            let named = |name: &&str| found.iter().position(|column| column.eq_ignore_ascii_case(name));
            let twice =
                |name: &&&str| found.iter().filter(|column| column.eq_ignore_ascii_case(name)).count() > 1;
            match names.iter().find(twice) {
                Some(name) => Err(failed(format!("{name} is there twice"))),
                None => Ok(names.iter().find_map(named)),
            }
        };
        let id = column(&["id"])?;
        let video = column(&["video", "video_id", "file"])?;
        let clip = column(&["clip", "clip_id"])?;
        let start = column(&["start"])?;
        if id.is_none() && (video.is_none() || clip.is_none() && start.is_none()) {
            return Err(failed("one needs id, or video and clip, or video and start".into()));
        }
        let exact = column(&["label"])?;
        let Some(label) = exact.or(column(&["label7"])?) else {
            return Err(failed("one needs label".into()));
        };
        let end = column(&["end"])?;
        let split =
            match split {
                None => column(&["split", "mode"])?,
                Some(name) => {
                    let place = column(&[name])?;
                    Some(place.ok_or_else(|| {
                        failed(format!("none is called {name}, which was to say the split"))
                    })?)
                }
            };
        Ok(Self { id, video, clip, start, end, label, split, rounded: exact.is_none() })
    }
}

/// A field without blanks and quotes around it: where tables with tabs quote, they quote the whole field.
pub fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}
