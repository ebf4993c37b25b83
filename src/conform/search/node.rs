//! What a search remembers of where it has been.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::conform::facts::Bindings;
use crate::conform::history::Position;
use crate::conform::open::{Place, PositionId, Stage};
use crate::scenario::cluster::{ClusterAction, ClusterState};

/// A run that matches the history up to some position.
pub(super) struct Node {
    pub(super) held: Held,
    pub(super) at: Position,
    pub(super) place: PositionId,
    pub(super) cost: i64,
    pub(super) faults: u32,
    pub(super) detours: i64,
    /// What it costs that requests are on their way of which nothing is seen.
    pub(super) debts: i64,
    pub(super) hidden: u32,
    pub(super) trail: Option<Arc<Trail>>,
    /// Which of its steps were taken.
    pub(super) taken: u8,
}

impl Node {
    /// Where it waits for a stage.
    pub(super) fn waits_at(&self, stage: Stage) -> Place {
        Place { at: self.place, cost: self.cost, detours: self.detours + self.debts, stage }
    }
}

#[derive(Clone)]
pub(super) struct Held {
    /// With which of the beginnings it began.
    pub(super) beginning: u16,
    pub(super) state: ClusterState,
    pub(super) bound: Arc<Bindings>,
}

/// How a node was reached: what the nodes that are still looked at have in common is kept once, and
/// what leads to none of them is forgotten.
pub(super) struct Trail {
    pub(super) before: Option<Arc<Trail>>,
    pub(super) action: ClusterAction,
    pub(super) at: Position,
}

impl Drop for Trail {
    /// One after the other: a long trail would be too deep for the stack.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(mut trail) = next.and_then(Arc::into_inner) {
            next = trail.before.take();
        }
    }
}

/// Fingerprints need no hashing.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

pub(super) type Seen = HashMap<u128, u32, BuildHasherDefault<Spread>>;
