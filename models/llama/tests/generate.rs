//! Beam search over a Llama against transformers' `generate`, by the goldens of `golden.py`.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod common;

use affekt_generate::{Budget, Engine, Error, Generation, Scorer, Settings, beam_search};
use affekt_llama::Llama;
use affekt_testkit::golden::Golden;
use affekt_testkit::{assert_close, noise};
use candle_core::{Device, IndexOp, Tensor};
use serde::Deserialize;

/// One search, as noted in the golden's metadata.
#[derive(Deserialize)]
struct Case {
    beams: usize,
    max_new_tokens: usize,
    eos: Vec<u32>,
    scorer: String,
    layers: String,
    score: f64,
    steps: usize,
}

impl Case {
    fn settings(&self) -> Settings {
        Settings {
            beams: self.beams,
            max_new_tokens: self.max_new_tokens,
            eos: self.eos.clone(),
            scorer: if self.scorer == "hf4" { Scorer::Hf4 } else { Scorer::Hf5 },
            layers: self.layers.parse().unwrap(),
        }
    }
}

fn prompt(model: &Llama, golden: &Golden, at: usize) -> Tensor {
    let ids = format!("{at}.input_ids");
    if golden.has(&ids) {
        return model.embed(&golden.tensor(&ids)).unwrap();
    }
    golden.tensor(&format!("{at}.inputs_embeds"))
}

/// The search of `case` in an engine, between others that end before and after it.
fn among_others(model: &Llama, prompt: &Tensor, settings: &Settings) -> Generation {
    let budget = Budget { bytes: 4000 * model.cached().slot_bytes(), clips: 5, prefill: 7 };
    let mut engine = Engine::new(model, settings.clone(), budget).unwrap();
    for id in 0..8 {
        match id {
            3 => engine.submit(id, prompt, settings.max_new_tokens).unwrap(),
            _ => engine.submit(id, &noise(0.0, 1.0, (1, 3 + 5 * id, model.width())), 5 * id + 1).unwrap(),
        }
    }
    engine.find(|(id, _)| *id == 3).unwrap().1.unwrap()
}

fn check(model: &Llama, golden: &Golden, at: usize, case: &Case) {
    let (prompt, settings) = (prompt(model, golden, at), case.settings());
    check_found(&beam_search(model, &prompt, &settings).unwrap(), golden, at, case);
    check_found(&among_others(model, &prompt, &settings), golden, at, case);
}

fn check_found(found: &Generation, golden: &Golden, at: usize, case: &Case) {
    let tokens: Vec<i64> = golden.tensor(&format!("{at}.tokens")).to_vec1().unwrap();
    assert_eq!(found.tokens.iter().map(|&token| i64::from(token)).collect::<Vec<_>>(), tokens, "case {at}");
    assert!((found.score - case.score).abs() <= 1e-4, "case {at}: score {} for {}", found.score, case.score);
    assert_eq!(found.steps, case.steps, "case {at}");
    assert_eq!(found.hidden_best.dim(0).unwrap(), tokens.len() - 1);
    assert_eq!(found.hidden_beam0.dim(0).unwrap(), case.steps - 1);
    let what = |name: &str| format!("{at}.hidden.{name}");
    assert_close(&what("best"), &found.hidden_best, &golden.tensor(&what("best")), 1e-4);
    if golden.has(&what("beam0")) {
        assert_close(&what("beam0"), &found.hidden_beam0, &golden.tensor(&what("beam0")), 1e-4);
    }
}

fn check_all(name: &str) {
    let (model, _) = common::llama(name);
    let golden = Golden::open(common::path(&format!("{name}.generate.safetensors")));
    let cases: Vec<Case> = serde_json::from_str(&golden.metadata("cases")).unwrap();
    assert!(!cases.is_empty());
    for (at, case) in cases.iter().enumerate() {
        check(&model, &golden, at, case);
    }
}

#[test]
fn every_search_equals_generate() {
    check_all("mha");
}

#[test]
fn searches_with_grouped_queries_equal_generate() {
    check_all("gqa");
}

#[test]
fn searches_as_llama_3_and_mistral_equal_generate() {
    check_all("llama3");
    check_all("mistral");
}

#[test]
fn states_along_the_winner_equal_feeding_it_again() {
    let (model, _) = common::llama("mha");
    let golden = Golden::open(common::path("mha.generate.safetensors"));
    let prompt = prompt(&model, &golden, 0);
    let settings = Settings { max_new_tokens: 30, ..Settings::default() };
    let found = beam_search(&model, &prompt, &settings).unwrap();
    let fed = &found.tokens[..found.tokens.len() - 1];
    let ids = Tensor::new(fed, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let again = Tensor::cat(&[&prompt, &model.embed(&ids).unwrap()], 1).unwrap();
    let (hidden, _) = model.hidden_sum(&again, None, None, &(1..=1)).unwrap();
    let want = hidden.i(0).unwrap().narrow(0, prompt.dim(1).unwrap(), fed.len()).unwrap();
    assert_close("winner's states", &found.hidden_best, &want, 1e-5);
}

#[test]
fn what_no_search_can_run_with_is_refused() {
    let (model, _) = common::llama("mha");
    let prompt = Tensor::zeros((1, 3, 64), candle_core::DType::F32, &Device::Cpu).unwrap();
    let refused = |prompt: &Tensor, settings: Settings| beam_search(&model, prompt, &settings).unwrap_err();
    let settings = Settings::default();
    let error = refused(&prompt, Settings { beams: 0, ..settings.clone() });
    assert!(matches!(error, Error::BadSetting { name: "beams", .. }), "{error}");
    let error = refused(&prompt, Settings { max_new_tokens: 0, ..settings.clone() });
    assert!(matches!(error, Error::BadSetting { name: "max_new_tokens", .. }), "{error}");
    let error = refused(&prompt, Settings { layers: "-9".parse().unwrap(), ..settings.clone() });
    assert!(matches!(error, Error::Layers(_)), "{error}");
    let two = Tensor::cat(&[&prompt, &prompt], 0).unwrap();
    assert!(matches!(refused(&two, settings.clone()), Error::BadPrompt { .. }));
    let nan = (&prompt + f64::NAN).unwrap();
    let error = refused(&nan, settings);
    assert!(matches!(error, Error::NotFinite { step: 0, .. }), "{error}");
    assert!(error.to_string().contains("the input embeddings"), "{error}");
}
