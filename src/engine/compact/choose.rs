//! Choosing, in the state at hand, which of the enabled actions are taken, and which wait.

use crate::engine::compact::desk::Batch;
use crate::engine::compact::persistent::*;
use crate::engine::compact::shared::kind;
use crate::engine::compact::visited::shard_of;
use crate::engine::compact::worker::{FAULT, OBSERVES, OF_HUB, Worker};
use crate::engine::fingerprint::Fingerprint;
use crate::engine::reach::Slots;
use crate::engine::star::Star;

/// All groups: nothing waits.
pub(super) const ALL: u128 = u128::MAX;

impl<S: Star> Worker<'_, S> {
    /// Notes which group each possible action belongs to, and what the guards looked at. Actions
    /// of the hub are still among the possible ones if it waits.
    pub(super) fn list_groups(&mut self, waits: bool) {
        let processes = self.shared.processes;
        let desk = &mut *self.desk;
        desk.groups.clear();
        desk.guards.clear();
        desk.guards.resize(desk.enabled.len() + processes, Guard::default());
        let mut possible = desk.possible.iter();
        for (at, kept) in desk.enabled.iter().enumerate() {
            let Some(answer) = kept.value else { continue };
            let memos = if answer.shared { &self.shared.memos } else { &desk.memos };
            let count = memos.0[kind::ENABLED].words(answer.found.at)[1] as usize;
            let group = if at < processes { serve_group(at) } else { processes + at };
            desk.guards[group].reads = answer.found.mask as Slots;
            for &action in possible.by_ref().take(count) {
                let group = group + usize::from(action & OBSERVES != 0);
                if waits && action & OF_HUB != 0 {
                    desk.guards[group].waits = true;
                } else {
                    desk.groups.push(group as u8);
                }
            }
        }
    }

    /// The groups whose actions are taken in the state at hand; the others wait.
    pub(super) fn choose(&mut self, possible: &[u32], step_groups: &[usize]) -> u128 {
        let shared = self.shared;
        let Some(known) = &shared.persistent else { return ALL };
        for &group in step_groups {
            if self.idle_hits(group) {
                self.desk.seen = Slots::MAX;
            }
        }
        if possible.len() < 2 || self.desk.seen == Slots::MAX {
            return ALL;
        }
        self.try_all(known, possible);
        if self.desk.tried.iter().any(|tried| tried.error) {
            return ALL;
        }
        let needs = self.needs(known);
        let mut best: Option<(usize, Vec<Fingerprint>, u128)> = None;
        let mut considered = 0;
        for first in self.desk.groups.iter().map(|&group| usize::from(group)) {
            if considered >> first & 1 == 1 {
                continue;
            }
            considered |= 1 << first;
            let Some(set) = closed(&needs, first) else { continue };
            let Some(keys) = self.successors(set, possible.len()) else { continue };
            let better = |(count, others, _): &(usize, Vec<Fingerprint>, u128)| {
                (keys.len(), &keys) < (*count, others)
            };
            if best.as_ref().is_none_or(better) {
                best = Some((keys.len(), keys, set));
            }
        }
        let Some((_, _, set)) = best else { return ALL };
        self.desk.findings.postponed += 1;
        set
    }

    /// What a set leads to, in order; none if the others must not wait for it.
    fn successors(&self, set: u128, possible: usize) -> Option<Vec<Fingerprint>> {
        let taken = || self.desk.tried.iter().filter(|tried| set >> tried.group & 1 == 1);
        let visible = self.shared.visible;
        let seen = taken().any(|tried| tried.writes & visible != 0);
        #[cfg(test)]
        let seen = seen && self.shared.mistake != Mistake::VisibleWaits;
        if seen || taken().count() == possible || taken().all(|tried| tried.fault) {
            return None;
        }
        let mut keys: Vec<_> = taken().map(|tried| tried.key).collect();
        let is_earlier = |key: &Fingerprint| self.visited.lock(shard_of(*key)).is_earlier(*key);
        let nothing_new = keys.iter().all(is_earlier);
        #[cfg(test)]
        let nothing_new = nothing_new && self.shared.mistake != Mistake::NoProviso;
        if nothing_new {
            return None;
        }
        keys.sort_unstable();
        Some(keys)
    }

    /// Takes all possible actions, to see what they do.
    fn try_all(&mut self, known: &Static, possible: &[u32]) {
        self.desk.tried.clear();
        for (at, &action) in possible.iter().enumerate() {
            let group = self.desk.groups[at];
            let popped = if action & OBSERVES != 0 { known.inbox(group) } else { 0 };
            let state = self.desk.at_hand;
            self.begin_doing(state);
            self.step(self.desk.begins[at], popped);
            let slots = self.shared.slots;
            let desk = &mut *self.desk;
            let Batch { changes, .. } = &mut desk.batch;
            let from = changes.len();
            let writes = desk.doing.changed;
            changes.extend(bits(writes).map(|slot| (slot as u32, desk.ids[slots + slot])));
            let key = desk.key_of_step(self.shared, from);
            desk.batch.changes.truncate(from);
            let tried = Tried {
                group,
                fault: action & FAULT != 0,
                of_hub: action & OF_HUB != 0,
                error: desk.doing.error != 0,
                reads: desk.doing.reads,
                writes,
                key,
            };
            known.check(&tried);
            desk.tried.push(tried);
        }
    }

    /// For each group, which others have to be in a set with it.
    fn needs(&self, known: &Static) -> Vec<Option<u128>> {
        let desk = &*self.desk;
        let content = |slot: usize| self.shared.contents.content(slot, desk.ids[slot]);
        let needs = (0..known.groups).map(|group| {
            let mut guard = desk.guards[group];
            let mut streams_of = None;
            if let Some((outbox, inbox)) = known.channels(group) {
                if group % 2 == 1 {
                    streams_of = Some(streams::<S>(content(inbox).get()));
                } else if is_empty_outbox::<S>(content(outbox).get()) {
                    guard.reads = 1 << outbox;
                }
            }
            known.needs(group, guard, streams_of.as_deref(), &desk.tried)
        });
        needs.collect()
    }
}
