//! What a search has still to look at, best first.
//!
//! How promising a node is depends on its place alone: how much of the history is matched, what its
//! faults cost, which of its steps are to be taken, and how much was tried there in vain. So nodes
//! of one place wait together, and only places are compared. What is far behind is given up.

use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use crate::conform::history::Position;

/// A position of the history, by number.
pub type PositionId = u32;

/// What a matched event is worth, in units of cost.
pub const EVENT: i64 = 16;

/// What a fault costs that the rest of the history suggests, at least.
pub const SUGGESTED: i64 = EVENT / 2;

/// What a fault costs that the rest of the history does not suggest.
pub const UNSUGGESTED: i64 = 10 * EVENT;

/// What a step costs that has nothing to do with what comes next, until that is matched.
pub const DETOUR: i64 = EVENT / 4;

/// What it costs that time has to pass though something else is seen first.
pub const STUCK: i64 = 4 * EVENT;

/// What a request costs that is on its way when a history begins.
pub const ON_ITS_WAY: i64 = EVENT / 8;

/// How many nodes may be looked at before one unit of rank is lost.
#[derive(Clone, Copy)]
pub struct Patience {
    /// At one position.
    pub here: i64,
    /// At one position with the same faults.
    pub alike: i64,
    /// Whether the steps of each stage wait for themselves alone: all get their turn then, though
    /// nodes keep coming whose nearer steps are not taken yet. Where faults are told this finds their
    /// place; where any fault may come, it brings too many of them.
    pub in_turn: bool,
}

/// Which steps of a node are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Those of whoever may write what comes next, or one that prepares what comes soon.
    Near,
    /// The same, though what comes soon could have been prepared.
    Unprepared,
    /// All others but faults.
    Far,
    /// Faults that the rest of the history suggests.
    Likely,
    /// All other faults.
    Unlikely,
    /// All but faults, where time has to pass though something else is to be seen first.
    Stuck,
}

impl Stage {
    /// How much less promising these steps are, before they are known.
    fn discount(self) -> i64 {
        match self {
            Stage::Near => 0,
            Stage::Unprepared => EVENT * 3 / 4,
            Stage::Far => DETOUR,
            Stage::Likely => SUGGESTED,
            Stage::Unlikely => UNSUGGESTED,
            Stage::Stuck => STUCK,
        }
    }
}

/// A node that waits: its number, and how many hidden steps it is from the last matched event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The number.
    pub node: u32,
    /// The hidden steps.
    pub hidden: u32,
}

/// Where nodes wait together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// What the faults cost.
    pub cost: i64,
    /// What the detours since the last matched event cost.
    pub detours: i64,
    /// The position.
    pub at: PositionId,
    /// The steps that are to be taken.
    pub stage: Stage,
}

/// What is known of a position.
struct Known {
    /// How much is matched there.
    progress: u32,
    /// How often it was looked at.
    here: i64,
    /// The same, by what the faults cost and, where each gets its turn, which steps were taken.
    alike: BTreeMap<(i64, Option<Stage>), i64>,
}

/// Everything that waits.
pub struct Open {
    patience: Patience,
    positions: Vec<Known>,
    ids: HashMap<Position, PositionId>,
    queues: HashMap<Place, BTreeMap<u32, VecDeque<u32>>>,
    /// Places with somebody waiting, each once, by a score that may have become worse since.
    places: BinaryHeap<(i64, i64, PositionId, std::cmp::Reverse<Stage>, i64)>,
    turn: bool,
}

impl Open {
    /// Nothing waits.
    pub fn new(patience: Patience) -> Self {
        Open {
            patience,
            positions: Vec::new(),
            ids: HashMap::new(),
            queues: HashMap::new(),
            places: BinaryHeap::new(),
            turn: false,
        }
    }

    /// The number of a position.
    pub fn id(&mut self, at: &Position) -> PositionId {
        *self.ids.entry(*at).or_insert_with(|| {
            let progress = at.progress();
            self.positions.push(Known { progress, here: 0, alike: BTreeMap::new() });
            self.positions.len() as PositionId - 1
        })
    }

    /// Something waits.
    pub fn push(&mut self, place: Place, waiting: Waiting) {
        let score = self.score(place);
        let queue = self.queues.entry(place).or_default();
        if queue.is_empty() {
            self.places.push(entry(score, place));
        }
        queue.entry(waiting.hidden).or_default().push_back(waiting.node);
    }

    /// How promising a place is: less so the more was tried there.
    fn score(&self, place: Place) -> i64 {
        let known = &self.positions[place.at as usize];
        let alike = known.alike.get(&(place.cost, self.turn_of(place.stage))).copied().unwrap_or(0);
        i64::from(known.progress) * EVENT
            - place.cost
            - place.detours
            - place.stage.discount()
            - known.here / self.patience.here
            - alike / self.patience.alike
    }

    /// The next: in the best place, in turn the one nearest to the last matched event, and the one
    /// farthest from it, which is where work that has nothing to do with each other is done.
    pub fn pop(&mut self) -> Option<(Place, u32)> {
        while let Some((score, cost, at, stage, detours)) = self.places.pop() {
            let place = Place { at, cost: -cost, detours: -detours, stage: stage.0 };
            let Some(queue) = self.queues.get(&place) else { continue };
            let now = self.score(place);
            if now < score && !queue.is_empty() {
                self.places.push(entry(now, place));
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
                self.places.push(entry(score, place));
            }
            if let Some(node) = node {
                return Some((place, node));
            }
        }
        None
    }

    /// A node of a place was looked at.
    pub fn tried(&mut self, at: PositionId, cost: i64, stage: Stage) {
        let turn = self.turn_of(stage);
        let known = &mut self.positions[at as usize];
        known.here += 1;
        *known.alike.entry((cost, turn)).or_default() += 1;
    }

    fn turn_of(&self, stage: Stage) -> Option<Stage> {
        Some(stage).filter(|_| self.patience.in_turn)
    }

    /// Gives up all that has matched less than this.
    pub fn give_up(&mut self, progress: u32) {
        let positions = &self.positions;
        self.queues.retain(|place, _| positions[place.at as usize].progress >= progress);
        self.ids.retain(|_, id| positions[*id as usize].progress >= progress);
        for known in self.positions.iter_mut().filter(|known| known.progress < progress) {
            known.alike = BTreeMap::new();
        }
    }
}

fn entry(score: i64, place: Place) -> (i64, i64, PositionId, std::cmp::Reverse<Stage>, i64) {
    let Place { cost, detours, at, stage } = place;
    (score, -cost, at, std::cmp::Reverse(stage), -detours)
}
