//! What was measured, side by side.

use affekt_nn::device::Card;
use serde::Serialize;

use super::clock::median;
use super::limits::Limit;
use super::peer::{Sample, Theirs};
use super::{Limits, Ours, Scale, Stage};
use crate::bench::Machine;

/// Two programs with the same weights in 16 bits differ by a few hundredths; two networks by more than 1. TF32 has the
/// mantissa of f16.
const SAME_IN_HALF: f64 = 0.15;
/// In f32 only the order of sums differs.
const SAME_IN_F32: f64 = 1e-3;

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// The card, as its driver describes it; `None` for the CPU, where this is no measurement of a GPU.
    #[serde(serialize_with = "described")]
    pub card: Option<Card>,
    /// Whether products of f32 might round their factors to TF32, in both programs.
    pub tf32: bool,
    /// How large everything is.
    pub scale: Scale,
    /// Measured runs of each piece of work.
    pub runs: usize,
    /// Why there is no peer, where there is none.
    pub peer: Option<String>,
    /// What the device can do.
    pub limits: Limits,
    /// One a stage and batch.
    pub rows: Vec<Row>,
    /// Whether both programs had the same networks.
    pub agreements: Vec<Agreement>,
    /// What was to be reached.
    pub goals: Vec<Goal>,
}

fn described<S: serde::Serializer>(card: &Option<Card>, to: S) -> Result<S::Ok, S::Error> {
    card.as_ref().map(describe).serialize(to)
}

/// A card in words.
pub fn describe(card: &Card) -> String {
    let (major, minor) = card.capability;
    format!(
        "{}, compute capability {major}.{minor}, {:.0} GiB",
        card.name,
        card.memory.total as f64 / f64::from(1 << 30)
    )
}

/// One piece of work.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which.
    pub stage: &'static str,
    /// Sizes.
    pub case: String,
    /// Number type.
    pub dtype: &'static str,
    /// Clips, faces, texts or steps at once.
    pub batch: usize,
    /// Median of our runs; `None` where it did not fit on the card.
    pub seconds: Option<f64>,
    /// Why there is none.
    pub failed: Option<String>,
    /// All of them.
    pub runs: Vec<f64>,
    /// Clips, faces, texts or steps a second.
    pub per_s: Option<f64>,
    /// Of the peer at the same batch.
    pub torch_per_s: Option<f64>,
    /// Of the peer at its best batch, and that batch.
    pub torch_best: Option<(usize, f64)>,
    /// Our rate over the peer's best.
    pub to_torch: Option<f64>,
    /// Seconds that no program is below.
    pub floor_s: f64,
    /// The floor over our seconds: 1 is the limit.
    pub of_floor: Option<f64>,
    /// What the floor is made of.
    pub limit: Limit,
    /// Why the peer has no number, where it has none.
    pub missing: Option<String>,
}

/// Whether both programs had the same network.
#[derive(Clone, Debug, Serialize)]
pub struct Agreement {
    /// Of which stage.
    pub stage: &'static str,
    /// Number type.
    pub dtype: String,
    /// Root mean square of the difference over that of the peer's output; `None` where the peer brought none.
    pub difference: Option<f64>,
    /// How much it may be.
    pub at_most: f64,
    /// Of generations: tokens of the first clip that are the same, of so many.
    pub tokens: Option<(usize, usize)>,
    /// Whether it is one network: the difference is small, and where there are tokens, one at least is the same.
    pub same: bool,
}

/// Something to reach.
#[derive(Clone, Debug, Serialize)]
pub struct Goal {
    /// What.
    pub what: String,
    /// At least, or at most where `at_most`.
    pub wanted: f64,
    /// Whether less is better.
    pub at_most: bool,
    /// What it is; `None` where it was not measured.
    pub found: Option<f64>,
    /// Whether it is reached.
    pub met: Option<bool>,
}

/// Both measurements of a stage.
pub(super) struct Found<'f> {
    pub stage: Stage,
    pub ours: &'f [(Ours, f64, Limit)],
    pub theirs: Result<&'f Theirs, &'f str>,
}

impl Found<'_> {
    /// The peer's rate at each batch of a type.
    fn rates(&self, dtype: &str) -> Vec<(usize, f64)> {
        let rows = self.theirs.map_or(&[][..], |theirs| theirs.rows.as_slice());
        let rows = rows.iter().filter(|row| row.dtype == dtype && !row.seconds.is_empty());
        rows.map(|row| (row.batch, row.batch as f64 / median(&row.seconds))).collect()
    }

    fn best(&self, dtype: &str) -> Option<(usize, f64)> {
        self.rates(dtype).into_iter().max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Our samples beside those of a peer that answered. One that brings none does not agree. `tf32` says whether f32 was
    /// rounded.
    pub fn agreements(&self, tf32: bool) -> Vec<Agreement> {
        let Ok(theirs) = self.theirs else { return Vec::new() };
        let agreement = |(ours, ..): &(Ours, f64, Limit)| {
            let sample = ours.sample.as_ref()?;
            let mut rows = theirs.rows.iter().filter(|row| row.dtype == ours.dtype);
            let other = rows.find_map(|row| row.sample.as_ref());
            Some(self.agreement(ours.dtype, sample, other, tf32))
        };
        self.ours.iter().filter_map(agreement).collect()
    }

    fn agreement(&self, dtype: &str, ours: &Sample, theirs: Option<&Sample>, tf32: bool) -> Agreement {
        let at_most = if dtype == "f32" && !tf32 { SAME_IN_F32 } else { SAME_IN_HALF };
        let difference = theirs.map(|theirs| ours.differs(theirs));
        let theirs = theirs.map_or(&[][..], |theirs| theirs.tokens.as_slice());
        let alike = ours.tokens.iter().zip(theirs).filter(|(a, b)| a == b).count();
        Agreement {
            stage: self.stage.name(),
            dtype: dtype.to_owned(),
            difference,
            at_most,
            tokens: (!ours.tokens.is_empty()).then_some((alike, ours.tokens.len())),
            same: difference.is_some_and(|found| found <= at_most) && (ours.tokens.is_empty() || alike > 0),
        }
    }
}

/// The rows of a stage.
pub(super) fn rows(found: &Found) -> Vec<Row> {
    let row = |(ours, floor_s, limit): &(Ours, f64, Limit)| {
        let seconds = (!ours.seconds.is_empty()).then(|| median(&ours.seconds));
        let per_s = seconds.map(|seconds| ours.batch as f64 / seconds);
        // A single step is held against the reading of weights alone: the peer's steps are not told apart.
        let alone = ours.case == super::search::STEP;
        let rates = if alone { Vec::new() } else { found.rates(ours.dtype) };
        let torch_best = found.best(ours.dtype).filter(|_| !alone);
        let missing = match (found.theirs, torch_best) {
            _ if alone => None,
            (Err(reason), _) => Some(reason.to_owned()),
            (Ok(theirs), None) => theirs.rows.iter().find_map(|row| row.failed.clone()),
            (Ok(_), Some(_)) => None,
        };
        Row {
            stage: found.stage.name(),
            case: ours.case.clone(),
            dtype: ours.dtype,
            batch: ours.batch,
            seconds,
            failed: ours.failed.clone(),
            runs: ours.seconds.clone(),
            per_s,
            torch_per_s: rates.iter().find(|(batch, _)| *batch == ours.batch).map(|(_, rate)| *rate),
            torch_best,
            to_torch: torch_best.and_then(|(_, rate)| Some(per_s? / rate)),
            floor_s: *floor_s,
            of_floor: seconds.map(|seconds| floor_s / seconds),
            limit: *limit,
            missing,
        }
    };
    found.ours.iter().map(row).collect()
}

/// What was to be reached in a stage. Rates of tiny networks are held against nothing.
pub(super) fn goals(found: &Found, scale: Scale) -> Vec<Goal> {
    if scale == Scale::Tiny {
        return Vec::new();
    }
    let rows = rows(found);
    let largest = |of: fn(&Row) -> Option<f64>, dtype: &str| {
        let rows = rows.iter().filter(|row| row.dtype == dtype && row.case != super::search::STEP);
        rows.filter_map(of).max_by(f64::total_cmp)
    };
    let mut goals = Vec::new();
    let halves = scale.halves().map(|dtype| dtype.as_str());
    match found.stage {
        Stage::Wavlm | Stage::Manet => {
            let (torch, floor) = if found.stage == Stage::Wavlm { (1.5, 0.5) } else { (1.0, 0.25) };
            let name = if found.stage == Stage::Wavlm { "WavLM" } else { "MANet" };
            for dtype in halves {
                let ratio = largest(|row| row.to_torch, dtype);
                goals.push(at_least(format!("{name} in {dtype}: rate over PyTorch's best"), torch, ratio));
                let share = largest(|row| row.of_floor, dtype);
                goals.push(at_least(format!("{name} in {dtype}: share of the floor's rate"), floor, share));
            }
        }
        Stage::Generate => {
            let dtype = scale.words().as_str();
            let ours = largest(|row| row.per_s, dtype);
            let alone = found.rates(dtype).into_iter().find(|(batch, _)| *batch == 1).map(|(_, rate)| rate);
            let best = found.best(dtype).map(|(_, rate)| rate);
            let over = |theirs: Option<f64>| Some(ours? / theirs?);
            goals.push(at_least(
                "generation: clips a second over generate's at batch 1".into(),
                50.0,
                over(alone),
            ));
            goals.push(at_least("generation: clips a second over generate's best".into(), 2.0, over(best)));
            let step = rows.iter().find(|row| row.case == super::search::STEP);
            let times = step.and_then(|row| Some(row.seconds? / row.floor_s));
            goals.push(at_most(
                "a step of decoding, 1 clip: times the reading of weights".into(),
                1.5,
                times,
            ));
        }
        Stage::Llama | Stage::Train => {}
    }
    goals
}

fn at_least(what: String, wanted: f64, found: Option<f64>) -> Goal {
    Goal { what, wanted, at_most: false, found, met: found.map(|found| found >= wanted) }
}

fn at_most(what: String, wanted: f64, found: Option<f64>) -> Goal {
    Goal { what, wanted, at_most: true, found, met: found.map(|found| found <= wanted) }
}

#[cfg(test)]
mod tests {
    use super::super::limits::Work;
    use super::super::peer;
    use super::*;

    fn ours(batch: usize, seconds: f64) -> (Ours, f64, Limit) {
        let ours = Ours {
            case: "8 s".into(),
            batch,
            dtype: "bf16",
            seconds: vec![seconds],
            failed: None,
            work: Work::default(),
            sample: None,
        };
        (ours, 0.5 * seconds, Limit::Arithmetic)
    }

    fn theirs(batch: usize, seconds: &[f64]) -> peer::Row {
        peer::Row { dtype: "bf16".into(), batch, seconds: seconds.to_vec(), failed: None, sample: None }
    }

    #[test]
    fn rates_are_held_against_the_best_of_the_peer() {
        let theirs = Theirs {
            versions: String::new(),
            rows: vec![theirs(1, &[0.1]), theirs(8, &[0.4]), theirs(64, &[])],
        };
        let ours = [ours(1, 0.05), ours(8, 0.2)];
        let found = Found { stage: Stage::Wavlm, ours: &ours, theirs: Ok(&theirs) };
        let rows = rows(&found);
        assert_eq!((rows[0].torch_per_s, rows[0].torch_best), (Some(10.0), Some((8, 20.0))));
        assert_eq!((rows[0].to_torch, rows[1].to_torch), (Some(1.0), Some(2.0)));
        let goals = goals(&found, Scale::Published);
        let met: Vec<Option<bool>> = goals.iter().map(|goal| goal.met).collect();
        assert_eq!(met, [Some(true), Some(true), None, None], "nothing was measured in f16: {goals:?}");
    }

    #[test]
    fn without_a_peer_its_columns_are_empty_and_say_why() {
        let ours = [ours(1, 0.05)];
        let found = Found { stage: Stage::Manet, ours: &ours, theirs: Err("no Python") };
        let rows = rows(&found);
        assert_eq!((rows[0].to_torch, rows[0].missing.as_deref()), (None, Some("no Python")));
        assert!(found.agreements(false).is_empty());
        assert!(goals(&found, Scale::Published).iter().any(|goal| goal.met == Some(true)));
    }

    #[test]
    fn a_size_that_does_not_fit_has_no_times_and_costs_no_other() {
        let full = Ours { seconds: Vec::new(), failed: Some("full".into()), ..ours(64, 1.0).0 };
        let (ours, theirs) = ([ours(1, 0.05), (full, 0.1, Limit::Memory)], [theirs(1, &[0.1])]);
        let theirs = Theirs { versions: String::new(), rows: theirs.to_vec() };
        let found = Found { stage: Stage::Wavlm, ours: &ours, theirs: Ok(&theirs) };
        let rows = rows(&found);
        assert_eq!((rows[0].to_torch, rows[1].to_torch), (Some(2.0), None));
        assert_eq!(
            (rows[1].seconds, rows[1].of_floor, rows[1].failed.as_deref()),
            (None, None, Some("full"))
        );
        assert_eq!(goals(&found, Scale::Published)[0].found, Some(2.0));
    }

    /// Whether a sample of ours agrees with one of the peer.
    fn agrees(dtype: &'static str, mine: &Sample, other: Option<&Sample>, tf32: bool) -> bool {
        let ours = Ours { dtype, sample: Some(mine.clone()), ..ours(1, 0.1).0 };
        let row = peer::Row { dtype: dtype.into(), sample: other.cloned(), ..theirs(1, &[0.1]) };
        let theirs = Theirs { versions: String::new(), rows: vec![row] };
        let ours = [(ours, 0.1, Limit::Memory)];
        let found = Found { stage: Stage::Generate, ours: &ours, theirs: Ok(&theirs) };
        let agreements = found.agreements(tf32);
        assert_eq!(agreements.len(), 1);
        agreements[0].same
    }

    #[test]
    fn a_peer_agrees_as_far_as_its_numbers_reach_and_one_without_a_sample_does_not() {
        let sample = |number: f32, tokens: &[u32]| Sample { numbers: vec![number], tokens: tokens.to_vec() };
        let one = sample(1.0, &[]);
        assert!(agrees("f32", &one, Some(&sample(1.0005, &[])), false));
        assert!(!agrees("f32", &one, Some(&sample(1.01, &[])), false));
        assert!(agrees("f32", &one, Some(&sample(1.01, &[])), true), "TF32 was asked for");
        assert!(agrees("bf16", &one, Some(&sample(1.1, &[])), false));
        assert!(!agrees("bf16", &one, Some(&sample(1.3, &[])), false));
        assert!(!agrees("bf16", &one, None, false));
        let text = sample(1.0, &[3, 4, 5]);
        assert!(agrees("bf16", &text, Some(&sample(1.0, &[9, 4, 9])), false));
        assert!(!agrees("bf16", &text, Some(&sample(1.0, &[9, 9, 9])), false));
        assert!(!agrees("bf16", &text, Some(&one), false));
    }
}
