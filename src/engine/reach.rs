//! What actions may touch, whatever the state: what persistent sets are made from.

use crate::engine::star::{PartId, ProcessId, StreamId};

/// Slots of a state, as bits.
pub type Slots = u64;

/// Actions of one kind, as far as it matters who can disturb whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The hub serves a process, dead or alive.
    Serve(ProcessId),
    /// A process takes an event from one of its streams.
    Observe(ProcessId),
    /// Internal steps of a group.
    Internals(PartId),
    /// Faults of a group.
    Faults(PartId),
}

/// Where the slots of a star are.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// How many actors there are.
    pub actors: usize,
    /// How many processes there are.
    pub processes: usize,
}

impl Layout {
    /// The slot of an actor.
    pub fn actor(self, actor: usize) -> Slots {
        1 << actor
    }

    /// The slot of what a process has sent.
    pub fn outbox(self, process: ProcessId) -> Slots {
        1 << (self.actors + process.0)
    }

    /// The slot of what is on its way to a process.
    pub fn inbox(self, process: ProcessId) -> Slots {
        1 << (self.actors + self.processes + process.0)
    }
}

/// What the actions of a group may touch in any state: their guards, their tasks and the end of
/// the step included. That a served request leaves its outbox, and an observed event its inbox,
/// goes without saying.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Slots that are looked at.
    pub reads: Slots,
    /// Slots that are changed, whatever is looked at for it.
    pub writes: Slots,
    /// Streams at the end of which events are put, whatever they hold, and whatever the process
    /// knows: whether the event enters must not depend on them.
    pub pushes: Vec<(ProcessId, StreamId)>,
}
