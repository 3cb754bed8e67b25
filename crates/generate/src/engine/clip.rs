//! One clip on its way through the engine.

use std::ops::Range;

use affekt_nn::kv_cache::Group;
use candle_core::{Device, Tensor};

use super::slots::Slots;
use crate::beams::{Beams, Next};
use crate::model::Batch;
use crate::{Error, Generation, Settings};

/// A clip that waits, or that has slots in the cache.
pub(super) struct Clip<K> {
    pub id: K,
    prompt: Tensor, // (t, width)
    /// Positions of the prompt that are in the cache.
    fed: usize,
    /// The search's book.
    pub beams: Beams,
    /// Forward passes over beams that are left at most.
    left: usize,
    /// Tokens to feed, one a beam; none while the prompt is fed.
    next: Vec<u32>,
    /// Slots of the positions that all beams have in common: the prompt, and what they agree on behind it.
    shared: Vec<u32>,
    /// For each beam, the slots of its positions after those.
    own: Vec<Vec<u32>>,
    /// Slots taken.
    held: usize,
    /// Hidden states of every pass over beams, (beams, width) each.
    states: Vec<Tensor>,
    width_of_search: usize,
}

/// Rows of a batch that belong to one clip.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Its number among the clips in flight.
    pub clip: usize,
    /// How many rows.
    pub rows: usize,
    /// How many of them, the last ones, are scored.
    pub scored: usize,
}

impl<K> Clip<K> {
    /// A clip of a prompt (t, width) that is searched by `settings`.
    pub fn new(id: K, prompt: Tensor, settings: Settings) -> Self {
        Self {
            id,
            prompt,
            fed: 0,
            left: settings.max_new_tokens - 1,
            next: Vec::new(),
            shared: Vec::new(),
            own: Vec::new(),
            held: 0,
            states: Vec::new(),
            width_of_search: settings.beams,
            beams: Beams::new(settings),
        }
    }

    /// Positions of the prompt.
    pub fn prompt_len(&self) -> usize {
        self.prompt.dims()[0]
    }

    /// Slots taken.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Most slots that it may still take, once it has those of its prompt.
    pub fn need(&self) -> usize {
        self.left * self.width_of_search
    }

    /// Positions of the prompt that are still to be fed.
    pub fn unfed(&self) -> usize {
        self.prompt_len() - self.fed
    }

    /// Slots that the next pass over beams takes.
    pub fn growth(&self) -> usize {
        self.width_of_search
    }

    /// Takes the slots of its prompt.
    pub fn enter(&mut self, slots: &mut Slots) {
        self.shared = slots.take(self.prompt_len());
        self.held = self.shared.len();
    }

    /// Takes a slot a beam for the tokens that are fed next.
    pub fn grow(&mut self, slots: &mut Slots) {
        let new = slots.take(self.own.len());
        self.held += new.len();
        self.left -= 1;
        self.own.iter_mut().zip(new).for_each(|(own, slot)| own.push(slot));
    }

    /// Tokens to feed, one a beam; none while the prompt is fed.
    pub fn tokens(&self) -> &[u32] {
        &self.next
    }

    /// The next `rows` embeddings of the prompt: (rows, width)
    pub fn chunk(&self, rows: usize) -> candle_core::Result<Tensor> {
        self.prompt.narrow(0, self.fed, rows)
    }

    /// Where its prompt lies.
    pub fn device(&self) -> &Device {
        self.prompt.device()
    }

    /// Adds its next `rows` rows to a batch, of which the last `scored` are scored.
    pub fn list<'a>(&'a self, part: &Part, batch: &mut Batch<'a>) {
        let first = batch.slots.len();
        if self.next.is_empty() {
            let end = self.fed + part.rows;
            let new = &self.shared[self.fed..end];
            batch.positions.extend(self.fed as u32..end as u32);
            batch.slots.extend(new);
            let own = (1..=part.rows).map(|seen| &new[..seen]).collect();
            batch.groups.push(Group { shared: &self.shared[..self.fed], own });
        } else {
            let own: Vec<&[u32]> = self.own.iter().map(Vec::as_slice).collect();
            let position = self.shared.len() + own[0].len() - 1;
            batch.positions.extend(own.iter().map(|_| position as u32));
            batch.slots.extend(own.iter().filter_map(|own| own.last()));
            batch.groups.push(Group { shared: &self.shared, own });
        }
        let end = first + part.rows;
        batch.scored.extend((end - part.scored) as u32..end as u32);
    }

    /// Notes that rows have been fed, whose hidden states are `rows` of `hidden` (n, width). `shares`: those of one pass
    /// are kept together for all clips.
    pub fn note(&mut self, hidden: &Tensor, rows: Range<usize>, shares: bool) -> candle_core::Result<()> {
        if self.next.is_empty() {
            self.fed += rows.len();
        } else if shares {
            self.states.push(hidden.narrow(0, rows.start, rows.len())?);
        } else {
            // A view would keep the states of the whole batch.
            self.states.push(hidden.narrow(0, rows.start, rows.len())?.force_contiguous()?);
        }
        Ok(())
    }

    /// Goes on from the beams and with the tokens that the search has chosen, and gives back the slots of positions
    /// that no beam goes on from.
    pub fn follow(&mut self, next: Next, slots: &mut Slots) {
        self.next = next.tokens;
        if self.own.is_empty() {
            self.own = vec![Vec::new(); self.next.len()];
            return;
        }
        let old = std::mem::take(&mut self.own);
        self.own = next.rows.iter().map(|&row| old[row as usize].clone()).collect();
        for depth in 0..old[0].len() {
            let mut dead: Vec<u32> = old.iter().map(|own| own[depth]).collect();
            dead.sort_unstable();
            dead.dedup();
            dead.retain(|slot| self.own.iter().all(|own| own[depth] != *slot));
            self.held -= dead.len();
            slots.give_back(dead);
        }
        let (first, others) = self.own.split_first().expect("a search has a beam or more");
        let alike = |depth: &usize| others.iter().all(|own| own[*depth] == first[*depth]);
        let alike = (0..first.len()).take_while(alike).count();
        self.shared.extend_from_slice(&first[..alike]);
        self.own.iter_mut().for_each(|own| drop(own.drain(..alike)));
    }

    /// Gives back all slots.
    pub fn leave(&mut self, slots: &mut Slots) {
        let mut held: Vec<u32> = self.own.drain(..).flatten().chain(self.shared.drain(..)).collect();
        held.sort_unstable();
        held.dedup();
        debug_assert_eq!(held.len(), self.held, "slots held");
        slots.give_back(held);
        self.held = 0;
    }

    /// What the search has found.
    pub fn finish(self) -> (K, Result<Generation, Error>) {
        let width = self.prompt.dims()[1];
        (self.id, Generation::new(self.beams, &self.states, width, &self.prompt))
    }
}
