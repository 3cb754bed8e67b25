//! One forward pass of the engine and what follows from it.

use candle_core::{DType, Storage, Tensor};
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

    /// One verdict a part. A pass that fails is made again for each clip alone: only those that are to blame fail.
    fn verdicts(&mut self, parts: &[Part]) -> Vec<Verdict> {
        let result = self.forward(parts).and_then(|step| self.judge(parts, &step));
        match (result, parts) {
            (Ok(verdicts), _) => verdicts,
            (Err(error), [part]) => {
                let step = self.clips[part.clip].beams.steps();
                vec![Verdict::Fails(Error::at(step)(error))]
            }
            (Err(_), _) => parts.iter().flat_map(|part| self.verdicts(std::slice::from_ref(part))).collect(),
        }
    }

    fn forward(&mut self, parts: &[Part]) -> candle_core::Result<Step> {
        let mut batch = Batch::default();
        let mut tokens = Vec::new();
        for part in parts {
            let clip = &self.clips[part.clip];
            clip.list(part, &mut batch);
            tokens.extend(clip.tokens());
        }
        let embeds = self.embeds(parts, tokens)?; // (n, width)
        self.model.step(&embeds, &batch, &mut self.cache, &self.layers)
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
        for part in parts {
            let clip = &self.clips[part.clip];
            match &embedded {
                Some(embedded) if !clip.tokens().is_empty() => {
                    pieces.push(embedded.narrow(0, first, part.rows)?);
                    first += part.rows;
                }
                _ => pieces.push(clip.chunk(part.rows)?),
            }
        }
        Tensor::cat(&pieces, 0)
    }

    /// Books a pass. Nothing is booked where it fails.
    fn judge(&mut self, parts: &[Part], step: &Step) -> candle_core::Result<Vec<Verdict>> {
        let logits = step.logits.to_dtype(DType::F32)?.contiguous()?; // (scored, vocab)
        let mut first = 0;
        for part in parts {
            self.clips[part.clip].note(&step.hidden, first..first + part.rows)?;
            first += part.rows;
        }
        let (storage, layout) = logits.storage_and_layout();
        let copied;
        let numbers = match &*storage {
            Storage::Cpu(storage) => &storage.as_slice::<f32>()?[layout.start_offset()..],
            _ => {
                copied = logits.flatten_all()?.to_vec1::<f32>()?;
                copied.as_slice()
            }
        };
        Ok(advance(&mut self.clips, parts, numbers, logits.dim(1)?))
    }
}

/// Takes the search of every part that has scores a step further, on all cores.
fn advance<K>(clips: &mut [Clip<K>], parts: &[Part], logits: &[f32], vocab: usize) -> Vec<Verdict> {
    let mut rows = logits.chunks_exact(vocab);
    let mut parts = parts.iter().peekable();
    let mut searches: Vec<(&mut Beams, Vec<&[f32]>)> = Vec::new();
    for (at, clip) in clips.iter_mut().enumerate() {
        if let Some(part) = parts.next_if(|part| part.clip == at) {
            searches.push((&mut clip.beams, rows.by_ref().take(part.scored).collect()));
        }
    }
    let advance = |(beams, rows): (&mut Beams, Vec<&[f32]>)| {
        if rows.is_empty() {
            return Verdict::Fed;
        }
        match beams.advance(&rows) {
            Ok(Some(next)) => Verdict::GoesOn(next),
            Ok(None) => Verdict::Ends,
            Err(error) => Verdict::Fails(error),
        }
    };
    searches.into_par_iter().with_max_len(1).map(advance).collect()
}
