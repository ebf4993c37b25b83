//! States that differ in names only are one.
//!
//! A star may give a group of renamings under which what can happen stays the same: what leads from
//! a state to another leads, renamed, from the renamed state to the other one renamed. Then it is
//! enough to expand one of the states that are renamings of each other. Which one does not matter,
//! so none is renamed: the first that is found is kept as it is, and known again by its key, the
//! smallest fingerprint among those of its renamings. A run along keys is walked with the names
//! that it began with.
//!
//! Fingerprints of renamed states are sums over slots, as all fingerprints are. What each content
//! of a slot contributes to each of them is found out once.

use crate::engine::compact::intern::Contents;
use crate::engine::fingerprint::Fingerprint;
use crate::engine::star::{ContentOf, Star, State, Symmetry};

/// The fingerprint by which a state and its renamings are known.
pub(super) fn key<S: Star>(symmetries: &[Box<Symmetry<S>>], state: &State<S>) -> Fingerprint {
    let renamed = |symmetry: &Symmetry<S>| {
        let slots = state.slots().iter().enumerate();
        let images = slots.map(|(slot, content)| image::<S>(symmetry, slot, content.get()));
        images.fold(Fingerprint::default(), Fingerprint::and)
    };
    let renamed = symmetries.iter().map(|symmetry| renamed(symmetry));
    renamed.chain([state.fingerprint()]).min().unwrap_or_default()
}

/// What a content of a slot contributes to the fingerprint of the renamed state.
fn image<S: Star>(symmetry: &Symmetry<S>, slot: usize, content: &ContentOf<S>) -> Fingerprint {
    let (slot, content) = symmetry(slot, content);
    Fingerprint::of(&content).at(slot)
}

/// The contributions of contents, and the fingerprints of the renamings of the state at hand.
pub(super) struct Images {
    /// How many renamings there are, that which changes nothing included.
    renamings: usize,
    /// By slot; for each content one contribution to each renaming.
    contributions: Vec<Vec<Fingerprint>>,
    at_hand: Vec<Fingerprint>,
    /// Whether some state is at hand.
    begun: bool,
    step: Vec<Fingerprint>,
}

impl Images {
    pub(super) fn new(symmetries: usize, slots: usize) -> Self {
        let renamings = symmetries + 1;
        let none = vec![Fingerprint::default(); renamings];
        Images {
            renamings,
            contributions: vec![Vec::new(); slots],
            at_hand: none.clone(),
            begun: false,
            step: none,
        }
    }

    /// Finds out the contributions of contents up to this one.
    fn learn<S: Star>(
        &mut self,
        symmetries: &[Box<Symmetry<S>>],
        contents: &Contents<S>,
        slot: usize,
        id: u32,
    ) {
        let known = &mut self.contributions[slot];
        while known.len() <= id as usize * self.renamings {
            let content = contents.content(slot, (known.len() / self.renamings) as u32);
            known.push(content.fingerprint().at(slot));
            known.extend(
                symmetries.iter().map(|symmetry| image::<S>(symmetry, slot, content.get())),
            );
        }
    }

    fn of(&self, slot: usize, id: u32) -> &[Fingerprint] {
        &self.contributions[slot][id as usize * self.renamings..][..self.renamings]
    }

    /// Another state is at hand: `old` becomes `new`.
    pub(super) fn turn<S: Star>(
        &mut self,
        symmetries: &[Box<Symmetry<S>>],
        contents: &Contents<S>,
        old: &[u32],
        new: &[u32],
    ) {
        for (slot, (&old, &new)) in old.iter().zip(new).enumerate() {
            if self.begun && old == new {
                continue;
            }
            self.learn(symmetries, contents, slot, new.max(old));
            let at = |id: u32, renaming: usize| {
                self.contributions[slot][id as usize * self.renamings + renaming]
            };
            for (renaming, sum) in self.at_hand.iter_mut().enumerate() {
                let without = if self.begun { sum.without(at(old, renaming)) } else { *sum };
                *sum = without.and(at(new, renaming));
            }
        }
        self.begun = true;
    }

    /// The key of the state that a step makes of the one at hand, `before`, by these changes.
    pub(super) fn key_of_step<S: Star>(
        &mut self,
        symmetries: &[Box<Symmetry<S>>],
        contents: &Contents<S>,
        before: &[u32],
        changes: &[(u32, u32)],
    ) -> Fingerprint {
        self.step.copy_from_slice(&self.at_hand);
        let mut step = std::mem::take(&mut self.step);
        for &(slot, new) in changes {
            let slot = slot as usize;
            self.learn(symmetries, contents, slot, new);
            let (old, new) = (self.of(slot, before[slot]), self.of(slot, new));
            for (sum, (old, new)) in step.iter_mut().zip(old.iter().zip(new)) {
                *sum = sum.without(*old).and(*new);
            }
        }
        let key = step.iter().copied().min().unwrap_or_default();
        self.step = step;
        key
    }
}
