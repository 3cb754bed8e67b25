//! Beam search.

use affekt_generate::{Budget, Engine, Generation, Scorer, Settings, beam_search};
use affekt_llama::Llama;
use candle_core::{DType, Tensor};
use serde::Deserialize;

use super::bounds::Kind;
use super::golden::{Golden, file};
use super::ledger::{Ledger, Worst};
use super::words::{NAMES, network};
use super::{Error, Plan};
use crate::seeded;

/// One search, as noted in the reference file.
#[derive(Deserialize)]
struct Search {
    beams: usize,
    max_new_tokens: usize,
    eos: Vec<u32>,
    scorer: String,
    layers: String,
    score: f64,
    steps: usize,
}

impl Search {
    fn settings(&self) -> Result<Settings, Error> {
        Ok(Settings {
            beams: self.beams,
            max_new_tokens: self.max_new_tokens,
            eos: self.eos.clone(),
            scorer: if self.scorer == "hf4" { Scorer::Hf4 } else { Scorer::Hf5 },
            layers: self.layers.parse()?,
        })
    }
}

pub fn check(ledger: &mut Ledger) {
    let (plan, dtype) = (ledger.plan, ledger.dtype);
    for name in NAMES {
        let alone = format!("{name}: searches alone, against generate");
        ledger.case(alone, Kind::Reference, |worst| {
            each(plan, name, dtype, worst, |model, prompt, settings| {
                Ok(beam_search(model, prompt, settings)?)
            })
        });
        let batch = format!("{name}: searches among seven others");
        ledger.case(batch, Kind::Batch, |worst| match dtype {
            DType::F32 => each(plan, name, dtype, worst, among_others),
            _ => against_alone(plan, name, dtype, worst),
        });
    }
}

/// Every search of a reference file, made by `search`.
fn each(
    plan: &Plan,
    name: &str,
    dtype: DType,
    worst: &mut Worst,
    search: impl Fn(&Llama, &Tensor, &Settings) -> Result<Generation, Error>,
) -> Result<(), Error> {
    let (model, _) = network(plan, name, dtype)?;
    let (golden, cases) = reference(plan, name)?;
    for (at, case) in cases.iter().enumerate() {
        let found = search(&model, &prompt(&model, &golden, at, dtype)?, &case.settings()?)?;
        compare(&found, &golden, at, case, dtype, worst)?;
    }
    Ok(())
}

/// Every search of a reference file among others and alone, on one device in one type: how far their scores are apart.
fn against_alone(plan: &Plan, name: &str, dtype: DType, worst: &mut Worst) -> Result<(), Error> {
    let (model, _) = network(plan, name, dtype)?;
    let (golden, cases) = reference(plan, name)?;
    for (at, case) in cases.iter().enumerate() {
        let (prompt, settings) = (prompt(&model, &golden, at, dtype)?, case.settings()?);
        let alone = beam_search(&model, &prompt, &settings)?;
        let found = among_others(&model, &prompt, &settings)?;
        worst.near_number(format!("score of search {at}, against it alone"), found.score, alone.score);
    }
    Ok(())
}

/// The reference file of a network, and what was searched.
fn reference(plan: &Plan, name: &str) -> Result<(Golden, Vec<Search>), Error> {
    let path = file(plan.goldens, "llama", &format!("{name}.generate.safetensors"));
    let golden = Golden::open(&path, plan.device)?;
    let cases = golden.note("cases")?;
    Ok((golden, cases))
}

/// The prompt of a search: (1, t, width).
fn prompt(model: &Llama, golden: &Golden, at: usize, dtype: DType) -> Result<Tensor, Error> {
    let ids = format!("{at}.input_ids");
    if golden.has(&ids) {
        return Ok(model.embed(&golden.tensor(&ids)?)?);
    }
    golden.floats(&format!("{at}.inputs_embeds"), dtype)
}

/// In f32 the text is the reference's; in half precision near ties may fall elsewhere, and its score is about as good.
fn compare(
    found: &Generation,
    golden: &Golden,
    at: usize,
    case: &Search,
    dtype: DType,
    worst: &mut Worst,
) -> Result<(), Error> {
    let want: Vec<i64> = golden.tensor(&format!("{at}.tokens"))?.to_vec1()?;
    let got: Vec<i64> = found.tokens.iter().map(|&token| i64::from(token)).collect();
    worst.near_number(format!("score of search {at}"), found.score, case.score);
    if dtype != DType::F32 {
        return Ok(());
    }
    worst.holds(got == want, || format!("search {at} found {got:?}, not {want:?}"));
    worst.holds(found.steps == case.steps, || {
        format!("search {at}: {} steps, not {}", found.steps, case.steps)
    });
    for (name, states) in [("best", &found.hidden_best), ("beam0", &found.hidden_beam0)] {
        let what = format!("{at}.hidden.{name}");
        if golden.has(&what) {
            worst.near(&what, states, &golden.tensor(&what)?)?;
        }
    }
    Ok(())
}

/// The search in an engine, between others that end before and after it.
fn among_others(model: &Llama, prompt: &Tensor, settings: &Settings) -> Result<Generation, Error> {
    let (dtype, device, width) = (prompt.dtype(), prompt.device(), model.width());
    let budget = Budget { bytes: 4000 * model.cached().slot_bytes(), clips: 5, prefill: 7 };
    let mut engine = Engine::new(model, settings.clone(), budget)?;
    for id in 0..8 {
        if id == 3 {
            engine.submit(id, prompt, settings.max_new_tokens)?;
            continue;
        }
        let other = seeded::noise(&format!("prompt {id}"), (1, 3 + 5 * id, width), 1.0, dtype, device)?;
        engine.submit(id, &other, 5 * id + 1)?;
    }
    let found = engine.find(|(id, _)| *id == 3);
    let (_, found) = found.ok_or_else(|| Error::Unnoticed("the engine lost a search".into()))?;
    Ok(found?)
}
