//! One forward pass of the engine and what follows from it.

use std::ops::RangeInclusive;

use affekt_nn::device::{out_of_memory, reclaim};
use affekt_nn::finite::Watch;
use affekt_nn::top_k::{Likeliest, stays, top_k};
use candle_core::{DType, Storage, Tensor, bail};
use rayon::prelude::*;

use super::Engine;
use super::clip::{Clip, Part};
use crate::beams::{Beams, Next};
use crate::model::{Batch, Step};
use crate::{CausalLm, Error};

/// What a pass means for a clip: tokens to go on with, the end of its search, or nothing yet.
enum Verdict {
    Fed,
    GoesOn(Next),
    Ends,
    Fails(Error),
}

impl<M: CausalLm, K> Engine<'_, M, K> {
    /// Runs the model over `parts` and takes all their clips a step further.
    pub(super) fn pass(&mut self, parts: &[Part]) {
        let verdicts = self.verdicts(parts);
        let mut judged = parts.iter().zip(verdicts).peekable();
        let mut staying = Vec::with_capacity(self.clips.len());
        for (at, mut clip) in self.clips.drain(..).enumerate() {
            let verdict = judged.next_if(|(part, _)| part.clip == at).map(|(_, verdict)| verdict);
            match verdict {
                None | Some(Verdict::Fed) => staying.push(clip),
                Some(Verdict::GoesOn(next)) => {
                    clip.follow(next, &mut self.slots);
                    staying.push(clip);
                }
                Some(Verdict::Ends) => {
                    clip.leave(&mut self.slots);
                    self.ended.push_back(clip.finish());
                }
                Some(Verdict::Fails(error)) => {
                    clip.leave(&mut self.slots);
                    self.ended.push_back((clip.id, Err(error)));
                }
            }
        }
        self.clips = staying;
    }

    /// One verdict a part. A pass that fails is made again for each clip alone: only those that are to blame fail. One
    /// for which a card has no memory is made again in halves, and so are all later ones of its size.
    fn verdicts(&mut self, parts: &[Part]) -> Vec<Verdict> {
        let (fits, rest) = parts.split_at(self.fitting(parts));
        let mut verdicts = self.attempt(fits);
        if !rest.is_empty() {
            verdicts.extend(self.verdicts(rest));
        }
        verdicts
    }

    /// How many of the `parts`, one at least, make a pass of at most so many rows as fit.
    fn fitting(&self, parts: &[Part]) -> usize {
        let mut rows = 0;
        let fits = |part: &&Part| {
            rows += part.rows;
            rows <= self.most_rows
        };
        parts.iter().take_while(fits).count().max(1)
    }

    fn attempt(&mut self, parts: &[Part]) -> Vec<Verdict> {
        let result = self.forward(parts).and_then(|(step, watch)| self.judge(parts, &step, watch.as_ref()));
        match (result, parts) {
            (Ok(Some(verdicts)), _) => verdicts,
            (Err(error), _) if out_of_memory(&error) => self.shrink(parts),
            (Ok(None), [part]) => vec![Verdict::Fails(self.spoilt(part))],
            (Err(error), [part]) => {
                let step = self.clips[part.clip].beams.steps();
                vec![Verdict::Fails(Error::at(step)(error))]
            }
            (Ok(None) | Err(_), _) => {
                parts.iter().flat_map(|part| self.attempt(std::slice::from_ref(part))).collect()
            }
        }
    }

    /// Makes a pass that a card had no memory for in smaller ones.
    fn shrink(&mut self, parts: &[Part]) -> Vec<Verdict> {
        let rows = parts.iter().map(|part| part.rows).sum::<usize>();
        self.tally.shrunk += 1;
        // Memory that is free in pieces may serve yet; where it cannot be had, the next attempt tells.
        let _ = reclaim(self.clips[parts[0].clip].device());
        let [part] = parts else {
            self.most_rows = (rows / 2).max(1);
            return self.verdicts(parts);
        };
        if self.clips[part.clip].unfed() > 0 && rows > 1 {
            // Less of the prompt in the next pass.
            self.budget.prefill = self.budget.prefill.min(rows / 2);
            self.tally.prompt_rows -= rows;
            return vec![Verdict::Fed];
        }
        match self.forward(parts).and_then(|(step, watch)| self.judge(parts, &step, watch.as_ref())) {
            Ok(Some(verdicts)) => verdicts,
            Ok(None) => vec![Verdict::Fails(self.spoilt(part))],
            Err(error) if out_of_memory(&error) => {
                vec![Verdict::Fails(Error::PassMemory { rows, cache: self.budget.bytes })]
            }
            Err(error) => {
                vec![Verdict::Fails(Error::at(self.clips[part.clip].beams.steps())(error))]
            }
        }
    }

    /// The error of a clip whose pass, on a card, gave numbers that are not finite: made again with open eyes, it names
    /// the layer.
    fn spoilt(&mut self, part: &Part) -> Error {
        let parts = std::slice::from_ref(part);
        let step = self.clips[part.clip].beams.steps();
        match self
            .pass_over(parts, |model, embeds, batch, cache, layers| model.step(embeds, batch, cache, layers))
        {
            Ok(_) => Error::NotFinite { step, found: None },
            Err(error) => Error::at(step)(error),
        }
    }

    fn forward(&mut self, parts: &[Part]) -> candle_core::Result<(Step, Option<Watch>)> {
        self.pass_over(parts, |model, embeds, batch, cache, layers| model.start(embeds, batch, cache, layers))
    }

    fn pass_over<T>(
        &mut self,
        parts: &[Part],
        run: impl FnOnce(&M, &Tensor, &Batch, &mut M::Cache, &RangeInclusive<usize>) -> candle_core::Result<T>,
    ) -> candle_core::Result<T> {
        let mut batch = Batch::default();
        let mut tokens = Vec::new();
        for part in parts {
            let clip = &self.clips[part.clip];
            clip.list(part, &mut batch);
            tokens.extend(clip.tokens());
        }
        let embeds = self.embeds(parts, tokens)?; // (n, width)
        run(self.model, &embeds, &batch, &mut self.cache, &self.layers)
    }

    /// The input of a pass: pieces of prompts, and `tokens`, those of all its beams: (n, width)
    fn embeds(&self, parts: &[Part], tokens: Vec<u32>) -> candle_core::Result<Tensor> {
        let mut pieces = Vec::with_capacity(parts.len());
        let mut embedded = None;
        if !tokens.is_empty() {
            let device = self.clips[parts[0].clip].device();
            let ids = Tensor::from_vec(tokens, (1, ()), device)?;
            embedded = Some(self.model.embed(&ids)?.squeeze(0)?); // (tokens, width)
        }
        let mut first = 0;
        // Clips whose beams follow each other give one piece: on a card each costs a copy.
        let mut beams = 0;
        for part in parts {
            let clip = &self.clips[part.clip];
            match &embedded {
                Some(_) if !clip.tokens().is_empty() => beams += part.rows,
                Some(embedded) if beams > 0 => {
                    pieces.push(embedded.narrow(0, first, beams)?);
                    (first, beams) = (first + beams, 0);
                    pieces.push(clip.chunk(part.rows)?);
                }
                _ => pieces.push(clip.chunk(part.rows)?),
            }
        }
        if let Some(embedded) = &embedded
            && beams > 0
        {
            pieces.push(embedded.narrow(0, first, beams)?);
        }
        Tensor::cat(&pieces, 0)
    }

    /// Books a pass. Nothing is booked where it fails, nor, `None`, where the watch has seen a number that is not finite.
    fn judge(
        &mut self,
        parts: &[Part],
        step: &Step,
        watch: Option<&Watch>,
    ) -> candle_core::Result<Option<Vec<Verdict>>> {
        if stays(&step.logits) {
            return self.judge_there(parts, step, watch);
        }
        let logits = step.logits.to_dtype(DType::F32)?.contiguous()?; // (scored, vocab)
        let mut first = 0;
        for part in parts {
            self.clips[part.clip].note(&step.hidden, first..first + part.rows, false)?;
            first += part.rows;
        }
        let (storage, layout) = logits.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { bail!("logits that do not stay lie on the CPU") };
        let numbers = &storage.as_slice::<f32>()?[layout.start_offset()..];
        let mut rows = numbers.chunks_exact(logits.dim(1)?);
        let advance = |beams: &mut Beams, rows: Vec<&[f32]>| beams.advance(&rows);
        Ok(Some(advance_all(&mut self.clips, parts, &mut rows, advance)))
    }

    /// The same on a card: the likeliest tokens are all that leaves it, in one copy, the only thing that is waited for.
    fn judge_there(
        &mut self,
        parts: &[Part],
        step: &Step,
        watch: Option<&Watch>,
    ) -> candle_core::Result<Option<Vec<Verdict>>> {
        let count = self.settings.candidates().min(step.logits.dim(1)?);
        let found = top_k(&step.logits, count, watch.map(Watch::seen))?;
        if found.spoilt {
            return Ok(None);
        }
        let (kept, before) = self.states_of_beams(parts, &step.hidden)?;
        let mut first = 0;
        for part in parts {
            let clip = &mut self.clips[part.clip];
            // A prompt's rows are only counted.
            let from = if clip.tokens().is_empty() { 0 } else { first - before };
            clip.note(&kept, from..from + part.rows, true)?;
            first += part.rows;
        }
        let mut rows = found.rows.iter();
        let advance = |beams: &mut Beams, rows: Vec<&Likeliest>| beams.advance_by(&rows);
        Ok(Some(advance_all(&mut self.clips, parts, &mut rows, advance)))
    }

    /// What is kept of `hidden` (n, width) until the clips end: the rows from the first beam to the last, and how many
    /// stand before them. One copy for all clips, where one for each would be a launch for each; old clips have their
    /// beams and new ones their prompts, so that hardly a prompt's row stands between.
    fn states_of_beams(&self, parts: &[Part], hidden: &Tensor) -> candle_core::Result<(Tensor, usize)> {
        let (mut first, mut beams) = (0, None::<(usize, usize)>);
        for part in parts {
            let end = first + part.rows;
            if !self.clips[part.clip].tokens().is_empty() {
                beams = Some((beams.map_or(first, |(start, _)| start), end));
            }
            first = end;
        }
        match beams {
            None => Ok((hidden.narrow(0, 0, 0)?, 0)),
            Some((0, end)) if end == first => Ok((hidden.clone(), 0)),
            Some((start, end)) => Ok((hidden.narrow(0, start, end - start)?.force_contiguous()?, start)),
        }
    }
}

/// Takes the search of every part that has scores a step further, on all cores. `rows` are the scores of all parts, one
/// after the other.
fn advance_all<K, R: Send>(
    clips: &mut [Clip<K>],
    parts: &[Part],
    rows: &mut impl Iterator<Item = R>,
    advance: impl Fn(&mut Beams, Vec<R>) -> Result<Option<Next>, Error> + Sync,
) -> Vec<Verdict> {
    let mut parts = parts.iter().peekable();
    let mut searches: Vec<(&mut Beams, Vec<R>)> = Vec::new();
    for (at, clip) in clips.iter_mut().enumerate() {
        if let Some(part) = parts.next_if(|part| part.clip == at) {
            searches.push((&mut clip.beams, rows.by_ref().take(part.scored).collect()));
        }
    }
    let verdict = |(beams, rows): (&mut Beams, Vec<R>)| {
        if rows.is_empty() {
            return Verdict::Fed;
        }
        match advance(beams, rows) {
            Ok(Some(next)) => Verdict::GoesOn(next),
            Ok(None) => Verdict::Ends,
            Err(error) => Verdict::Fails(error),
        }
    };
    searches.into_par_iter().with_max_len(1).map(verdict).collect()
}
