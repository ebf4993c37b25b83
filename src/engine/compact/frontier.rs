//! States that wait to be expanded, in flat memory: each as what differs from the one before.

use crate::engine::compact::visited::Place;
use crate::engine::fingerprint::Fingerprint;

/// States that wait, next to each other.
#[derive(Default)]
pub(super) struct Chunk {
    /// For each state its place, its fingerprint, which slots differ, and what they hold.
    bytes: Vec<u8>,
    states: usize,
}

impl Chunk {
    pub(super) fn len(&self) -> usize {
        self.states
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { bytes: &self.bytes, left: self.states }
    }
}

/// Into which chunks states go: those alike in one slot go together, so that whoever expands them
/// looks the same things up again and again.
#[derive(Clone, Copy)]
pub(super) struct Sorting {
    pub slot: usize,
    pub baskets: usize,
}

/// Puts states into chunks.
pub(super) struct Writer {
    full: Vec<(usize, Chunk)>,
    baskets: Vec<Basket>,
    sorting: Sorting,
    /// States in a full chunk.
    size: usize,
}

#[derive(Default)]
struct Basket {
    open: Chunk,
    last: Vec<u32>,
}

impl Writer {
    pub(super) fn new(size: usize, sorting: Sorting) -> Self {
        let baskets = std::iter::repeat_with(Basket::default).take(sorting.baskets).collect();
        Writer { full: Vec::new(), baskets, sorting, size }
    }

    /// Adds a state.
    pub(super) fn push(&mut self, place: Place, fingerprint: Fingerprint, ids: &[u32]) {
        let which = ids[self.sorting.slot] as usize % self.sorting.baskets;
        let basket = &mut self.baskets[which];
        basket.push(place, fingerprint, ids);
        if basket.open.states == self.size {
            self.full.push((which, basket.close()));
        }
    }

    /// All chunks so far, each with its basket; some of them not full.
    pub(super) fn take(mut self) -> Vec<(usize, Chunk)> {
        for (which, basket) in self.baskets.iter_mut().enumerate() {
            if basket.open.states > 0 {
                self.full.push((which, basket.close()));
            }
        }
        self.full
    }
}

impl Basket {
    fn push(&mut self, place: Place, fingerprint: Fingerprint, ids: &[u32]) {
        let Chunk { bytes, states } = &mut self.open;
        bytes.extend_from_slice(&place.0.to_le_bytes());
        bytes.extend_from_slice(&fingerprint.0.to_le_bytes());
        let first = *states == 0;
        self.last.resize(ids.len(), 0);
        let mut differs = 0u64;
        for (slot, (id, last)) in ids.iter().zip(&self.last).enumerate() {
            differs |= u64::from(first || id != last) << slot;
        }
        let width = ids.len().div_ceil(8);
        bytes.extend_from_slice(&differs.to_le_bytes()[..width]);
        while differs != 0 {
            let slot = differs.trailing_zeros() as usize;
            differs &= differs - 1;
            let mut id = ids[slot];
            self.last[slot] = id;
            while id >= 0x80 {
                bytes.push(id as u8 | 0x80);
                id >>= 7;
            }
            bytes.push(id as u8);
        }
        *states += 1;
    }

    fn close(&mut self) -> Chunk {
        let mut chunk = std::mem::take(&mut self.open);
        chunk.bytes.shrink_to_fit();
        chunk
    }
}

/// Takes states out of a chunk.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self, length: usize) -> [u8; N] {
        let (taken, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        let mut array = [0; N];
        array[..length].copy_from_slice(taken);
        array
    }

    /// The next state: `ids` are those of the one before, and become its.
    pub(super) fn next(&mut self, ids: &mut [u32]) -> Option<(Place, Fingerprint)> {
        self.left = self.left.checked_sub(1)?;
        let place = Place(u32::from_le_bytes(self.array(4)));
        let fingerprint = Fingerprint(u128::from_le_bytes(self.array(16)));
        let mut slots = u64::from_le_bytes(self.array(ids.len().div_ceil(8)));
        while slots != 0 {
            let slot = slots.trailing_zeros() as usize;
            slots &= slots - 1;
            let mut id = 0;
            for shift in (0..).step_by(7) {
                let [byte] = self.array(1);
                id |= u32::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            ids[slot] = id;
        }
        Some((place, fingerprint))
    }
}
