//! States of a star: rows of slots that know which of them were read.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::fingerprint::{Fingerprint, Slot};
use crate::engine::reach::Layout;
use crate::engine::star::{ProcessId, Star};

/// Requests of one process on their way, as [`Star::rank`] orders them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outbox<R> {
    /// Those of the process as it lives.
    pub live: VecDeque<R>,
    /// Those of a process that has died.
    pub orphans: VecDeque<R>,
}

/// Events on their way to one process, by stream; none while the stream is not connected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inbox<E>(pub Vec<Option<VecDeque<E>>>);

impl<E: Clone> Inbox<E> {
    /// An inbox with this many streams, all connected or none.
    pub fn new(streams: usize, connected: bool) -> Self {
        Inbox(vec![connected.then(VecDeque::new); streams])
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.0.iter().flatten().all(VecDeque::is_empty)
    }
}

/// What a slot of a state holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content<L, R, E> {
    /// An actor.
    Actor(L),
    /// An outbox.
    Outbox(Outbox<R>),
    /// An inbox.
    Inbox(Inbox<E>),
}

/// The content of a star's slots.
pub type ContentOf<S> = Content<<S as Star>::Local, <S as Star>::Request, <S as Star>::Event>;

/// Which slots of a state have been read, as bits. It has no part in what the state is.
#[derive(Default)]
pub(super) struct Reads(AtomicU64);

impl Reads {
    pub(super) fn mark(&self, slot: usize) {
        // One thread looks at a state at a time where this matters; no order with anything.
        self.0.store(self.0.load(Ordering::Relaxed) | 1 << slot, Ordering::Relaxed);
    }

    fn unmark(&self, slots: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) & !slots, Ordering::Relaxed);
    }
}

/// A state of the star.
pub struct State<S: Star> {
    pub(super) slots: Box<[Slot<ContentOf<S>>]>,
    /// How many processes there are.
    pub(super) processes: usize,
    pub(super) reads: Reads,
}

/// Slots that a state can have: what its record of reads has room for.
pub const MAX_SLOTS: usize = u64::BITS as usize;

impl<S: Star> Debug for State<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.slots.iter().map(Slot::get)).finish()
    }
}

impl<S: Star> Clone for State<S> {
    fn clone(&self) -> Self {
        let Self { slots, processes, .. } = self;
        State { slots: slots.clone(), processes: *processes, reads: Reads::default() }
    }
}

impl<S: Star> PartialEq for State<S> {
    fn eq(&self, other: &Self) -> bool {
        self.slots == other.slots
    }
}

impl<S: Star> Eq for State<S> {}

impl<S: Star> Hash for State<S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.fingerprint().hash(hasher);
    }
}

impl<S: Star> State<S> {
    /// A state of these actors and inboxes, with nothing asked yet.
    ///
    /// # Panics
    /// If there are more than [`MAX_SLOTS`] slots.
    pub fn new(actors: Vec<S::Local>, inboxes: Vec<Inbox<S::Event>>) -> Self {
        let empty = || Outbox { live: VecDeque::new(), orphans: VecDeque::new() };
        let outboxes = std::iter::repeat_with(empty).take(inboxes.len()).collect();
        Self::of_parts(actors, outboxes, inboxes)
    }

    /// A state of these actors, with this on its way from and to each process.
    ///
    /// # Panics
    /// If there are more than [`MAX_SLOTS`] slots.
    pub fn of_parts(
        actors: Vec<S::Local>,
        outboxes: Vec<Outbox<S::Request>>,
        inboxes: Vec<Inbox<S::Event>>,
    ) -> Self {
        let processes = inboxes.len();
        let actors = actors.into_iter().map(Content::Actor);
        let outboxes = outboxes.into_iter().map(Content::Outbox);
        let inboxes = inboxes.into_iter().map(Content::Inbox);
        Self::of_slots(actors.chain(outboxes).chain(inboxes).map(Slot::new).collect(), processes)
    }

    pub(super) fn of_slots(slots: Box<[Slot<ContentOf<S>>]>, processes: usize) -> Self {
        assert!(slots.len() <= MAX_SLOTS, "a state has at most {MAX_SLOTS} slots");
        State { slots, processes, reads: Reads::default() }
    }

    pub(super) fn slots(&self) -> &[Slot<ContentOf<S>>] {
        &self.slots
    }

    /// The slots that have been read, or changed, since the state was made.
    pub(super) fn reads(&self) -> u64 {
        self.reads.0.load(Ordering::Relaxed)
    }

    /// What the slots hold, in their order.
    pub fn contents(&self) -> impl Iterator<Item = &ContentOf<S>> {
        (0..self.slots.len()).map(|slot| self.read(slot))
    }

    /// How many processes there are.
    pub fn processes(&self) -> impl Iterator<Item = ProcessId> + use<S> {
        (0..self.processes).map(ProcessId)
    }

    fn actors(&self) -> usize {
        self.slots.len() - 2 * self.processes
    }

    pub(super) fn layout(&self) -> Layout {
        Layout { actors: self.actors(), processes: self.processes }
    }

    fn outbox_slot(&self, process: ProcessId) -> usize {
        self.actors() + process.0
    }

    fn inbox_slot(&self, process: ProcessId) -> usize {
        self.actors() + self.processes + process.0
    }

    fn read(&self, slot: usize) -> &ContentOf<S> {
        self.reads.mark(slot);
        self.slots[slot].get()
    }

    fn change(&mut self, slot: usize) -> &mut ContentOf<S> {
        self.reads.mark(slot);
        self.slots[slot].modify()
    }

    /// Takes the oldest event of a stream, which is not yet to look at the inbox: its slot.
    pub(super) fn pop(&mut self, process: ProcessId, stream: usize) -> (Option<S::Event>, u64) {
        let event = self.inbox_mut(process).0[stream].as_mut().and_then(VecDeque::pop_front);
        let slot = 1 << self.inbox_slot(process);
        self.reads.unmark(slot);
        (event, slot)
    }

    /// The local state of an actor.
    pub fn local(&self, actor: usize) -> &S::Local {
        match self.read(actor) {
            Content::Actor(local) => local,
            other => unreachable!("the first slots hold actors, not {other:?}"),
        }
    }

    /// All actors' local states.
    pub fn locals(&self) -> impl Iterator<Item = &S::Local> {
        (0..self.actors()).map(|actor| self.local(actor))
    }

    /// The requests of a process.
    pub fn outbox(&self, process: ProcessId) -> &Outbox<S::Request> {
        match self.read(self.outbox_slot(process)) {
            Content::Outbox(outbox) => outbox,
            other => unreachable!("after the actors come outboxes, not {other:?}"),
        }
    }

    /// The events for a process.
    pub fn inbox(&self, process: ProcessId) -> &Inbox<S::Event> {
        match self.read(self.inbox_slot(process)) {
            Content::Inbox(inbox) => inbox,
            other => unreachable!("the last slots hold inboxes, not {other:?}"),
        }
    }

    pub(super) fn local_mut(&mut self, actor: usize) -> &mut S::Local {
        match self.change(actor) {
            Content::Actor(local) => local,
            other => unreachable!("the first slots hold actors, not {other:?}"),
        }
    }

    pub(super) fn outbox_mut(&mut self, process: ProcessId) -> &mut Outbox<S::Request> {
        match self.change(self.outbox_slot(process)) {
            Content::Outbox(outbox) => outbox,
            other => unreachable!("after the actors come outboxes, not {other:?}"),
        }
    }

    pub(super) fn inbox_mut(&mut self, process: ProcessId) -> &mut Inbox<S::Event> {
        match self.change(self.inbox_slot(process)) {
            Content::Inbox(inbox) => inbox,
            other => unreachable!("the last slots hold inboxes, not {other:?}"),
        }
    }

    /// The content hash, combined from those of the slots.
    pub fn fingerprint(&self) -> Fingerprint {
        let slots = self.slots.iter().map(Slot::fingerprint).enumerate();
        slots.map(|(at, slot)| slot.at(at)).fold(Fingerprint::default(), Fingerprint::and)
    }
}
