//! Cards that run out of memory: a pass is made smaller, and what cannot be made smaller says what would fit.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the message")]

use std::cell::Cell;
use std::ops::RangeInclusive;

use affekt_core::Explain;
use affekt_generate::{Batch, Budget, CausalLm, Engine, Error, Settings, Step, beam_search};
use affekt_nn::device::OutOfMemory;
use candle_core::{DType, Device, Result, Tensor};

const WIDTH: usize = 4;
const VOCAB: usize = 11;

/// A model whose scores follow from the position alone, and which has memory for so many rows in a pass.
struct Toy {
    rows: usize,
    /// Slots that its cache may have.
    slots: usize,
    /// Rows of the largest pass so far.
    largest: Cell<usize>,
}

impl Toy {
    fn new(rows: usize) -> Self {
        Self { rows, slots: 1000, largest: Cell::new(0) }
    }
}

impl CausalLm for Toy {
    type Cache = ();

    fn new_cache(&self, slots: usize) -> Result<()> {
        match slots > self.slots {
            true => Err(OutOfMemory { wanted: slots * self.slot_bytes(), free: self.slots * 10 }.into()),
            false => Ok(()),
        }
    }

    fn slot_bytes(&self) -> usize {
        10
    }

    fn hidden_entries(&self) -> usize {
        2
    }

    fn width(&self) -> usize {
        WIDTH
    }

    fn vocab(&self) -> usize {
        VOCAB
    }

    fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        let (b, t) = ids.dims2()?;
        ids.to_dtype(DType::F32)?.reshape((b, t, 1))?.broadcast_as((b, t, WIDTH))?.contiguous()
    }

    fn step(&self, embeds: &Tensor, batch: &Batch, (): &mut (), _: &RangeInclusive<usize>) -> Result<Step> {
        let rows = embeds.dim(0)?;
        if rows > self.rows {
            return Err(OutOfMemory { wanted: rows, free: self.rows }.into());
        }
        self.largest.set(self.largest.get().max(rows));
        let score = |row: u32, token: usize| {
            let position = batch.positions[row as usize] as usize;
            ((position * 7 + token * 5) % 13) as f32 * 0.25
        };
        let scores = batch.scored.iter().flat_map(|&row| (0..VOCAB).map(move |token| score(row, token)));
        let logits = Tensor::from_iter(scores, &Device::Cpu)?.reshape((batch.scored.len(), VOCAB))?;
        Ok(Step { hidden: embeds.clone(), logits })
    }
}

fn prompt(len: usize) -> Tensor {
    Tensor::ones((1, len, WIDTH), DType::F32, &Device::Cpu).unwrap()
}

fn settings() -> Settings {
    Settings { layers: "-1".parse().unwrap(), max_new_tokens: 6, ..Settings::default() }
}

#[test]
fn passes_shrink_until_they_fit_and_texts_stay_the_same() {
    let roomy = Toy::new(usize::MAX);
    for rows in [4, 5, 9, 17, 40] {
        let toy = Toy::new(rows);
        let budget = Budget { bytes: 5000, clips: 7, prefill: 64 };
        let mut engine = Engine::new(&toy, settings(), budget).unwrap();
        for id in 1..=12_usize {
            engine.submit(id, &prompt(3 * id), 6).unwrap();
        }
        let mut ended: Vec<_> = engine.by_ref().collect();
        ended.sort_by_key(|(id, _)| *id);
        assert_eq!(ended.len(), 12, "{rows}");
        for (id, found) in ended {
            let (found, alone) = (found.unwrap(), beam_search(&roomy, &prompt(3 * id), &settings()).unwrap());
            assert_eq!((found.tokens, found.steps), (alone.tokens, alone.steps), "{rows} {id}");
            assert_eq!(found.hidden_best.dims(), alone.hidden_best.dims());
        }
        let tally = engine.tally();
        assert!(toy.largest.get() <= rows && tally.shrunk > 0, "{tally:?}");
        // It has learnt: not every pass fails first.
        assert!(tally.shrunk < tally.passes, "{tally:?}");
        assert_eq!(tally.prompt_rows, (1..=12).map(|id| 3 * id).sum::<usize>());
    }
}

#[test]
fn a_clip_that_fits_nowhere_is_an_error_of_its_own() {
    let toy = Toy::new(3);
    let mut engine = Engine::new(&toy, settings(), Budget { bytes: 5000, clips: 2, prefill: 8 }).unwrap();
    engine.submit("beams", &prompt(2), 6).unwrap();
    engine.submit("one token", &prompt(5), 1).unwrap();
    let mut ended: Vec<_> = engine.by_ref().collect();
    ended.sort_by_key(|(id, _)| *id);
    let error = ended.remove(0).1.unwrap_err();
    assert!(matches!(error, Error::PassMemory { rows: 4, cache: 5000 }), "{error}");
    assert!(error.hint().unwrap().contains("at most 4500 bytes"), "{:?}", error.hint());
    assert_eq!(ended.remove(0).1.unwrap().tokens.len(), 1);
    let toy = Toy::new(0);
    let error = beam_search(&toy, &prompt(9), &settings()).unwrap_err();
    assert!(matches!(error, Error::PassMemory { rows: 1, .. }), "{error}");
}

#[test]
fn a_cache_that_the_card_cannot_give_names_both_numbers() {
    let toy = Toy::new(99);
    let budget = Budget { bytes: 10_010, ..Budget::default() };
    let error = Engine::<_, u32>::new(&toy, settings(), budget).err().unwrap();
    assert!(matches!(error, Error::CacheMemory { wanted: 10_010, free: 10_000 }), "{error}");
    assert!(error.hint().unwrap().contains("at most 9000 bytes"), "{:?}", error.hint());
}
