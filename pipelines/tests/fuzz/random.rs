//! Numbers from the number of a case: the same ones wherever it runs.

/// A generator: splitmix64 (Steele et al. 2014).
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        // Neighbouring cases draw from distant states.
        Self { state: seed.wrapping_mul(0xd6e8_feb8_6659_fd93) }
    }

    /// 64 even bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn byte(&mut self) -> u8 {
        self.bits() as u8
    }

    /// Evenly below `end`; 0 for 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % (end as u64).max(1)) as usize
    }

    /// From 1 to `most`, small ones as often as large ones.
    pub fn length(&mut self, most: usize) -> usize {
        let digits = self.below(most.max(1).ilog2() as usize + 1);
        (1 + self.below(1 << (digits + 1))).min(most)
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// From 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// # Panics
    /// Where there is nothing to choose from.
    pub fn choose<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}
