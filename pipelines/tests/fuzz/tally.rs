//! What came of all cases.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use affekt_pipelines::cut::{Cut, Failure, Part};
use affekt_pipelines::isolate::{End, Error};

/// What came of one case.
pub struct Outcome {
    /// How probing and cutting failed, where they did.
    pub ends: [Option<String>; 2],
    /// Clips that were had, of those that were asked for, and their faces.
    pub whole: usize,
    pub asked: usize,
    pub crops: usize,
    /// Whether a decoder had not enough memory, and said so.
    pub refused_memory: bool,
    /// Panics of symphonia.
    pub caught: usize,
    /// Megabytes.
    pub peak: usize,
    /// Of probing and cutting, what took longer.
    pub longest: Duration,
    /// What must not be, and how to repeat it.
    pub wrong: Option<String>,
}

/// A kind of error, in a word or two.
pub fn class(error: &Error) -> String {
    match error {
        Error::NotStarted { .. } => "not started".into(),
        Error::Failed { kind, .. } => format!("{kind:?}"),
        Error::Lost { end: End::Died { status, .. }, .. } => format!("lost: {status}"),
        Error::Lost { end: End::Slow { .. }, .. } => "lost: slow".into(),
        Error::Lost { end: End::Nonsense { .. }, .. } => "lost: nonsense".into(),
    }
}

/// Whether a decoder says that it has no memory.
pub fn is_of_memory(clips: &[Result<Cut, Failure>]) -> bool {
    let says = |reason: &String| reason.contains("annot allocate memory");
    clips.iter().any(|clip| match clip {
        Err(failure) => says(&failure.reason),
        Ok(cut) => {
            let sound = matches!(&cut.sound, Part::Failed(reason) if says(reason));
            sound
                || matches!(&cut.picture, Part::Failed(reason) if says(reason))
                || cut.warnings.iter().any(says)
        }
    })
}

#[derive(Default)]
pub struct Tally {
    cases: usize,
    /// Cases by what came of them.
    cut: usize,
    in_part: usize,
    without_clips: usize,
    refused: BTreeMap<String, usize>,
    /// Errors of probing, by kind.
    unprobed: BTreeMap<String, usize>,
    crops: usize,
    refused_memory: usize,
    caught: usize,
    with_caught: usize,
    peak: (usize, u64),
    slowest: (Duration, u64),
    spent: Duration,
    wrong: Vec<String>,
}

impl Tally {
    #[expect(clippy::print_stdout, reason = "a long run may be watched, or broken off")]
    pub fn add(&mut self, number: u64, outcome: Outcome) {
        let [unprobed, refused] = outcome.ends;
        self.cases += 1;
        match refused {
            Some(class) => *self.refused.entry(class).or_default() += 1,
            None if outcome.whole == outcome.asked => self.cut += 1,
            None if outcome.whole > 0 => self.in_part += 1,
            None => self.without_clips += 1,
        }
        if let Some(class) = unprobed {
            *self.unprobed.entry(class).or_default() += 1;
        }
        self.crops += outcome.crops;
        self.refused_memory += usize::from(outcome.refused_memory);
        self.caught += outcome.caught;
        self.with_caught += usize::from(outcome.caught > 0);
        self.peak = self.peak.max((outcome.peak, number));
        self.slowest = self.slowest.max((outcome.longest, number));
        self.spent += outcome.longest;
        if let Some(wrong) = outcome.wrong {
            println!("{wrong}");
            self.wrong.push(wrong);
        }
        if self.cases.is_multiple_of(1000) {
            println!("{self}");
        }
    }

    /// # Panics
    /// Where anything was wrong.
    pub fn must_be_clean(&self) {
        assert!(
            self.wrong.is_empty(),
            "{} of {} cases:\n{}",
            self.wrong.len(),
            self.cases,
            self.wrong.join("\n")
        );
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cases, cut, in_part, without_clips, refused, unprobed, crops, .. } = self;
        writeln!(f, "{cases} damaged files:")?;
        writeln!(f, "  {cut} cut, {in_part} in part, {without_clips} with no clip to be had, {crops} faces")?;
        writeln!(f, "  refused by cutting {refused:?}, by probing {unprobed:?}")?;
        writeln!(f, "  {} with a decoder that was refused memory", self.refused_memory)?;
        writeln!(f, "  {} caught panics of symphonia, in {} files", self.caught, self.with_caught)?;
        let ((peak, largest), (slowest, longest)) = (self.peak, self.slowest);
        writeln!(f, "  peak of a worker {peak} MB (case {largest}), slowest {slowest:.1?} (case {longest})")?;
        write!(f, "  {:.1?} a case, {} wrong", self.spent / (*cases).max(1) as u32, self.wrong.len())
    }
}
