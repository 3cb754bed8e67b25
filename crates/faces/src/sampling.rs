//! A few of many, at even distances, while it is not known how many there will be.

/// Chooses positions of a sequence: every one at first, and every second of the chosen whenever they are too many.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    wanted: usize,
    stride: usize,
}

impl Sampling {
    /// Chooses at least `wanted` positions of a sequence that has so many, and fewer than twice as many.
    pub fn new(wanted: usize) -> Self {
        Self { wanted: wanted.max(1), stride: 1 }
    }

    /// How many are wanted.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Whether `position` is chosen, as far as is known.
    pub fn chooses(&self, position: usize) -> bool {
        position.is_multiple_of(self.stride)
    }

    /// Says that so many chosen ones are `kept`; whether they are too many, so that those which are no longer chosen have
    /// to go.
    pub fn thins(&mut self, kept: usize) -> bool {
        let too_many = kept >= self.wanted.saturating_mul(2);
        if too_many {
            self.stride *= 2;
        }
        too_many
    }
}
