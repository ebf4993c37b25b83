//! Expanding a chunk of states: their successors, what is new among them, and what they decide.

use crate::engine::compact::choose::ALL;
use crate::engine::compact::desk::{Batch, Delta};
use crate::engine::compact::frontier::Chunk;
use crate::engine::compact::shared::kind;
use crate::engine::compact::visited::{Candidate, Place, SHARDS, shard_of};
use crate::engine::compact::worker::{FAULT, FLAGS, OF_HUB, Worker};
use crate::engine::fingerprint::Fingerprint;
use crate::engine::search::Hit;
use crate::engine::star::Star;

/// The state at hand.
#[derive(Clone, Copy)]
struct AtHand {
    place: Place,
    fingerprint: Fingerprint,
    /// Its number in the chunk.
    number: u32,
}

impl<S: Star> Worker<'_, S> {
    /// Expands all states of some chunks, and enters what they lead to.
    pub(super) fn expand(
        &mut self,
        chunks: &[Chunk],
        step_groups: &[usize],
        state_groups: &[usize],
    ) {
        self.desk.batch.clear();
        let order = self.read(chunks);
        for at_hand in order {
            self.desk.turn_to(self.shared, at_hand.number);
            self.expand_state(at_hand, step_groups);
        }
        self.enter();
        self.take_new(state_groups);
    }

    /// Takes states out of chunks, and puts those next to each other that have most in common.
    fn read(&mut self, chunks: &[Chunk]) -> Vec<AtHand> {
        let slots = self.shared.slots;
        let mut order = Vec::new();
        let parents = &mut self.desk.batch.parents;
        let mut ids = vec![0; slots];
        for mut reader in chunks.iter().map(Chunk::reader) {
            while let Some((place, fingerprint)) = reader.next(&mut ids) {
                parents.extend_from_slice(&ids);
                let digit = |key: u64, &slot: &usize| key << 16 | u64::from(ids[slot] & 0xffff);
                let key = self.shared.order.iter().fold(0, digit);
                order.push((key, AtHand { place, fingerprint, number: order.len() as u32 }));
            }
        }
        order.sort_unstable_by_key(|(key, _)| *key);
        order.into_iter().map(|(_, at_hand)| at_hand).collect()
    }

    /// Lists the enabled actions of the state at hand.
    fn list_enabled(&mut self) {
        self.desk.possible.clear();
        let mut waits = 0;
        for group in 0..self.desk.enabled.len() {
            let answer = self.enabled(group);
            let memos = if answer.shared { &self.shared.memos } else { &self.desk.memos };
            let words = memos.0[kind::ENABLED].words(answer.found.at);
            waits |= words[0];
            let possible = &words[2..2 + words[1] as usize];
            self.desk.possible.extend_from_slice(possible);
        }
        if self.shared.persistent.is_some() {
            self.list_groups(waits != 0);
        }
        if waits != 0 {
            self.desk.possible.retain(|possible| possible & OF_HUB == 0);
        }
    }

    fn expand_state(&mut self, at_hand: AtHand, step_groups: &[usize]) {
        self.list_enabled();
        let mut possible = std::mem::take(&mut self.desk.possible);
        if possible.iter().all(|action| action & FAULT != 0) && !self.is_quiet() {
            let deadlock = &mut self.desk.findings.deadlock;
            *deadlock = deadlock.iter().copied().chain([at_hand.fingerprint]).min();
        }
        self.desk.decisive.clear();
        self.begin_all(&possible);
        self.desk.at_hand = at_hand.fingerprint;
        let chosen = self.choose(&possible, step_groups);
        for (possible, choice) in possible.iter().zip(0u16..) {
            if chosen != ALL && chosen >> self.desk.groups[usize::from(choice)] & 1 == 0 {
                continue;
            }
            self.take(at_hand, possible >> FLAGS, choice, step_groups);
        }
        possible.clear();
        self.desk.possible = possible;
    }

    /// Takes one action in the state at hand.
    fn take(&mut self, at_hand: AtHand, action: u32, choice: u16, step_groups: &[usize]) {
        let AtHand { fingerprint: state, .. } = at_hand;
        self.begin_doing(state);
        self.step(self.desk.begins[choice as usize], 0);
        let findings = &mut self.desk.findings;
        findings.transitions += 1;
        for rule in self.desk.doing.rules.iter() {
            findings.rule_counts[rule] += 1;
        }
        if self.desk.doing.error != 0 {
            let unhandled = &mut findings.unhandled;
            *unhandled = unhandled.iter().copied().chain([state]).min();
        }
        for &group in step_groups {
            let mut decided = self.step_hits(group, action);
            while decided != 0 {
                let property = self.shared.step_groups[group][decided.trailing_zeros() as usize];
                decided &= decided - 1;
                if self.outcome.is_open(property) {
                    let earlier = self.desk.decisive.iter().filter(|&&known| known == property);
                    let action = Some(earlier.count() as u16);
                    self.desk.decisive.push(property);
                    self.desk.findings.hit(Hit { property, state, action });
                }
            }
        }
        if self.desk.doing.fingerprint != state {
            self.add_candidate(at_hand);
        }
    }

    fn add_candidate(&mut self, at_hand: AtHand) {
        let slots = self.shared.slots;
        let desk = &mut *self.desk;
        let batch = &mut desk.batch;
        let from = batch.changes.len();
        batch.deltas.push(Delta { parent: at_hand.number, from: from as u32 });
        let mut changed = desk.doing.changed;
        while changed != 0 {
            let slot = changed.trailing_zeros();
            changed &= changed - 1;
            batch.changes.push((slot, desk.ids[slots + slot as usize]));
        }
        let fingerprint = desk.key_of_step(self.shared, from);
        let batch = &mut desk.batch;
        let rank = (at_hand.fingerprint.0 >> 64) as u64;
        batch.candidates.push(Candidate { fingerprint, parent: at_hand.place, rank });
    }

    /// Enters the candidates, shard by shard.
    fn enter(&mut self) {
        let Batch { candidates, sorted, starts, entered, .. } = &mut self.desk.batch;
        starts.fill(0);
        for candidate in &*candidates {
            starts[shard_of(candidate.fingerprint) + 1] += 1;
        }
        for shard in 0..SHARDS {
            starts[shard + 1] += starts[shard];
        }
        sorted.clear();
        sorted.resize(candidates.len(), 0);
        let mut next: [u32; SHARDS] = std::array::from_fn(|shard| starts[shard]);
        for (candidate, number) in candidates.iter().zip(0..) {
            let next = &mut next[shard_of(candidate.fingerprint)];
            sorted[*next as usize] = number;
            *next += 1;
        }
        entered.clear();
        entered.resize(candidates.len(), Place::NONE);
        for shard in 0..SHARDS {
            let members = &sorted[starts[shard] as usize..starts[shard + 1] as usize];
            if members.is_empty() {
                continue;
            }
            self.visited.lock(shard).enter_all(candidates, members, entered);
        }
    }

    /// Passes the new states on, in the order in which they were found: neighbours are alike.
    fn take_new(&mut self, state_groups: &[usize]) {
        let slots = self.shared.slots;
        let mut ids = vec![0; slots];
        let batch = std::mem::take(&mut self.desk.batch);
        for (at, &place) in batch.entered.iter().enumerate() {
            if place == Place::NONE {
                continue;
            }
            let Delta { parent, from } = batch.deltas[at];
            let to =
                batch.deltas.get(at + 1).map_or(batch.changes.len(), |next| next.from as usize);
            let parent = parent as usize * slots;
            ids.copy_from_slice(&batch.parents[parent..parent + slots]);
            for &(slot, id) in &batch.changes[from as usize..to] {
                ids[slot as usize] = id;
            }
            self.take_state(place, batch.candidates[at].fingerprint, &ids, state_groups);
        }
        self.desk.batch = batch;
    }

    /// Takes a new state in.
    pub(super) fn take_state(
        &mut self,
        place: Place,
        state: Fingerprint,
        ids: &[u32],
        state_groups: &[usize],
    ) {
        for &group in state_groups {
            let mut decided = self.state_hits(group, ids);
            while decided != 0 {
                let property = self.shared.state_groups[group][decided.trailing_zeros() as usize];
                decided &= decided - 1;
                if self.outcome.is_open(property) {
                    self.desk.findings.hit(Hit { property, state, action: None });
                }
            }
        }
        self.desk.findings.states += 1;
        self.desk.findings.next.push(place, state, ids);
    }
}
