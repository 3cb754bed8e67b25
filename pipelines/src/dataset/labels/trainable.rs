//! What a table needs to be trained on.

use super::{Label, Labels};
use crate::dataset::{Error, Kind, Problem};

/// Largest and smallest valence of the scale.
const SCALE: f64 = 3.0;

impl Labels {
    /// Refuses a table that nobody should learn from or be measured by: with lines that are not understood, numbers that
    /// are none (NaN and infinities among them), clips that are named twice, splits of unknown name; or, among the clips
    /// of its splits (all, where it has none), one without a label or with one outside [-3, 3].
    ///
    /// # Errors
    /// [`Error::Malformed`], whose first problem names file, line, clip and value.
    pub fn trainable(self) -> Result<Self, Error> {
        let malformed: Vec<&Problem> =
            self.problems.iter().filter(|problem| problem.kind.is_malformed()).collect();
        if let [first, others @ ..] = &malformed[..] {
            return Err(Error::Malformed { first: Box::new((*first).clone()), others: others.len() });
        }
        let used = self.rows.iter().filter(|row| row.split.is_some() || !self.has_splits);
        let mut unusable: Vec<Problem> = used.filter_map(|row| self.objection(row)).collect();
        if unusable.is_empty() {
            return Ok(self);
        }
        let first = Box::new(unusable.swap_remove(0));
        Err(Error::Malformed { first, others: unusable.len() })
    }

    /// Why a row may not be used, of a table whose numbers are all sound.
    fn objection(&self, row: &Label) -> Option<Problem> {
        let whose = row.name().or_else(|| row.time()).unwrap_or_default();
        let (kind, what) = match row.label {
            None => (Kind::MissingLabel, format!("{whose} has no label")),
            Some(label) if label.abs() > SCALE => {
                (Kind::LabelRange, format!("the label {label:?} of {whose} is outside [-3, 3]"))
            }
            Some(_) => return None,
        };
        let problem = kind.in_file(&self.path, format!("line {}: {what}", row.line));
        Some(match row.name() {
            Some(name) => problem.of_clip(name),
            None => problem,
        })
    }
}
