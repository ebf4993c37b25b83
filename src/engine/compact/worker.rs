//! A worker: expands states by what is remembered, and finds out what is not.

use crate::engine::compact::desk::{Answer, Desk, Kept};
use crate::engine::compact::shared::{Shared, kind};
use crate::engine::compact::visited::Visited;
use crate::engine::fingerprint::Fingerprint;
use crate::engine::property::Taken;
use crate::engine::reach::Slots;
use crate::engine::search::Outcome;
use crate::engine::star::{Action, Context, PartId, Possible, ProcessId, Star, StarSystem, State};
use crate::engine::system::RuleSet;

/// Bits of an enabled action beside its number.
pub(super) const OF_HUB: u32 = 1;
pub(super) const FAULT: u32 = 2;
/// It takes an event.
pub(super) const OBSERVES: u32 = 4;
pub(super) const FLAGS: u32 = 3;

/// Words of what a step does, before its changes and what is pending: the number of its rules, that
/// of its error, how many changes and pending things there are, the change of the fingerprint.
const HEAD: usize = 6;
const HAS_ERROR: u32 = 1 << 31;
/// An inbox was looked at for more than to take an event from it.
const LOOKED: u32 = 1 << 30;
/// Bits of a change that are what the slot holds; those above are the slot.
const ID_BITS: u32 = 26;

/// A worker at its desk, for one round.
pub(super) struct Worker<'a, S: Star> {
    pub shared: &'a Shared<'a, S>,
    pub visited: &'a Visited,
    pub outcome: &'a Outcome<StarSystem<S>>,
    pub desk: &'a mut Desk,
}

/// Both halves of a state's record of reads, as columns of a row.
fn columns(slots: usize, before: u64, after: u64) -> u128 {
    u128::from(before) | u128::from(after) << slots
}

impl<S: Star> Worker<'_, S> {
    #[inline]
    fn find(&self, kind: usize, question: u32, row: &[u32]) -> Option<Answer> {
        if let Some(found) = self.shared.memos.0[kind].find(question, row) {
            return Some(Answer { found, shared: true });
        }
        let found = self.desk.memos.0[kind].find(question, row)?;
        Some(Answer { found, shared: false })
    }

    #[inline]
    pub(super) fn words(&self, kind: usize, answer: Answer) -> &[u32] {
        let memos = if answer.shared { &self.shared.memos } else { &self.desk.memos };
        memos.0[kind].words(answer.found.at)
    }

    fn before(&self) -> &[u32] {
        &self.desk.ids[..self.shared.slots]
    }

    fn after(&self) -> &[u32] {
        &self.desk.ids[self.shared.slots..]
    }

    /// Remembers what was found out by looking at the state at hand, or at the one that a step
    /// makes of it.
    fn remember(
        &mut self,
        kind: usize,
        question: u32,
        at_hand: bool,
        mask: u64,
        answer: &[u32],
    ) -> Answer {
        let slots = self.shared.slots;
        let row = if at_hand { &self.desk.ids[..slots] } else { &self.desk.ids[slots..] };
        let memo = &mut self.desk.memos.0[kind];
        Answer { found: memo.remember(question, u128::from(mask), row, answer), shared: false }
    }

    /// The enabled actions of a group.
    #[inline]
    pub(super) fn enabled(&mut self, group: usize) -> Answer {
        let kept = self.desk.enabled[group];
        if let Some(answer) = kept.value
            && self.desk.is_fresh(&kept)
        {
            return answer;
        }
        let known = self.find(kind::ENABLED, group as u32, self.before());
        let answer = known.unwrap_or_else(|| self.learn_enabled(group));
        let mask = answer.found.mask as u64;
        let since = self.desk.turn;
        self.desk.enabled[group] = Kept { mask, after: 0, since, value: Some(answer) };
        answer
    }

    #[cold]
    fn learn_enabled(&mut self, group: usize) -> Answer {
        let Shared { system, contents, processes, .. } = self.shared;
        let state = contents.state(self.before());
        let mut possible: Vec<Possible<S>> = Vec::new();
        let (mut waits, mut fault) = (false, 0);
        let internals = system.0.internal_parts();
        if group < *processes {
            waits = system.hub_waits_for(&state, ProcessId(group));
            system.channel_actions(&state, ProcessId(group), &mut possible);
        } else if group < processes + internals {
            system.internal_actions(&state, PartId(group - processes), &mut possible);
        } else {
            fault = FAULT;
            system.fault_actions(&state, PartId(group - processes - internals), &mut possible);
        }
        let word = |possible: &Possible<S>| {
            let number = self.shared.actions.number(&possible.action);
            let observes = matches!(possible.action, Action::Observe(..));
            let flag = |set: bool, flag: u32| if set { flag } else { 0 };
            number << FLAGS | fault | flag(possible.of_hub, OF_HUB) | flag(observes, OBSERVES)
        };
        let mut answer = vec![u32::from(waits), possible.len() as u32];
        answer.extend(possible.iter().map(word));
        self.remember(kind::ENABLED, group as u32, true, state.reads(), &answer)
    }

    /// Whether the state at hand is a proper end.
    pub(super) fn is_quiet(&mut self) -> bool {
        let answer = match self.find(kind::QUIET, 0, self.before()) {
            Some(answer) => answer,
            None => {
                let state = self.shared.contents.state(self.before());
                let quiet = self.shared.system.0.is_quiet(&state);
                self.remember(kind::QUIET, 0, true, state.reads(), &[u32::from(quiet)])
            }
        };
        self.words(kind::QUIET, answer)[0] != 0
    }

    /// Finds out what actions begin with in the state at hand. All are looked up before any is
    /// taken: a processor waits for several places in memory at once, if it can.
    pub(super) fn begin_all(&mut self, possible: &[u32]) {
        let (before, after) = self.desk.ids.split_at_mut(self.shared.slots);
        after.copy_from_slice(before);
        self.desk.begins.clear();
        for action in possible {
            let answer = self.begin(action >> FLAGS);
            self.desk.begins.push(answer);
        }
    }

    /// Nothing is done yet in the state of this fingerprint.
    pub(super) fn begin_doing(&mut self, state: Fingerprint) {
        let doing = &mut self.desk.doing;
        (doing.changed, doing.reads, doing.error) = (0, 0, 0);
        doing.rules = RuleSet::default();
        doing.fingerprint = state;
    }

    /// Takes an action in the state at hand; this is what it begins with, and the inbox from which
    /// it takes an event.
    pub(super) fn step(&mut self, begin: Answer, popped: u64) {
        let (before, after) = self.desk.ids.split_at_mut(self.shared.slots);
        after.copy_from_slice(before);
        self.apply(kind::BEGIN, begin, popped);
        self.finish();
        self.settle();
    }

    #[inline]
    fn begin(&mut self, action: u32) -> Answer {
        let kept = self.desk.begun.get(action as usize).copied().unwrap_or(Kept::UNKNOWN);
        if let Some(answer) = kept.value
            && self.desk.is_fresh(&kept)
        {
            return answer;
        }
        let known = self.find(kind::BEGIN, action, self.before());
        let answer = known.unwrap_or_else(|| {
            let begun = self.shared.actions.value(action);
            self.learn_step(kind::BEGIN, action, |cx| cx.begin(&begun))
        });
        self.desk.keep_begun(action, answer);
        answer
    }

    /// Does a task and all that comes of it.
    pub(super) fn run(&mut self, task: u32) {
        self.go_on(task);
        self.finish();
    }

    fn finish(&mut self) {
        while let Some(pending) = self.desk.doing.pending.pop_front() {
            self.go_on(pending);
        }
    }

    fn go_on(&mut self, pending: u32) {
        let known = self.find(kind::PENDING, pending, self.after());
        let answer = known.unwrap_or_else(|| {
            let what = self.shared.pendings.value(pending);
            self.learn_step(kind::PENDING, pending, |cx| cx.go_on(&what))
        });
        self.apply(kind::PENDING, answer, 0);
    }

    /// Finds out what a part of a step does, by doing it.
    #[cold]
    fn learn_step(
        &mut self,
        kind: usize,
        question: u32,
        run: impl FnOnce(&mut Context<'_, S>),
    ) -> Answer {
        let Shared { system, contents, .. } = self.shared;
        let before = contents.state(self.after());
        let mut cx = Context::new(&system.0, before.clone());
        run(&mut cx);
        let looked = cx.state.reads();
        let reads = looked | cx.popped;
        cx.seal(&before);
        let (mut changes, mut delta) = (Vec::new(), 0u128);
        let slots = cx.state.slots().iter().zip(before.slots()).enumerate();
        for (slot, (new, old)) in slots.filter(|(_, (new, old))| !new.is_shared_with(old)) {
            let gained = new.fingerprint().at(slot).without(old.fingerprint().at(slot));
            delta = delta.wrapping_add(gained.0);
            let id = contents.number(slot, new);
            assert!(id < 1 << ID_BITS, "more contents of a slot than can be numbered");
            changes.push((slot as u32) << ID_BITS | id);
        }
        let error = cx.error.map_or(0, |error| self.shared.errors.number(&error) + 1);
        let counts = (changes.len() as u32) << 16 | cx.pending.len() as u32;
        let rules: RuleSet = cx.rules.iter().copied().collect();
        let mut answer = vec![self.shared.rules.number(&rules), counts];
        answer.extend([0, 32, 64, 96].map(|shift| (delta >> shift) as u32));
        answer.extend(changes);
        answer.extend(cx.pending.iter().map(|pending| self.shared.pendings.number(pending)));
        if looked & cx.popped != 0 {
            answer[1] |= LOOKED;
        }
        if error != 0 {
            // Rare: it stands at the end.
            answer[1] |= HAS_ERROR;
            answer.push(error);
        }
        self.remember(kind, question, false, reads, &answer)
    }

    /// Takes over what a part of a step does.
    fn apply(&mut self, kind: usize, answer: Answer, popped: u64) {
        let Desk { ids, doing, memos, rules, .. } = &mut *self.desk;
        let memos = if answer.shared { &self.shared.memos } else { &*memos };
        let words = memos.0[kind].words(answer.found.at);
        let (head, rest) = words.split_at(HEAD);
        let (changes, rest) = rest.split_at((head[1] >> 16 & 0xff) as usize);
        let (pending, rest) = rest.split_at((head[1] & 0xffff) as usize);
        if head[1] & HAS_ERROR != 0 {
            doing.error = rest[0];
        }
        let unlooked = if head[1] & LOOKED == 0 { popped } else { 0 };
        doing.reads |= answer.found.mask as u64 & !unlooked;
        while rules.len() <= head[0] as usize {
            rules.push(self.shared.rules.value(rules.len() as u32));
        }
        doing.rules.join(&rules[head[0] as usize]);
        let delta = head[2..HEAD].iter().rev().fold(0, |delta, &w| delta << 32 | u128::from(w));
        doing.fingerprint.0 = doing.fingerprint.0.wrapping_add(delta);
        for change in changes {
            let slot = change >> ID_BITS;
            doing.changed |= 1 << slot;
            ids[self.shared.slots + slot as usize] = change & ((1 << ID_BITS) - 1);
        }
        doing.pending.extend(pending);
    }

    /// Asks about the state that the step has made so far.
    pub(super) fn probe(&mut self, probe: u32) -> u64 {
        let changed = self.desk.doing.changed;
        if let Some(kept) = self.desk.probes.get(probe as usize)
            && let Some(value) = kept.value
            && kept.mask & changed == 0
            && self.desk.is_fresh(kept)
        {
            self.desk.doing.reads |= kept.mask;
            return value;
        }
        let answer = match self.find(kind::PROBE, probe, self.after()) {
            Some(answer) => answer,
            None => {
                let state = self.shared.contents.state(self.after());
                let value = self.shared.system.0.probe(&state, &self.shared.probes.value(probe));
                let words = [value as u32, (value >> 32) as u32];
                self.remember(kind::PROBE, probe, false, state.reads(), &words)
            }
        };
        let words = self.words(kind::PROBE, answer);
        let value = u64::from(words[0]) | u64::from(words[1]) << 32;
        let mask = answer.found.mask as u64;
        self.desk.doing.reads |= mask;
        if mask & changed == 0 {
            // The step changed nothing that was looked at: it is so in the state at hand, too.
            let since = self.desk.turn;
            let probes = &mut self.desk.probes;
            if probes.len() <= probe as usize {
                probes.resize(probe as usize + 1, Kept::UNKNOWN);
            }
            probes[probe as usize] = Kept { mask, after: 0, since, value: Some(value) };
        }
        value
    }

    /// Which properties of a group this state decides, as bits.
    pub(super) fn state_hits(&mut self, group: usize, ids: &[u32]) -> u32 {
        let answer = match self.find(kind::STATE, group as u32, ids) {
            Some(answer) => answer,
            None => {
                let state = self.shared.contents.state(ids);
                let decided = self.decided(&self.shared.state_groups[group], |property| {
                    property.decided_by_state(self.shared.system, &state)
                });
                let mask = u128::from(state.reads());
                let memo = &mut self.desk.memos.0[kind::STATE];
                let found = memo.remember(group as u32, mask, ids, &[decided]);
                Answer { found, shared: false }
            }
        };
        self.desk.seen |= answer.found.mask as u64;
        self.words(kind::STATE, answer)[0]
    }

    /// Which open properties of a group are decided, as bits.
    fn decided(
        &self,
        group: &[usize],
        decides: impl Fn(&crate::engine::property::Property<StarSystem<S>>) -> bool,
    ) -> u32 {
        let open = group.iter().zip(0u32..).filter(|(at, _)| self.outcome.is_open(**at));
        let decided = open.filter(|(at, _)| decides(&self.shared.properties[**at]));
        decided.fold(0, |bits, (_, bit)| bits | 1 << bit)
    }

    /// Which properties of a group the step just taken decides, as bits.
    pub(super) fn step_hits(&mut self, group: usize, action: u32) -> u32 {
        let kept = self.desk.steps[group];
        let changed = self.desk.doing.changed;
        if let Some(value) = kept.value
            && kept.after & changed == 0
            && self.desk.is_fresh(&kept)
        {
            return value;
        }
        let row = &self.desk.ids;
        if let Some(answer) = self.find(kind::STEP, group as u32, row) {
            let decided = self.words(kind::STEP, answer)[0];
            let before = answer.found.mask as u64 & u64::MAX >> (64 - self.shared.slots);
            let after = (answer.found.mask >> self.shared.slots) as u64;
            self.desk.seen |= before | after;
            if after & changed == 0 {
                // So it is for every step that changes nothing that was looked at.
                let (mask, since) = (before | after, self.desk.turn);
                self.desk.steps[group] = Kept { mask, after, since, value: Some(decided) };
            }
            return decided;
        }
        let by_action = kind::FIXED + group;
        if let Some(answer) = self.find(by_action, action, row) {
            self.desk.seen = Slots::MAX;
            return self.words(by_action, answer)[0];
        }
        self.learn_step_hits(group, action)
    }

    /// Whether properties of a group are decided by a step that changes nothing they look at. The
    /// state after it is still the one before it.
    pub(super) fn idle_hits(&mut self, group: usize) -> bool {
        match self.find(kind::STEP, group as u32, &self.desk.ids) {
            Some(answer) => {
                let mask = answer.found.mask;
                self.desk.seen |= mask as u64 & u64::MAX >> (64 - self.shared.slots);
                self.desk.seen |= (mask >> self.shared.slots) as u64;
                self.words(kind::STEP, answer)[0] != 0
            }
            None => self.learn_step_hits(group, self.shared.some_action) != 0,
        }
    }

    #[cold]
    fn learn_step_hits(&mut self, group: usize, action: u32) -> u32 {
        let Shared { system, contents, slots, .. } = self.shared;
        let state = |ids: &[u32]| -> State<S> { contents.state(ids) };
        let (before, after) = (state(self.before()), state(self.after()));
        let value = self.shared.actions.value(action);
        let taken = Taken::new(&value);
        let decided = self.decided(&self.shared.step_groups[group], |property| {
            property.decided_by_step(system, &before, &taken, &after)
        });
        let mask = columns(*slots, before.reads(), after.reads());
        // What depends on the action can be told of no step that has not been taken.
        let seen = if taken.is_read() { Slots::MAX } else { before.reads() | after.reads() };
        self.desk.seen |= seen;
        let (kind, question) = match taken.is_read() {
            true => (kind::FIXED + group, action),
            false => (kind::STEP, group as u32),
        };
        self.desk.memos.0[kind].remember(question, mask, &self.desk.ids, &[decided]);
        decided
    }
}
