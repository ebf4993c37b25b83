//! Content hashes: the same on every run, thread and machine, wide enough to stand for the content.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A 128-bit content hash.
///
/// Two different states get the same one with probability 2^-128; among n states some two do with
/// probability below n² / 2^129.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// The fingerprint of a value.
    pub fn of<T: Hash + ?Sized>(value: &T) -> Self {
        let mut hasher = StableHasher::default();
        value.hash(&mut hasher);
        hasher.fingerprint()
    }

    /// This fingerprint as the content of the `index`-th of several slots. The sum over all slots
    /// is the fingerprint of the whole: a change of one slot needs that slot's hash only.
    pub fn at(self, index: usize) -> Self {
        let mut hasher = StableHasher::default();
        hasher.write_u128(self.0);
        hasher.write_usize(index);
        hasher.fingerprint()
    }

    /// The fingerprint of several slots together, from what [`at`](Self::at) gives for each.
    pub fn and(self, other: Self) -> Self {
        Fingerprint(self.0.wrapping_add(other.0))
    }

    /// What is left when the fingerprint of a slot is taken out of the whole.
    pub fn without(self, slot: Self) -> Self {
        Fingerprint(self.0.wrapping_sub(slot.0))
    }

    /// How wide it is.
    pub const BITS: u32 = u128::BITS;

    /// Probability that among `states` states two have the same hash of so many bits, at most.
    pub fn collision_odds(states: u64, bits: u32) -> f64 {
        let n = states as f64;
        n * n / 2f64.powi(bits as i32 + 1)
    }
}

/// A hasher without random keys. Integers are hashed by value, not by their bytes in memory, and
/// lengths count, so equal contents have equal hashes on every machine.
#[derive(Clone, Debug)]
pub struct StableHasher {
    lanes: [u64; 2],
}

impl Default for StableHasher {
    fn default() -> Self {
        // Digits of pi: numbers with nothing up their sleeve.
        StableHasher { lanes: [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344] }
    }
}

impl StableHasher {
    fn mix(&mut self, word: u64) {
        self.lanes[0] = fold(self.lanes[0] ^ word, 0xa409_3822_299f_31d1);
        self.lanes[1] = fold(self.lanes[1].rotate_left(23) ^ word, 0x9e37_79b9_7f4a_7c15)
            .wrapping_add(self.lanes[0]);
    }

    /// Both halves of the result.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut end = self.clone();
        end.mix(0x082e_fa98_ec4e_6c89);
        end.mix(end.lanes[1]);
        Fingerprint(u128::from(end.lanes[0]) << 64 | u128::from(end.lanes[1]))
    }
}

/// High and low half of the product, combined.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64 ^ a.rotate_left(32)
}

impl Hasher for StableHasher {
    fn finish(&self) -> u64 {
        self.fingerprint().0 as u64
    }
    fn write(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }
    fn write_u16(&mut self, value: u16) {
        self.mix(u64::from(value));
    }
    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }
    fn write_u128(&mut self, value: u128) {
        self.mix(value as u64);
        self.mix((value >> 64) as u64);
    }
    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }
    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }
}

/// A shared value with its fingerprint: cheap to copy, compare and hash.
#[derive(Debug)]
pub struct Slot<T>(Arc<Content<T>>);

#[derive(Clone, Debug)]
struct Content<T> {
    fingerprint: Fingerprint,
    value: T,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Slot(Arc::clone(&self.0))
    }
}

impl<T: Clone + Hash> Slot<T> {
    /// Takes a value in.
    pub fn new(value: T) -> Self {
        Slot(Arc::new(Content { fingerprint: Fingerprint::of(&value), value }))
    }

    /// Gives the value for changing, in a copy if it is shared. The fingerprint is stale until
    /// [`seal`](Self::seal).
    pub fn modify(&mut self) -> &mut T {
        &mut Arc::make_mut(&mut self.0).value
    }

    /// Ends a change; `before` is shared again if the value is the same as then.
    pub fn seal(&mut self, before: &Slot<T>) {
        let fingerprint = Fingerprint::of(self.get());
        if fingerprint == before.fingerprint() {
            *self = before.clone();
        } else {
            Arc::make_mut(&mut self.0).fingerprint = fingerprint;
        }
    }
}

impl<T> Slot<T> {
    /// Whether both are one and the same copy.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    /// The value.
    pub fn get(&self) -> &T {
        &self.0.value
    }
    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }
}

impl<T: PartialEq> PartialEq for Slot<T> {
    fn eq(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.0, &other.0);
        same || (self.fingerprint() == other.fingerprint() && self.get() == other.get())
    }
}

impl<T: Eq> Eq for Slot<T> {}

impl<T> Hash for Slot<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.fingerprint().hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_value_matters() {
        let one: (Vec<u8>, Vec<u8>) = (vec![1], vec![]);
        let other: (Vec<u8>, Vec<u8>) = (vec![], vec![1]);
        assert_ne!(Fingerprint::of(&one), Fingerprint::of(&other));
        let (a, b) = (Fingerprint::of(&1u8), Fingerprint::of(&2u8));
        assert_ne!(a.at(0).and(b.at(1)), b.at(0).and(a.at(1)));
    }

    #[test]
    fn fingerprints_do_not_change_between_runs() {
        // A saved schedule names states by fingerprint.
        assert_eq!(
            Fingerprint::of(&(1u8, 2u64, "x")),
            Fingerprint::of(&(1u8, 2u64, String::from("x")))
        );
    }

    #[test]
    fn small_values_spread_over_all_bits() {
        let mut seen = 0u128;
        for n in 0u32..64 {
            seen |= Fingerprint::of(&n).0 ^ Fingerprint::of(&(n + 1)).0;
        }
        assert_eq!(seen.count_ones(), 128);
    }
}
