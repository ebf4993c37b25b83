//! What one worker has before it, and keeps from one state to the next.

use std::collections::VecDeque;

use crate::engine::compact::frontier::{Sorting, Writer};
use crate::engine::compact::memo::Found;
use crate::engine::compact::persistent::{Guard, Tried};
use crate::engine::compact::settle::Tree;
use crate::engine::compact::shared::{Memos, Shared};
use crate::engine::compact::symmetry::Images;
use crate::engine::compact::visited::{Candidate, Place, SHARDS};
use crate::engine::fingerprint::Fingerprint;
use crate::engine::search::{Hit, MAX_REJECTED};
use crate::engine::star::Star;
use crate::engine::system::{MAX_RULES, RuleSet};

/// An answer, in the memo of earlier rounds or in that of this worker.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub found: Found,
    pub shared: bool,
}

/// Something known of the state at hand, good for the next state too if that differs in other
/// slots only.
#[derive(Clone, Copy)]
pub(super) struct Kept<T> {
    /// The slots it depends on.
    pub mask: u64,
    /// Of the state after a step: the slots it depends on.
    pub after: u64,
    /// When it was found out, in states at hand.
    pub since: u64,
    pub value: Option<T>,
}

impl<T> Kept<T> {
    pub(super) const UNKNOWN: Kept<T> = Kept { mask: 0, after: 0, since: 0, value: None };
}

/// What a step has done so far, but for the state itself.
#[derive(Default)]
pub(super) struct Doing {
    /// Slots that were changed.
    pub changed: u64,
    /// Slots that were looked at, but for an inbox from which an event was just taken.
    pub reads: u64,
    pub fingerprint: Fingerprint,
    pub rules: RuleSet,
    /// 0 if there is none.
    pub error: u32,
    pub pending: VecDeque<u32>,
}

/// A successor that may be new: what differs from its parent.
pub(super) struct Delta {
    /// Which state of the chunk is the parent.
    pub parent: u32,
    /// Where its changes begin.
    pub from: u32,
}

/// Successors of one chunk.
#[derive(Default)]
pub(super) struct Batch {
    pub candidates: Vec<Candidate>,
    pub deltas: Vec<Delta>,
    /// Slots and what they hold now.
    pub changes: Vec<(u32, u32)>,
    /// The states of the chunk, one after the other.
    pub parents: Vec<u32>,
    /// By shard, which candidates are in it.
    pub sorted: Vec<u32>,
    pub starts: Vec<u32>,
    pub entered: Vec<Place>,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.candidates.clear();
        self.deltas.clear();
        self.changes.clear();
        self.parents.clear();
    }
}

/// Hits that are kept before those that cannot be tried any more are dropped.
const MAX_HITS: usize = 1 << 15;

/// What a worker found out on the level at hand.
pub(super) struct Findings {
    pub next: Writer,
    pub hits: Vec<Hit>,
    pub deadlock: Option<Fingerprint>,
    /// A state in which some action is not handled.
    pub unhandled: Option<Fingerprint>,
    pub transitions: u64,
    pub rule_counts: Vec<u64>,
    pub states: u64,
    /// States in which some actions wait.
    pub postponed: u64,
}

impl Findings {
    fn new(chunk: usize, sorting: Sorting) -> Self {
        Findings {
            next: Writer::new(chunk, sorting),
            hits: Vec::new(),
            deadlock: None,
            unhandled: None,
            transitions: 0,
            rule_counts: vec![0; MAX_RULES],
            states: 0,
            postponed: 0,
        }
    }

    /// Adds what decides a property. No more are kept than may be tried.
    pub(super) fn hit(&mut self, hit: Hit) {
        self.hits.push(hit);
        if self.hits.len() < MAX_HITS {
            return;
        }
        self.hits.sort_unstable();
        let (mut last, mut of_property) = (usize::MAX, 0);
        self.hits.retain(|hit| {
            of_property = if hit.property == last { of_property + 1 } else { 0 };
            last = hit.property;
            of_property < MAX_REJECTED
        });
    }
}

/// A worker's things.
pub(super) struct Desk {
    pub memos: Memos,
    pub tree: Tree,
    /// The sets of rules by number, as far as they were asked for.
    pub rules: Vec<RuleSet>,
    /// The state at hand, and the one that a step makes of it.
    pub ids: Vec<u32>,
    pub doing: Doing,
    /// The fingerprint by which the state at hand is known.
    pub at_hand: Fingerprint,
    /// How many states have been at hand, and since when each slot has held what it holds.
    pub turn: u64,
    pub since: Vec<u64>,
    pub enabled: Vec<Kept<Answer>>,
    pub begun: Vec<Kept<Answer>>,
    /// What the enabled actions begin with.
    pub begins: Vec<Answer>,
    pub probes: Vec<Kept<u64>>,
    pub steps: Vec<Kept<u32>>,
    pub possible: Vec<u32>,
    /// For persistent sets: the group of each possible action, what is known of each group, and
    /// what each action does.
    pub groups: Vec<u8>,
    pub guards: Vec<Guard>,
    pub tried: Vec<Tried>,
    /// Slots that properties were seen to read.
    pub seen: u64,
    /// For each step from the state at hand that decides a property, which.
    pub decisive: Vec<usize>,
    /// If states are known by the keys of their renamings.
    pub images: Option<Images>,
    pub batch: Batch,
    pub findings: Findings,
    /// States in a chunk.
    chunk: usize,
}

impl Desk {
    pub(super) fn new<S: Star>(shared: &Shared<'_, S>, chunk: usize) -> Self {
        let star = &shared.system.0;
        let groups = shared.processes + star.internal_parts() + star.fault_parts();
        Desk {
            memos: Memos::new(shared.step_groups.len()),
            tree: Tree::new(),
            rules: Vec::new(),
            ids: vec![0; 2 * shared.slots],
            doing: Doing::default(),
            at_hand: Fingerprint::default(),
            turn: 0,
            since: vec![0; shared.slots],
            enabled: vec![Kept::UNKNOWN; groups],
            begun: Vec::new(),
            begins: Vec::new(),
            probes: Vec::new(),
            steps: vec![Kept::UNKNOWN; shared.step_groups.len()],
            possible: Vec::new(),
            groups: Vec::new(),
            guards: Vec::new(),
            tried: Vec::new(),
            seen: 0,
            decisive: Vec::new(),
            images: match shared.symmetries.len() {
                0 => None,
                symmetries => Some(Images::new(symmetries, shared.slots)),
            },
            batch: Batch { starts: vec![0; SHARDS + 1], ..Batch::default() },
            findings: Findings::new(chunk, Sorting { slot: 0, baskets: 1 }),
            chunk,
        }
    }

    /// Another state is at hand: the one of this number in the batch.
    pub(super) fn turn_to<S: Star>(&mut self, shared: &Shared<'_, S>, number: u32) {
        self.turn += 1;
        let slots = self.since.len();
        let new = &self.batch.parents[number as usize * slots..][..slots];
        if let Some(images) = &mut self.images {
            images.turn(&shared.symmetries, &shared.contents, &self.ids[..slots], new);
        }
        for ((old, new), since) in self.ids.iter_mut().zip(new).zip(&mut self.since) {
            if *old != *new {
                *old = *new;
                *since = self.turn;
            }
        }
    }

    /// The key of the state that the step has made; its changes are those in the batch from here.
    pub(super) fn key_of_step<S: Star>(
        &mut self,
        shared: &Shared<'_, S>,
        from: usize,
    ) -> Fingerprint {
        match &mut self.images {
            None => self.doing.fingerprint,
            Some(images) => {
                let Shared { symmetries, contents, .. } = shared;
                let (before, changes) = (&self.ids[..shared.slots], &self.batch.changes[from..]);
                images.key_of_step(symmetries, contents, before, changes)
            }
        }
    }

    /// Whether what was kept is good for the state at hand.
    #[inline]
    pub(super) fn is_fresh<T>(&self, kept: &Kept<T>) -> bool {
        let mut mask = kept.mask;
        while mask != 0 {
            if self.since[mask.trailing_zeros() as usize] > kept.since {
                return false;
            }
            mask &= mask - 1;
        }
        true
    }

    /// Keeps what an action begins with in the state at hand.
    pub(super) fn keep_begun(&mut self, action: u32, answer: Answer) {
        if self.begun.len() <= action as usize {
            self.begun.resize(action as usize + 1, Kept::UNKNOWN);
        }
        let mask = answer.found.mask as u64;
        let kept = Kept { mask, after: 0, since: self.turn, value: Some(answer) };
        self.begun[action as usize] = kept;
    }

    /// What was kept is not good any more: the memos have changed places, or properties have
    /// been decided.
    pub(super) fn forget(&mut self) {
        self.enabled.fill(Kept::UNKNOWN);
        self.begun.fill(Kept::UNKNOWN);
        self.probes.fill(Kept::UNKNOWN);
        self.steps.fill(Kept::UNKNOWN);
    }

    /// What was found out on this level. The states of the level after the next will be sorted
    /// like this.
    pub(super) fn take_findings(&mut self, sorting: Sorting) -> Findings {
        std::mem::replace(&mut self.findings, Findings::new(self.chunk, sorting))
    }
}
