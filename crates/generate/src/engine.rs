//! Beam searches of many clips through one model at once.
//!
//! Every forward pass has a row for each beam of each running clip and some rows of prompts that are still to be fed:
//! weights are read once for all of them. Clips that end leave at once, and waiting ones take their place.

mod clip;
mod pass;
mod slots;

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use affekt_nn::device::OutOfMemory;
use candle_core::Tensor;

use crate::{CausalLm, Error, Generation, Settings};
use clip::{Clip, Part};
use slots::Slots;

/// What searches may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of the cache, which is set aside when the engine is made. They decide how many clips are in flight.
    pub bytes: usize,
    /// Most clips in flight, whatever the bytes allow.
    pub clips: usize,
    /// Most positions of prompts in one forward pass: a long prompt neither keeps the beams of others waiting nor makes
    /// a pass larger.
    pub prefill: usize,
}

impl Default for Budget {
    /// 2 GiB, 16 clips, 256 positions.
    fn default() -> Self {
        Self { bytes: 2 << 30, clips: 16, prefill: 256 }
    }
}

/// What an engine has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Forward passes.
    pub passes: usize,
    /// Rows of beams in them.
    pub beam_rows: usize,
    /// Rows of prompts in them.
    pub prompt_rows: usize,
    /// Sum over the passes of the clips in flight.
    pub clips: usize,
    /// Most clips in flight.
    pub most_clips: usize,
    /// How often a pass did not fit into the memory of a card, and was made again in smaller ones.
    pub shrunk: usize,
    /// How often a clip in flight sat a pass out because the cache had to be kept for older ones.
    pub held_back: usize,
    /// Most bytes of the cache that were in use.
    pub peak_bytes: usize,
}

/// Beam searches of many clips at once, exactly those that [`crate::beam_search`] makes of each alone: tokens, scores,
/// hidden states and counts of steps of a clip do not depend on its neighbours, the budget or the order of arrival (as far
/// as the model keeps rows apart: [`CausalLm`]).
///
/// Submit clips, and iterate over what has ended; more may be submitted in between.
///
/// The cache never takes more than its budget. A clip enters with the slots of its whole prompt and takes one a beam with
/// every pass, if what is left then suffices for the most that the oldest clip may need, and with what that one gives
/// back for the second oldest, and so on; else it sits the pass out. So clips need not reserve the longest text that they
/// might generate, and the oldest one always ends.
pub struct Engine<'m, M: CausalLm, K> {
    model: &'m M,
    settings: Settings,
    layers: RangeInclusive<usize>,
    budget: Budget,
    cache: M::Cache,
    slots: Slots,
    waiting: VecDeque<Clip<K>>,
    /// Oldest first.
    clips: Vec<Clip<K>>,
    ended: VecDeque<(K, Result<Generation, Error>)>,
    tally: Tally,
    /// Most rows of a pass, as far as a card without memory has taught.
    most_rows: usize,
}

impl<'m, M: CausalLm, K> Engine<'m, M, K> {
    /// An engine for searches by `settings`. Sets the cache aside.
    ///
    /// # Errors
    /// [`Error::BadSetting`], [`Error::Layers`], [`Error::CacheMemory`] for a cache that the card cannot give, and what
    /// else candle reports of it.
    pub fn new(model: &'m M, settings: Settings, budget: Budget) -> Result<Self, Error> {
        settings.check(model.vocab())?;
        for (name, value) in [("most clips", budget.clips), ("prefill", budget.prefill)] {
            if value == 0 {
                return Err(Error::BadSetting { name, value, wanted: "1 or more" });
            }
        }
        let capacity = u32::try_from(budget.bytes / model.slot_bytes()).unwrap_or(u32::MAX);
        Ok(Self {
            layers: settings.layers.resolve(model.hidden_entries())?,
            cache: model.new_cache(capacity as usize).map_err(no_cache)?,
            slots: Slots::new(capacity),
            model,
            settings,
            budget,
            waiting: VecDeque::new(),
            clips: Vec::new(),
            ended: VecDeque::new(),
            tally: Tally::default(),
            most_rows: usize::MAX,
        })
    }

    /// Puts a clip in the queue: a prompt of embeddings (1, t, width), to be continued by at most `max_new_tokens`.
    ///
    /// # Errors
    /// [`Error::BadPrompt`], [`Error::BadSetting`] for no tokens, and [`Error::OverBudget`] for a clip that could need
    /// more than the whole cache. The engine is as it was.
    pub fn submit(&mut self, id: K, prompt: &Tensor, max_new_tokens: usize) -> Result<(), Error> {
        let width = self.model.width();
        let t = match prompt.dims() {
            &[1, t, given] if t > 0 && given == width => t,
            dims => return Err(Error::BadPrompt { got: dims.to_vec(), width }),
        };
        if max_new_tokens == 0 {
            return Err(Error::BadSetting { name: "max_new_tokens", value: 0, wanted: "1 or more" });
        }
        let slots = most_slots(t, self.settings.beams, max_new_tokens);
        if slots > self.slots.capacity() {
            let needed = slots.saturating_mul(self.model.slot_bytes());
            return Err(Error::OverBudget { needed, budget: self.budget.bytes });
        }
        let settings = Settings { max_new_tokens, ..self.settings.clone() };
        self.waiting.push_back(Clip::new(id, prompt.squeeze(0)?, settings));
        Ok(())
    }

    /// Clips that wait for room. Submit more when there are few.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Clips that have a part of the cache.
    pub fn in_flight(&self) -> usize {
        self.clips.len()
    }

    /// Makes one forward pass over the clips in flight; `false` where no clip is left. Callers that have more to do than wait
    /// take what has ended from [`Engine::ended`] instead of iterating.
    pub fn advance(&mut self) -> bool {
        if self.clips.is_empty() && self.waiting.is_empty() {
            return false;
        }
        let parts = self.plan();
        self.tally.passes += 1;
        self.tally.clips += self.clips.len();
        self.tally.most_clips = self.tally.most_clips.max(self.clips.len());
        self.pass(&parts);
        true
    }

    /// Takes a clip that has ended, the first of them.
    pub fn ended(&mut self) -> Option<(K, Result<Generation, Error>)> {
        self.ended.pop_front()
    }

    /// What it has done so far.
    pub fn tally(&self) -> Tally {
        Tally { peak_bytes: self.slots.peak() * self.model.slot_bytes(), ..self.tally }
    }

    /// Slots that clip `at` may take now such that all older ones can still end.
    fn spare(&self, at: usize) -> usize {
        let free = self.slots.free();
        let (mut spare, mut given_back) = (free, 0);
        for older in &self.clips[..at] {
            spare = spare.min((free + given_back).saturating_sub(older.need()));
            given_back += older.held();
        }
        spare
    }

    /// Lets clips in and decides on the rows of the next pass.
    fn plan(&mut self) -> Vec<Part> {
        let mut prefill = self.budget.prefill;
        let mut parts = Vec::new();
        for at in 0.. {
            if at == self.clips.len() && !self.admit(prefill) {
                break;
            }
            let spare = self.spare(at);
            let clip = &mut self.clips[at];
            let rows = if clip.unfed() > 0 {
                let rows = clip.unfed().min(prefill);
                prefill -= rows;
                self.tally.prompt_rows += rows;
                rows
            } else if clip.growth() <= spare {
                clip.grow(&mut self.slots);
                self.tally.beam_rows += clip.growth();
                clip.growth()
            } else {
                self.tally.held_back += 1;
                0
            };
            if rows > 0 {
                let scored = match clip.unfed() {
                    0 => rows,
                    unfed => usize::from(rows == unfed),
                };
                parts.push(Part { clip: at, rows, scored });
            }
        }
        parts
    }

    /// Lets the next clip in, where there is room for it and for some of its prompt in this pass.
    fn admit(&mut self, prefill: usize) -> bool {
        if prefill == 0 || self.clips.len() == self.budget.clips {
            return false;
        }
        let spare = self.spare(self.clips.len());
        let Some(mut clip) = self.waiting.pop_front_if(|clip| clip.prompt_len() <= spare) else {
            return false;
        };
        clip.enter(&mut self.slots);
        self.clips.push(clip);
        true
    }
}

/// The error of a cache that cannot be set aside.
fn no_cache(error: candle_core::Error) -> Error {
    match OutOfMemory::of(&error) {
        Some(&OutOfMemory { wanted, free }) => Error::CacheMemory { wanted, free },
        None => Error::Tensor(error),
    }
}

/// Runs forward passes until a clip ends; `None` when none is left. What goes wrong with a clip is its own result: others
/// go on.
impl<M: CausalLm, K> Iterator for Engine<'_, M, K> {
    type Item = (K, Result<Generation, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.ended.is_empty() && self.advance() {}
        self.ended.pop_front()
    }
}

/// Most slots that a clip takes at a time: those of its prompt, which all beams share, and one a beam for every token but
/// the last, which is never fed.
pub fn most_slots(prompt: usize, beams: usize, max_new_tokens: usize) -> usize {
    beams.saturating_mul(max_new_tokens.saturating_sub(1)).saturating_add(prompt)
}
