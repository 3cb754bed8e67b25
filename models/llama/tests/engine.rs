//! Many clips through the engine at once: each as if it were alone, within the budget, whatever happens to others.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

mod common;

use std::collections::HashMap;

use affekt_generate::engine::most_slots;
use affekt_generate::{Budget, Engine, Error, Generation, Scorer, Settings, beam_search};
use affekt_llama::{Config, KEYS, Llama};
use affekt_testkit::golden::Golden;
use affekt_testkit::{assert_close, noise};
use affekt_weights::Checkpoint;
use candle_core::{DType, Device, Tensor};

/// Seeded draws (splitmix64).
struct Draws(u64);

impl Draws {
    /// Evenly from `range`.
    fn from(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        range.start() + ((mixed ^ (mixed >> 31)) % (range.end() - range.start() + 1) as u64) as usize
    }
}

/// A tiny Llama in which each token of odd number has the embedding and the scores of the one before it: every choice is
/// a tie.
fn undecided() -> Llama {
    let path = common::path("mha.weights.safetensors");
    let config: Config = serde_json::from_str(&Golden::open(&path).metadata("config")).unwrap();
    let mut tensors: HashMap<String, Tensor> = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    for name in ["model.embed_tokens.weight", "lm_head.weight"] {
        let rows: Vec<u32> = (0..config.vocab_size as u32).map(|token| token / 2 * 2).collect();
        let twins = tensors[name].index_select(&Tensor::new(rows, &Device::Cpu).unwrap(), 0).unwrap();
        tensors.insert(name.into(), twins);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twins.safetensors");
    candle_core::safetensors::save(&tensors, &file).unwrap();
    let checkpoint = Checkpoint::open(&file).unwrap();
    checkpoint.load(&KEYS, DType::F32, &Device::Cpu, |vb| Llama::load(vb, &config)).unwrap()
}

fn bits(x: &Tensor) -> (Vec<usize>, Vec<u32>) {
    let numbers = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    (x.dims().to_vec(), numbers.into_iter().map(f32::to_bits).collect())
}

/// Everything about the two is the same, to the last bit.
fn assert_same(what: &str, got: &Generation, want: &Generation) {
    assert_eq!(got.tokens, want.tokens, "{what}");
    assert_eq!((got.score.to_bits(), got.steps), (want.score.to_bits(), want.steps), "{what}");
    assert!(bits(&got.hidden_best) == bits(&want.hidden_best), "{what}: states of the winner");
    assert!(bits(&got.hidden_beam0) == bits(&want.hidden_beam0), "{what}: states of slot 0");
}

/// Bytes that `slots` positions of `model` take.
fn bytes(model: &Llama, slots: usize) -> usize {
    slots * model.cached().slot_bytes()
}

/// A random set of clips in a random order and budget gives what each clip gives alone. Returns how many steps they took,
/// and whether any had to wait for the cache.
fn random_batch(model: &Llama, draws: &mut Draws) -> (Vec<usize>, bool) {
    let settings = Settings {
        beams: draws.from(1..=5),
        eos: (0..draws.from(0..=8) as u32).map(|at| 2 + 7 * at).collect(),
        scorer: if draws.from(0..=3) == 0 { Scorer::Hf4 } else { Scorer::Hf5 },
        layers: "-3..-1".parse().unwrap(),
        ..Settings::default()
    };
    let clips: Vec<(Tensor, usize)> = (0..draws.from(1..=9))
        .map(|_| (noise(0.0, 1.0, (1, draws.from(1..=40), model.width())), draws.from(1..=14)))
        .collect();
    let most = |(prompt, limit): &(Tensor, usize)| prompt.dims()[1] + settings.beams * (limit - 1);
    let largest = clips.iter().map(most).max().unwrap();
    let slots = largest + [0, 1, 30, 1000][draws.from(0..=3)];
    let budget = Budget { bytes: bytes(model, slots), clips: draws.from(1..=8), prefill: draws.from(1..=50) };
    let mut engine = Engine::new(model, settings.clone(), budget).unwrap();
    let mut order: Vec<usize> = (0..clips.len()).collect();
    (0..clips.len()).for_each(|at| order.swap(at, draws.from(0..=clips.len() - 1)));
    let (mut found, mut steps) = (0, Vec::new());
    loop {
        // Some arrive while others run.
        for _ in 0..draws.from(0..=clips.len()) {
            if let Some(id) = order.pop() {
                engine.submit(id, &clips[id].0, clips[id].1).unwrap();
            }
        }
        match engine.next() {
            Some((id, got)) => {
                let (prompt, max_new_tokens) = (&clips[id].0, clips[id].1);
                let alone = beam_search(model, prompt, &Settings { max_new_tokens, ..settings.clone() });
                match (&got, &alone) {
                    (Ok(got), Ok(alone)) => {
                        assert_same(&format!("{settings:?} {budget:?} clip {id}"), got, alone);
                    }
                    _ => panic!("{got:?} and alone {alone:?}"),
                }
                steps.push(got.unwrap().steps);
                found += 1;
            }
            None if order.is_empty() => break,
            None => {}
        }
        assert!(engine.in_flight() <= budget.clips);
    }
    assert_eq!((found, engine.waiting(), engine.in_flight()), (clips.len(), 0, 0));
    let tally = engine.tally();
    assert!(tally.peak_bytes <= budget.bytes);
    assert!(tally.prompt_rows == clips.iter().map(|(prompt, _)| prompt.dims()[1]).sum::<usize>());
    assert!(tally.prompt_rows <= tally.passes * budget.prefill);
    (steps, tally.held_back > 0)
}

fn random_batches(model: &Llama, seed: u64) {
    let mut draws = Draws(seed);
    let (mut steps, mut held_back) = (Vec::new(), 0);
    // The kernels for cards run a thousand times slower on a processor.
    let emulates = std::env::var_os("AFFEKT_EMULATE_CUDA").is_some();
    for _ in 0..if emulates { 3 } else { 60 } {
        let (taken, waited) = random_batch(model, &mut draws);
        steps.extend(taken);
        held_back += usize::from(waited);
    }
    steps.sort_unstable();
    steps.dedup();
    assert!(
        emulates || steps.len() > 5 && held_back > 5,
        "ends at {steps:?}, {held_back} batches that waited: too easy"
    );
}

#[test]
fn a_clip_is_searched_as_if_it_were_alone() {
    random_batches(&common::llama("mha").0, 1);
}

#[test]
fn a_clip_is_searched_as_if_it_were_alone_with_grouped_queries() {
    random_batches(&common::llama("gqa").0, 2);
}

#[test]
fn a_clip_is_searched_as_if_it_were_alone_with_stretched_wavelengths() {
    random_batches(&common::llama("llama3").0, 4);
}

#[test]
fn ties_fall_as_if_a_clip_were_alone() {
    let model = undecided();
    random_batches(&model, 3);
    let prompt = noise(0.0, 1.0, (1, 9, model.width()));
    let found = beam_search(&model, &prompt, &Settings { max_new_tokens: 6, ..Settings::default() }).unwrap();
    assert!(found.tokens.iter().all(|token| token % 2 == 0), "of equals the first wins: {:?}", found.tokens);
}

/// Clips of one size after another, all in flight, and each alone.
fn together_and_alone(model: &Llama, prompts: &[Tensor]) -> Vec<(usize, Generation, Generation)> {
    let settings = Settings { max_new_tokens: 8, layers: "-1".parse().unwrap(), ..Settings::default() };
    let budget = Budget { bytes: bytes(model, 1000), clips: prompts.len(), prefill: 16 };
    let mut engine = Engine::new(model, settings.clone(), budget).unwrap();
    for (id, prompt) in prompts.iter().enumerate() {
        engine.submit(id, prompt, settings.max_new_tokens).unwrap();
    }
    let alone = |at: usize| beam_search(model, &prompts[at], &settings).unwrap();
    engine.map(|(id, found)| (id, found.unwrap(), alone(id))).collect()
}

#[test]
fn quantised_weights_give_the_same_text_and_nearly_the_same_states() {
    let (model, _) = Llama::load_gguf(&common::path("tiny.gguf"), &Device::Cpu).unwrap();
    let prompts: Vec<Tensor> = (0..5).map(|at| noise(0.0, 0.3, (1, 3 + 4 * at, model.width()))).collect();
    for (_, together, alone) in together_and_alone(&model, &prompts) {
        assert_eq!((&together.tokens, together.steps), (&alone.tokens, alone.steps));
        assert_close("winner", &together.hidden_best, &alone.hidden_best, 1e-4);
        assert_close("slot 0", &together.hidden_beam0, &alone.hidden_beam0, 1e-4);
    }
}

#[test]
fn half_precision_runs_through_the_same_search() {
    let path = common::path("mha.weights.safetensors");
    let config: Config = serde_json::from_str(&Golden::open(&path).metadata("config")).unwrap();
    for (dtype, tolerance) in [(DType::BF16, 5e-2), (DType::F16, 1e-2)] {
        let checkpoint = Checkpoint::open(&path).unwrap();
        let model = checkpoint.load(&KEYS, dtype, &Device::Cpu, |vb| Llama::load(vb, &config)).unwrap();
        let prompts: Vec<Tensor> = (0..4)
            .map(|at| noise(0.0, 1.0, (1, 3 + 6 * at, model.width())).to_dtype(dtype).unwrap())
            .collect();
        let found = together_and_alone(&model, &prompts);
        assert!(found.iter().any(|(_, found, _)| found.tokens.len() > 4));
        for (id, found, _) in found.iter().filter(|(_, found, _)| found.tokens.len() > 1) {
            let (fed, prompt) = (&found.tokens[..found.tokens.len() - 1], &prompts[*id]);
            let ids = Tensor::new(fed, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
            let text = Tensor::cat(&[prompt, &model.embed(&ids).unwrap()], 1).unwrap();
            let (_, again) = model.hidden_sum(&text, None, None, &(4..=4)).unwrap();
            let again = again.squeeze(0).unwrap().narrow(0, prompt.dims()[1], fed.len()).unwrap();
            assert_close(&format!("{dtype:?} {id}"), &found.hidden_best, &again, tolerance);
        }
    }
}

#[test]
fn a_clip_that_is_not_finite_costs_itself_only() {
    let (model, _) = common::llama("mha");
    let settings = Settings { layers: "-1".parse().unwrap(), ..Settings::default() };
    let prompts: Vec<Tensor> = (0..4).map(|at| noise(0.0, 1.0, (1, 7 + at, model.width()))).collect();
    let budget = Budget { bytes: bytes(&model, 400), clips: 4, prefill: 5 };
    let mut engine = Engine::new(&model, settings.clone(), budget).unwrap();
    for (id, prompt) in prompts.iter().enumerate() {
        let last = prompt.dims()[1] - 1;
        let spoilt = match id {
            // In its second chunk, when others are on their way.
            2 => Tensor::cat(
                &[
                    prompt.narrow(1, 0, last).unwrap(),
                    (prompt.narrow(1, last, 1).unwrap() * f64::NAN).unwrap(),
                ],
                1,
            )
            .unwrap(),
            _ => prompt.clone(),
        };
        engine.submit(id, &spoilt, 12).unwrap();
    }
    let mut ended: Vec<_> = engine.by_ref().collect();
    ended.sort_by_key(|(id, _)| *id);
    assert_eq!(ended.len(), 4);
    for (id, got) in ended {
        if id == 2 {
            let error = got.unwrap_err();
            assert!(matches!(error, Error::NotFinite { step: 0, found: Some(_) }), "{error}");
            assert!(error.to_string().contains("the input embeddings"), "{error}");
        } else {
            let settings = Settings { max_new_tokens: 12, ..settings.clone() };
            let alone = beam_search(&model, &prompts[id], &settings).unwrap();
            assert_same(&format!("clip {id}"), &got.unwrap(), &alone);
        }
    }
}

#[test]
fn a_long_prompt_does_not_keep_others_waiting() {
    let (model, _) = common::llama("mha");
    let settings = Settings { eos: Vec::new(), ..Settings::default() };
    let budget = Budget { bytes: bytes(&model, 600), clips: 2, prefill: 6 };
    let mut engine = Engine::new(&model, settings, budget).unwrap();
    engine.submit("short", &noise(0.0, 1.0, (1, 4, model.width())), 10).unwrap();
    engine.submit("long", &noise(0.0, 1.0, (1, 200, model.width())), 2).unwrap();
    let (first, found) = engine.next().unwrap();
    assert_eq!((first, found.unwrap().steps, engine.tally().passes), ("short", 10, 10));
    assert_eq!(engine.next().unwrap().0, "long");
    assert!(engine.next().is_none());
    assert_eq!(engine.tally().held_back, 0);
    assert_eq!(engine.tally().passes, 35, "2 + 6 * 33 = 200 positions, and one token");
}

#[test]
fn beams_share_the_prompt_and_what_they_agree_on() {
    let (model, _) = common::llama("mha");
    let (prompt, beams) = (30, 4);
    let peak = |limit: usize| {
        let settings = Settings { beams, eos: Vec::new(), max_new_tokens: limit, ..Settings::default() };
        let budget = Budget { bytes: bytes(&model, 10_000), clips: 1, prefill: 64 };
        let mut engine = Engine::new(&model, settings, budget).unwrap();
        engine.submit((), &noise(0.0, 1.0, (1, prompt, model.width())), limit).unwrap();
        engine.next().unwrap().1.unwrap();
        let tally = engine.tally();
        // Every position is fed and written once: nothing is fed again when beams change places.
        assert_eq!((tally.prompt_rows, tally.beam_rows), (prompt, beams * (limit - 1)));
        tally.peak_bytes / model.cached().slot_bytes()
    };
    assert_eq!(peak(1), prompt);
    assert_eq!(peak(2), prompt + beams, "one pass over the beams, which have just parted");
    for limit in [3, 10, 40] {
        let (steps, slots) = (limit - 1, peak(limit));
        assert_eq!(most_slots(prompt, beams, limit), prompt + beams * steps);
        assert!(slots >= prompt + steps && slots <= prompt + beams * steps, "{slots} slots, {steps} steps");
    }
}

#[test]
fn the_cache_decides_how_many_are_in_flight() {
    let (model, _) = common::llama("mha");
    let settings = Settings { eos: Vec::new(), ..Settings::default() };
    let most_in_flight = |slots: usize| {
        let budget = Budget { bytes: bytes(&model, slots), clips: 99, prefill: 64 };
        let mut engine = Engine::new(&model, settings.clone(), budget).unwrap();
        for id in 0..12 {
            engine.submit(id, &noise(0.0, 1.0, (1, 10, model.width())), 11).unwrap();
        }
        let mut found: Vec<_> = engine.by_ref().map(|(id, _)| id).collect();
        found.sort_unstable();
        assert_eq!(found, (0..12).collect::<Vec<_>>());
        assert!(engine.tally().peak_bytes <= budget.bytes);
        engine.tally().most_clips
    };
    // 10 + 4 * 10 slots for one clip at its longest; what its beams give up lets the next prompt in.
    assert!(most_in_flight(50) <= 2);
    assert_eq!(most_in_flight(12 * 50), 12);
    let some = most_in_flight(150);
    assert!(some > 3 && some < 12, "{some}: more than if each had reserved its longest text");
}

#[test]
fn what_cannot_be_searched_is_refused_at_once() {
    let (model, _) = common::llama("mha");
    let budget = Budget { bytes: bytes(&model, 50), ..Budget::default() };
    let refused = |budget| Engine::<_, u32>::new(&model, Settings::default(), budget).err().unwrap();
    let error = refused(Budget { clips: 0, ..budget });
    assert!(matches!(error, Error::BadSetting { name: "most clips", .. }), "{error}");
    let error = refused(Budget { prefill: 0, ..budget });
    assert!(matches!(error, Error::BadSetting { name: "prefill", .. }), "{error}");
    let mut engine = Engine::new(&model, Settings::default(), budget).unwrap();
    let mut submit = |shape: &[usize], limit| engine.submit(0, &noise(0.0, 1.0, shape), limit).err();
    let width = model.width();
    assert!(submit(&[1, 10, width], 11).is_none());
    for shape in [vec![1, 0, width], vec![2, 3, width], vec![1, 3, width + 1], vec![3, width]] {
        assert!(matches!(submit(&shape, 3), Some(Error::BadPrompt { .. })), "{shape:?}");
    }
    assert!(matches!(submit(&[1, 3, width], 0), Some(Error::BadSetting { name: "max_new_tokens", .. })));
    let error = submit(&[1, 11, width], 11).unwrap();
    assert!(matches!(error, Error::OverBudget { .. }), "{error}");
    assert_eq!(engine.waiting(), 1);
    assert_eq!(engine.count(), 1);
}
