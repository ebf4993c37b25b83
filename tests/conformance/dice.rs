//! Numbers that look random, the same for the same seed.

/// The state of a generator (xorshift).
pub struct Dice(u64);

impl Dice {
    /// A generator; the seed is not 0.
    pub fn new(seed: u64) -> Self {
        Dice(seed.max(1))
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}
