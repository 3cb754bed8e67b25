//! What a device was given, and has not given back.

use std::collections::VecDeque;

use affekt_core::{FeatureKind, Waveform};
use affekt_nn::staging::Fetched;
use candle_core::{Result, Tensor};

use super::faces::Watched;
use crate::Error;
use crate::batch::Draft;
use crate::features::audio::Voice;

/// Batches on their way through a device, in order: each is due when so many others are behind it.
pub(super) struct Late<T> {
    behind: usize,
    given: VecDeque<T>,
}

impl<T> Late<T> {
    /// With `behind` of 0 each is due at once.
    pub fn new(behind: usize) -> Self {
        Self { behind, given: VecDeque::new() }
    }

    pub fn push(&mut self, batch: T) {
        self.given.push_back(batch);
    }

    /// The oldest batch, where enough others are behind it.
    pub fn due(&mut self) -> Option<T> {
        if self.given.len() > self.behind { self.given.pop_front() } else { None }
    }

    /// The oldest batch.
    pub fn rest(&mut self) -> Option<T> {
        self.given.pop_front()
    }
}

/// A batch that a device was given, and its numbers on their way back.
pub(super) enum Launched<'p> {
    /// Faces of several clips: the rows of all, one behind the other.
    Faces { group: Vec<Watched<'p>>, fetched: Result<Fetched> },
    /// Voices of several clips: the features of each that are wanted.
    Voices { group: Vec<Spoken<'p>>, fetched: Result<Fetched> },
}

/// A clip and its voice.
pub(super) struct Spoken<'p> {
    pub draft: Draft<'p>,
    /// What was heard: where its numbers are none, it is heard again.
    pub sound: Waveform,
    pub voice: std::result::Result<Option<Voice>, Error>,
}

impl Spoken<'_> {
    /// The features of the voice that the cache lacks.
    pub fn kinds(&self) -> impl Iterator<Item = FeatureKind> {
        let kinds = [FeatureKind::Audio, FeatureKind::Speech];
        kinds.into_iter().filter(|kind| matches!(self.voice, Ok(Some(_))) && self.draft.lacks(*kind))
    }

    /// Their rows, each (t, width).
    pub fn wanted(&self) -> impl Iterator<Item = &Tensor> {
        let rows = |kind| match (&self.voice, kind) {
            (Ok(Some(voice)), FeatureKind::Audio) => Some(&voice.audio),
            (Ok(Some(voice)), _) => Some(&voice.speech),
            _ => None,
        };
        self.kinds().filter_map(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_as_late_as_they_may_be_and_in_order() {
        let mut late = Late::new(1);
        let mut due = Vec::new();
        for batch in 0..4 {
            late.push(batch);
            due.extend(late.due());
        }
        assert_eq!(due, [0, 1, 2]);
        assert_eq!((late.rest(), late.rest()), (Some(3), None));
        let mut at_once = Late::new(0);
        at_once.push(7);
        assert_eq!((at_once.due(), at_once.due()), (Some(7), None));
    }
}
