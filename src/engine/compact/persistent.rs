//! Persistent sets: some of the enabled actions, such that whatever the others may lead to before
//! any of these is taken can neither disturb them nor be disturbed by them. Then the others may
//! wait.
//!
//! A set is made of whole groups. It begins with one and takes in whoever may disturb it: what its
//! enabled actions read and change is known, for they have been taken, and will be the same as
//! long as nobody changes what they read; what the groups outside may touch in any state is what
//! the star says of them ([`Star::reach`]). Whoever may change what the guards of a group looked at
//! is taken in, too, so that the group keeps its enabled actions and gets no others. An event that
//! is put at the end of a queue does not disturb who takes one from its front.
//!
//! The others wait only if (1) no action of the set changes a slot that a property reads. Which
//! slots those are turns out in the search: if it meets a new one, it begins again. A property of
//! steps must also be one that no step decides which changes none of its slots, or nothing waits.
//! (2) some action of the set is no fault: states in which nothing but faults can happen are then
//! all reached. (3) some successor was not reached on an earlier level, so that nothing waits for
//! ever: along such successors levels rise, until all is looked at.
//!
//! The choice among several sets depends on the keys of their successors only, so that it is the
//! same for all renamings of a state, whichever of them is at hand.

use crate::engine::fingerprint::Fingerprint;
use crate::engine::reach::{Group, Layout, Reach, Slots};
use crate::engine::star::{Content, ContentOf, Lag, PartId, ProcessId, Star};

/// Groups, as bits.
type Groups = u128;

/// What is known of groups whatever the state.
pub(super) struct Static {
    pub groups: usize,
    layout: Layout,
    /// Whether the hub waits for lagging streams.
    bounded: bool,
    /// By group: what it may read, or change; queues that it may fill or empty are not among them.
    reads: Vec<Slots>,
    writes: Vec<Slots>,
    fills: Vec<Slots>,
    /// By slot: groups that may read or change it, and groups that may change it.
    touching: Vec<Groups>,
    writing: Vec<Groups>,
    /// By process and stream: groups that may put events into it.
    filling: Vec<Vec<Groups>>,
}

/// An enabled action, and what it does in the state at hand.
pub(super) struct Tried {
    pub group: u8,
    pub fault: bool,
    pub of_hub: bool,
    pub error: bool,
    /// What it reads or changes, but for the queue from which it takes an event.
    pub reads: Slots,
    /// What it changes, that queue included.
    pub writes: Slots,
    /// The key of what it leads to.
    pub key: Fingerprint,
}

/// What is known of a group in the state at hand.
#[derive(Clone, Copy, Default)]
pub(super) struct Guard {
    /// Slots that were looked at to find its enabled actions.
    pub reads: Slots,
    /// Whether some step of it waits for lagging streams.
    pub waits: bool,
}

/// The group of the process's requests; that of its events is the next.
pub(super) fn serve_group(process: usize) -> usize {
    2 * process
}

impl Static {
    /// None if the star says nothing, or if there are too many groups.
    pub(super) fn new<S: Star>(star: &S, layout: Layout) -> Option<Static> {
        let processes = (0..layout.processes).map(ProcessId);
        let groups: Vec<Group> = processes
            .flat_map(|process| [Group::Serve(process), Group::Observe(process)])
            .chain((0..star.internal_parts()).map(|part| Group::Internals(PartId(part))))
            .chain((0..star.fault_parts()).map(|part| Group::Faults(PartId(part))))
            .collect();
        let reaches: Vec<_> = groups.iter().map(|&group| star.reach(group, layout)).collect();
        if groups.len() > Groups::BITS as usize || reaches.iter().all(Option::is_none) {
            return None;
        }
        let slots = layout.actors + 2 * layout.processes;
        let mut known = Static {
            groups: groups.len(),
            layout,
            bounded: matches!(star.lag(), Lag::AtMost(_)),
            reads: Vec::new(),
            writes: Vec::new(),
            fills: Vec::new(),
            touching: vec![0; slots],
            writing: vec![0; slots],
            filling: vec![Vec::new(); layout.processes],
        };
        for (&group, reach) in groups.iter().zip(reaches) {
            known.add(group, reach);
        }
        Some(known)
    }

    /// Takes in the next group.
    fn add(&mut self, group: Group, reach: Option<Reach>) {
        let bit = 1 << self.reads.len();
        let slots = self.touching.len();
        let everything = u64::MAX >> (u64::BITS as usize - slots);
        let unknown = Reach { reads: everything, writes: everything, pushes: Vec::new() };
        let Reach { reads, mut writes, pushes } = reach.unwrap_or(unknown);
        match group {
            Group::Serve(process) => writes |= self.layout.outbox(process),
            Group::Observe(process) => writes |= self.layout.inbox(process),
            Group::Internals(_) | Group::Faults(_) => {}
        }
        bits(reads | writes).for_each(|slot| self.touching[slot] |= bit);
        bits(writes).for_each(|slot| self.writing[slot] |= bit);
        let mut fills = 0;
        for (process, stream) in pushes {
            let filling = &mut self.filling[process.0];
            filling.resize(filling.len().max(stream.0 + 1), 0);
            filling[stream.0] |= bit;
            fills |= self.layout.inbox(process);
        }
        self.reads.push(reads);
        self.writes.push(writes);
        self.fills.push(fills);
    }

    /// The inbox from which a group takes events.
    pub(super) fn inbox(&self, group: u8) -> Slots {
        self.layout.inbox(ProcessId(usize::from(group) / 2))
    }

    /// The slots of the outbox and the inbox of a group's process, if it serves or observes.
    pub(super) fn channels(&self, group: usize) -> Option<(usize, usize)> {
        let Layout { actors, processes } = self.layout;
        let process = group / 2;
        (process < processes).then_some((actors + process, actors + processes + process))
    }

    /// Groups that may change one of these slots, or fill one of these queues.
    fn disturbing(&self, slots: Slots) -> Groups {
        let writing = bits(slots).fold(0, |groups, slot| groups | self.writing[slot]);
        let filling = (0..self.layout.processes)
            .filter(|&process| slots & self.layout.inbox(ProcessId(process)) != 0);
        writing | filling.fold(0, |groups, process| groups | self.filling_any(process))
    }

    fn filling_any(&self, process: usize) -> Groups {
        self.filling[process].iter().fold(0, |groups, filling| groups | filling)
    }

    /// Whom an enabled action may disturb, and who may disturb it.
    fn around(&self, tried: &Tried) -> Groups {
        let mut groups = self.disturbing(tried.reads);
        groups |= bits(tried.writes).fold(0, |groups, slot| groups | self.touching[slot]);
        // To put an event behind others is no disturbance for who takes the first, but it is for
        // who puts one there, too.
        let filled = tried.writes & tried.reads;
        groups |= (0..self.layout.processes)
            .filter(|&process| filled & self.layout.inbox(ProcessId(process)) != 0)
            .fold(0, |groups, process| groups | self.filling_any(process));
        if tried.of_hub && self.bounded {
            // It waits when somebody has fallen behind.
            groups |= (0..self.layout.processes)
                .fold(0, |groups, process| groups | self.filling_any(process));
        }
        groups
    }

    /// Who may enable or disable actions of a group that observes. `streams` are those of the
    /// process: whether each is connected and has something.
    fn around_queue(&self, process: usize, streams: &[Option<bool>]) -> Groups {
        let slot = bits(self.layout.inbox(ProcessId(process))).next().unwrap_or_default();
        let empty = streams.iter().enumerate().filter(|(_, stream)| **stream == Some(false));
        let fills = empty.filter_map(|(stream, _)| self.filling[process].get(stream));
        // Whoever observes is of this group.
        fills.fold(self.writing[slot], |groups, fill| groups | fill)
    }

    /// Groups that have to be in a set if this one is; none if there is no such set but all.
    pub(super) fn needs(
        &self,
        group: usize,
        guard: Guard,
        streams: Option<&[Option<bool>]>,
        tried: &[Tried],
    ) -> Option<Groups> {
        if guard.waits {
            return None;
        }
        let mut groups = 1 << group;
        groups |= match streams {
            Some(streams) => self.around_queue(group / 2, streams),
            None => {
                // What is found out of a process is found out together.
                let inbox = self.channels(group).map_or(0, |(_, inbox)| 1 << inbox);
                let said = self.reads[group] | self.writes[group] | inbox;
                assert!(guard.reads & !said == 0, "a guard looks at more than its star says");
                self.disturbing(guard.reads)
            }
        };
        let own = tried.iter().filter(|tried| usize::from(tried.group) == group);
        Some(own.fold(groups, |groups, tried| groups | self.around(tried)))
    }

    /// Checks that an action did no more than the star says that its group may do.
    pub(super) fn check(&self, tried: &Tried) {
        let group = usize::from(tried.group);
        let (reads, writes) = (self.reads[group], self.writes[group]);
        let fills = self.fills[group];
        assert!(
            tried.reads & !(reads | writes | fills) == 0 && tried.writes & !(writes | fills) == 0,
            "an action of group {group} touches more than its star says: reads {:b}, writes {:b}",
            tried.reads & !(reads | writes | fills),
            tried.writes & !(writes | fills),
        );
    }
}

/// The sets that are closed under `needs`, as groups.
pub(super) fn closed(needs: &[Option<Groups>], first: usize) -> Option<Groups> {
    let (mut set, mut taken) = (1u128 << first, 0u128);
    while set & !taken != 0 {
        let group = (set & !taken).trailing_zeros() as usize;
        taken |= 1 << group;
        set |= needs[group]?;
    }
    Some(set)
}

/// Of a queue, for each stream: none if it is not connected, else whether it holds something.
pub(super) fn streams<S: Star>(content: &ContentOf<S>) -> Vec<Option<bool>> {
    match content {
        Content::Inbox(inbox) => {
            inbox.0.iter().map(|stream| stream.as_ref().map(|queue| !queue.is_empty())).collect()
        }
        Content::Actor(_) | Content::Outbox(_) => Vec::new(),
    }
}

/// Whether a process has sent nothing that waits.
pub(super) fn is_empty_outbox<S: Star>(content: &ContentOf<S>) -> bool {
    match content {
        Content::Outbox(outbox) => outbox.live.is_empty() && outbox.orphans.is_empty(),
        Content::Actor(_) | Content::Inbox(_) => false,
    }
}

pub(super) fn bits(mut slots: Slots) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let slot = slots.trailing_zeros() as usize;
        (slots != 0).then(|| {
            slots &= slots - 1;
            slot
        })
    })
}

/// A mistake that a test makes on purpose.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mistake {
    /// None.
    #[default]
    None,
    /// A visible action is taken for an invisible one.
    VisibleWaits,
    /// What waits may wait for ever.
    NoProviso,
}
