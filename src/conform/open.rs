//! What a search has still to look at, best first.
//!
//! How promising a node is depends on its place alone: how much of the history is matched, what its
//! faults cost, and how much was tried there in vain. So nodes of one place wait together, and only
//! places are compared.

use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use crate::conform::history::Position;

/// A position of the history, by number.
pub type PositionId = u32;

/// What a matched event is worth, in units of cost.
pub const EVENT: i64 = 16;

/// What a fault costs that the rest of the history does not suggest.
pub const UNSUGGESTED: i64 = 10 * EVENT;

/// How many nodes may be looked at before one unit of rank is lost.
#[derive(Clone, Copy)]
pub struct Patience {
    /// At one position.
    pub here: i64,
    /// At one position with the same faults.
    pub alike: i64,
}

/// A node that waits: its number, and how many hidden steps it is from the last matched event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The number.
    pub node: u32,
    /// The hidden steps.
    pub hidden: u32,
}

/// Where nodes wait together: at a position, with faults of one cost, for their likely or their
/// unlikely steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The position.
    pub at: PositionId,
    /// What the faults cost.
    pub cost: i64,
    /// Whether it is the unlikely steps that are to be taken.
    pub rest: bool,
}

/// Everything that waits.
pub struct Open {
    patience: Patience,
    /// How much has been matched at each position, and how often it was looked at.
    positions: Vec<(u32, i64)>,
    ids: HashMap<Position, PositionId>,
    /// How often nodes of a place were looked at, whichever of their steps.
    alike: HashMap<(PositionId, i64), i64>,
    queues: HashMap<Place, BTreeMap<u32, VecDeque<u32>>>,
    /// Places with somebody waiting, each once, by a score that may have become worse since.
    places: BinaryHeap<(i64, (i64, PositionId), bool)>,
    turn: bool,
}

impl Open {
    /// Nothing waits.
    pub fn new(patience: Patience) -> Self {
        Open {
            patience,
            positions: Vec::new(),
            ids: HashMap::new(),
            alike: HashMap::new(),
            queues: HashMap::new(),
            places: BinaryHeap::new(),
            turn: false,
        }
    }

    /// The number of a position.
    pub fn id(&mut self, at: &Position) -> PositionId {
        *self.ids.entry(*at).or_insert_with(|| {
            self.positions.push((at.progress(), 0));
            self.positions.len() as PositionId - 1
        })
    }

    /// Something waits.
    pub fn push(&mut self, place: Place, waiting: Waiting) {
        let queue = self.queues.entry(place).or_default();
        if queue.is_empty() {
            self.places.push((self.score(place), (-place.cost, place.at), place.rest));
        }
        let queue = self.queues.entry(place).or_default();
        queue.entry(waiting.hidden).or_default().push_back(waiting.node);
    }

    /// How promising a place is: less so the more was tried there.
    fn score(&self, place: Place) -> i64 {
        let (progress, here) = self.positions[place.at as usize];
        let alike = self.alike.get(&(place.at, place.cost)).copied().unwrap_or(0);
        let rest = if place.rest { UNSUGGESTED } else { 0 };
        i64::from(progress) * EVENT
            - place.cost
            - here / self.patience.here
            - alike / self.patience.alike
            - rest
    }

    /// The next: in the best place, in turn the one nearest to the last matched event, and the one
    /// farthest from it, which is where work that has nothing to do with each other is done.
    pub fn pop(&mut self) -> Option<(Place, u32)> {
        while let Some((score, (cost, at), rest)) = self.places.pop() {
            let place = Place { at, cost: -cost, rest };
            let now = self.score(place);
            if now < score {
                self.places.push((now, (cost, at), rest));
                continue;
            }
            self.turn = !self.turn;
            let Some(queue) = self.queues.get_mut(&place) else { continue };
            let level = if self.turn { queue.first_entry() } else { queue.last_entry() };
            let Some(mut level) = level else { continue };
            let node = level.get_mut().pop_front();
            if level.get().is_empty() {
                level.remove();
            }
            if queue.is_empty() {
                self.queues.remove(&place);
            } else {
                self.places.push((score, (cost, at), rest));
            }
            if node.is_some() {
                return node.map(|node| (place, node));
            }
        }
        None
    }

    /// A node of a place was looked at.
    pub fn tried(&mut self, at: PositionId, cost: i64) {
        self.positions[at as usize].1 += 1;
        *self.alike.entry((at, cost)).or_default() += 1;
    }
}
