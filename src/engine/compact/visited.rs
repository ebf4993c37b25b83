//! The states that have been reached: fingerprints in flat memory, found by open addressing, each
//! with a link to its parent.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::fingerprint::Fingerprint;

/// A state's place: its shard, then its number in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(pub u32);

impl Place {
    /// The parent of a state that a run begins with.
    pub(super) const NONE: Place = Place(u32::MAX);
}

/// Bits that choose a shard.
const SHARD_BITS: u32 = 6;
/// How many shards there are.
pub(super) const SHARDS: usize = 1 << SHARD_BITS;
/// Bits of an entry that number a state of a shard; the others are compared with its fingerprint.
const NUMBER_BITS: u32 = 32 - SHARD_BITS;
const NUMBERS: u32 = (1 << NUMBER_BITS) - 1;

/// States that are looked up together.
const GROUP: usize = 16;

/// The shard of a fingerprint.
pub(super) fn shard_of(fingerprint: Fingerprint) -> usize {
    (fingerprint.0 >> (128 - SHARD_BITS)) as usize
}

/// A state that may be new.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub fingerprint: Fingerprint,
    pub parent: Place,
    /// The upper half of the parent's fingerprint: the smallest parent wins. Two parents of one
    /// half are as improbable as two states of one fingerprint are among 2^32 times as many.
    pub rank: u64,
}

/// All states reached.
pub(super) struct Visited(Vec<Mutex<Shard>>);

/// The states whose fingerprints begin alike.
pub(super) struct Shard {
    /// By hash: one more than the number of a state, and some bits of its fingerprint; 0 if empty.
    index: Vec<u32>,
    fingerprints: Vec<Fingerprint>,
    parents: Vec<u32>,
    /// For states of the level that is being found: the rank of the parent.
    ranks: Vec<u64>,
    which: u32,
}

impl Visited {
    pub(super) fn new() -> Self {
        Visited((0..SHARDS as u32).map(|which| Mutex::new(Shard::new(which))).collect())
    }

    /// A shard, for entering states.
    pub(super) fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.0[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on another level is found: parents of the states so far are final.
    pub(super) fn end_level(&self) {
        (0..SHARDS).for_each(|shard| self.lock(shard).ranks = Vec::new());
    }

    /// The fingerprints from the start of a run to this state.
    pub(super) fn ancestry(&self, state: Fingerprint) -> Vec<Fingerprint> {
        let mut run = vec![state];
        let mut parent = self.lock(shard_of(state)).parent(state);
        while parent != Place::NONE {
            let shard = self.lock((parent.0 >> NUMBER_BITS) as usize);
            let number = (parent.0 & NUMBERS) as usize;
            run.push(shard.fingerprints[number]);
            parent = Place(shard.parents[number]);
        }
        run.reverse();
        run
    }
}

/// Grows by a part only, so that there is never much more room than is needed.
fn make_room<T>(list: &mut Vec<T>, stagger: usize) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 4 + stagger);
    }
}

impl Shard {
    fn new(which: u32) -> Self {
        // Shards fill evenly; begun with different sizes, they do not all grow at the same time.
        let index = vec![0; 64 + which as usize / 2];
        let (fingerprints, parents, ranks) = Default::default();
        Shard { index, fingerprints, parents, ranks, which }
    }

    /// Where to look for a fingerprint, and the bits of it that an entry holds.
    fn home(&self, fingerprint: Fingerprint) -> (usize, u32) {
        let low = fingerprint.0 as u64;
        let home = ((low >> 32) * self.index.len() as u64) >> 32;
        (home as usize, low as u32 & !NUMBERS)
    }

    fn find(&self, fingerprint: Fingerprint) -> Result<usize, usize> {
        let (mut at, bits) = self.home(fingerprint);
        loop {
            let entry = self.index[at];
            if entry == 0 {
                return Err(at);
            }
            if entry & !NUMBERS == bits {
                let number = (entry & NUMBERS) as usize - 1;
                if self.fingerprints[number] == fingerprint {
                    return Ok(number);
                }
            }
            at = if at + 1 == self.index.len() { 0 } else { at + 1 };
        }
    }

    /// Whether a state was reached on an earlier level than that which is being found.
    pub(super) fn is_earlier(&self, fingerprint: Fingerprint) -> bool {
        let old = self.fingerprints.len() - self.ranks.len();
        self.find(fingerprint).is_ok_and(|number| number < old)
    }

    fn parent(&self, state: Fingerprint) -> Place {
        let number = self.find(state).expect("only states that were reached have parents");
        Place(self.parents[number])
    }

    /// Enters those of the candidates that are new: writes down their places. Of a state found on
    /// this level already, the smaller parent is kept.
    pub(super) fn enter_all(&mut self, all: &[Candidate], members: &[u32], places: &mut [Place]) {
        for group in members.chunks(GROUP) {
            // What has to be fetched from memory is asked for all at once, before it is needed.
            let mut touched = [0; GROUP];
            for (touched, &member) in touched.iter_mut().zip(group) {
                *touched = self.index[self.home(all[member as usize].fingerprint).0];
            }
            let known = touched.iter().filter(|&&entry| entry != 0);
            let fetched = known.fold(0, |fetched, entry| {
                fetched ^ self.fingerprints[(entry & NUMBERS) as usize - 1].0 as u32
            });
            std::hint::black_box(fetched);
            for &member in group {
                if let Some(place) = self.enter(&all[member as usize]) {
                    places[member as usize] = place;
                }
            }
        }
    }

    /// Enters a state, if it is new, and gives its place. If it was found on this level already,
    /// the smaller parent is kept.
    pub(super) fn enter(&mut self, candidate: &Candidate) -> Option<Place> {
        let Candidate { fingerprint, parent, rank } = *candidate;
        let old = self.fingerprints.len() - self.ranks.len();
        match self.find(fingerprint) {
            Ok(number) => {
                if number >= old && rank < self.ranks[number - old] {
                    self.ranks[number - old] = rank;
                    self.parents[number] = parent.0;
                }
                None
            }
            Err(at) => {
                let number = self.fingerprints.len() as u32;
                assert!(number + 1 < NUMBERS, "more states than can be numbered");
                let (_, bits) = self.home(fingerprint);
                self.index[at] = bits | (number + 1);
                let stagger = self.which as usize / 4;
                make_room(&mut self.fingerprints, stagger);
                make_room(&mut self.parents, stagger);
                make_room(&mut self.ranks, 0);
                self.fingerprints.push(fingerprint);
                self.parents.push(parent.0);
                self.ranks.push(rank);
                if self.fingerprints.len() * 16 > self.index.len() * 13 {
                    self.grow();
                }
                Some(Place(self.which << NUMBER_BITS | number))
            }
        }
    }

    fn grow(&mut self) {
        let length = self.index.len() + self.index.len() / 4;
        self.index = Vec::new();
        self.index = vec![0; length];
        for number in 0..self.fingerprints.len() {
            let (mut at, bits) = self.home(self.fingerprints[number]);
            while self.index[at] != 0 {
                at = if at + 1 == length { 0 } else { at + 1 };
            }
            self.index[at] = bits | (number as u32 + 1);
        }
    }
}
