//! The product of the star and a history: a run whose published events are those of the history.
//!
//! Best first: what has matched more, with fewer and likelier faults, is looked at first; states
//! are told apart by their fingerprint, the position in the history and what is bound. A place in
//! which much was tried in vain loses its rank, so that a wrong turn taken early does not hold the
//! search for ever. None of this decides anything: a run that is found is a run of the model, and
//! "no" is said only if all runs were looked at in which each fault is one that the rest of the
//! history suggests, however late.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use models::faults::FaultKind;
use models::objects::WatchEvent;

use crate::conform::facts::Bindings;
use crate::conform::hints::Hints;
use crate::conform::history::{History, Position};
use crate::conform::open::{EVENT, Open, Patience, Place, PositionId, UNSUGGESTED, Waiting};
use crate::conform::told;
use crate::engine::fingerprint::Fingerprint;
use crate::engine::search::Path;
use crate::engine::star::{Action, StarSystem};
use crate::engine::system::System;
use crate::scenario::cluster::{Cluster, ClusterAction, ClusterState, Fault};

/// Most alternatives that are kept for the place where the history cannot go on.
const ALTERNATIVES: usize = 12;

/// What is tried, in this order.
const PATIENCE: [Patience; 2] =
    [Patience { here: 1000, alike: 16 }, Patience { here: 16, alike: 100_000 }];

/// Limits of a search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// States to keep.
    pub states: usize,
}

/// A run of the model.
pub type Run = Path<StarSystem<Cluster>>;

/// What came of a search.
pub struct Answer {
    /// A run that explains everything, or the one that explains most.
    pub path: Run,
    /// The position after each of its steps.
    pub positions: Vec<Position>,
    /// Whether it explains everything.
    pub conforms: bool,
    /// Whether every run was looked at in which no fault comes that the history does not suggest.
    pub exhausted: bool,
    /// What is bound at the end of the run.
    pub bound: Bindings,
    /// What the faults of the run cost.
    cost: i64,
    /// States that were looked at.
    pub states: usize,
    /// Runs that publish something else where the longest one ended; the last step is the one that
    /// does not match.
    pub alternatives: Vec<Run>,
}

impl Answer {
    /// How far the run gets in the history.
    pub fn reached(&self, history: &History) -> Position {
        self.positions.last().copied().unwrap_or_else(|| history.start())
    }
}

/// Searches for a run that explains a history.
pub fn explain(history: &History, limits: Limits) -> Answer {
    let system = StarSystem(Cluster { config: history.config.clone() });
    let mut best: Option<Answer> = None;
    for patience in PATIENCE {
        let share = Limits { states: limits.states / PATIENCE.len() };
        let answer = Search::new(&system, history, patience).run(share);
        let progress = |answer: &Answer| answer.reached(history).progress();
        let decided = answer.conforms || answer.exhausted;
        if decided || best.as_ref().is_none_or(|best| progress(best) < progress(&answer)) {
            best = Some(answer);
        }
        if decided {
            break;
        }
    }
    let mut best = best.expect("something is tried");
    if !best.conforms && !best.exhausted {
        // Whether the faults that the history itself suggests are too few can often be told.
        let mut search = Search::new(&system, history, PATIENCE[0]);
        search.max_cost = Some(best.cost + UNSUGGESTED - 1);
        let bounded = search.run(limits);
        if bounded.conforms {
            return bounded;
        }
        best.exhausted = bounded.exhausted;
        best.states += bounded.states;
    }
    best
}

/// Searches for another run than `known`, with faults that the history suggests and that cost not
/// much more. Its fault budgets must differ from those that `known` was found with.
pub fn explain_likely(history: &History, limits: Limits, known: &Answer) -> Answer {
    let system = StarSystem(Cluster { config: history.config.clone() });
    let mut search = Search::new(&system, history, PATIENCE[0]);
    search.max_cost = Some(known.cost + UNSUGGESTED / 2);
    search.run(limits)
}

/// A run that matches the history up to some position.
struct Node {
    /// The state and what is bound; given up far behind, and rebuilt if it is asked for again.
    held: Option<Held>,
    at: Position,
    place: PositionId,
    cost: i64,
    hidden: u32,
    parent: Option<(u32, ClusterAction)>,
    /// Whether its steps were taken: the likely ones, the others.
    closed: [bool; 2],
}

#[derive(Clone)]
struct Held {
    state: ClusterState,
    bound: Arc<Bindings>,
}

/// Fingerprints need no hashing.
#[derive(Default)]
struct Spread(u64);

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

type Seen = HashMap<u128, u32, BuildHasherDefault<Spread>>;

/// How far behind the farthest node states are given up, in events.
const BEHIND: u32 = 64;

struct Search<'a> {
    system: &'a StarSystem<Cluster>,
    history: &'a History,
    /// The bound on what faults cost; with one, those are left out that nothing suggests.
    max_cost: Option<i64>,
    nodes: Vec<Node>,
    open: Open,
    seen: Seen,
    /// What the rest of the history suggests at a position.
    hints: HashMap<PositionId, Hints>,
    /// The node that has matched most.
    best: usize,
    /// Nodes before this one have given up their states.
    light: usize,
    /// What was published there and did not match.
    refused: Vec<(usize, ClusterAction, Vec<WatchEvent>)>,
}

impl<'a> Search<'a> {
    fn new(system: &'a StarSystem<Cluster>, history: &'a History, patience: Patience) -> Self {
        Search {
            system,
            history,
            max_cost: None,
            nodes: Vec::new(),
            open: Open::new(patience),
            seen: Seen::default(),
            hints: HashMap::new(),
            best: 0,
            light: 0,
            refused: Vec::new(),
        }
    }

    fn run(mut self, limits: Limits) -> Answer {
        let at = self.history.start();
        let place = self.open.id(&at);
        let bound = Arc::new(self.history.bound.clone());
        for state in self.system.initial_states() {
            let held = Some(Held { state, bound: Arc::clone(&bound) });
            let (parent, closed) = (None, [false; 2]);
            self.add(Node { held, at, place, cost: 0, hidden: 0, parent, closed });
        }
        while let Some((place, node)) = self.open.pop() {
            let at = node as usize;
            let known = &mut self.nodes[at];
            // Reached again with likelier faults, or looked at already.
            if known.cost != place.cost || known.closed[usize::from(place.rest)] {
                continue;
            }
            known.closed[usize::from(place.rest)] = true;
            if self.history.is_done(&self.nodes[at].at) {
                self.best = at;
                return self.answer(true, false);
            }
            if self.nodes.len() > limits.states {
                return self.answer(false, false);
            }
            self.expand(at, place.rest);
        }
        self.answer(false, true)
    }

    fn push(&mut self, at: usize, rest: bool) {
        let Node { place, cost, hidden, .. } = self.nodes[at];
        let place = Place { at: place, cost, rest };
        self.open.push(place, Waiting { node: at as u32, hidden });
    }

    fn add(&mut self, node: Node) {
        if self.max_cost.is_some_and(|most| node.cost > most) {
            return;
        }
        let Some(held) = &node.held else { return };
        let state = self.system.fingerprint(&held.state);
        let key = Fingerprint::of(&(state, node.place, Fingerprint::of(&*held.bound))).0;
        let id = *self.seen.entry(key).or_insert(self.nodes.len() as u32) as usize;
        if let Some(known) = self.nodes.get_mut(id) {
            // Reached again, perhaps with fewer or likelier faults.
            if node.cost < known.cost {
                *known = node;
                self.push(id, false);
            }
            return;
        }
        let progress = node.at.progress();
        let farthest = self.nodes.get(self.best).map(|best| best.at.progress());
        self.nodes.push(node);
        self.push(id, false);
        if farthest.is_none_or(|farthest| farthest < progress) {
            self.best = id;
            self.refused.clear();
            self.lighten(progress);
        }
    }

    /// Gives up the states of nodes that are far behind.
    fn lighten(&mut self, farthest: u32) {
        while let Some(node) = self.nodes.get_mut(self.light)
            && node.at.progress() + BEHIND < farthest
        {
            if node.parent.is_some() {
                node.held = None;
                self.hints.remove(&node.place);
            }
            self.light += 1;
        }
    }

    /// The state of a node and what is bound, rebuilt if they were given up.
    fn held(&self, at: usize) -> Held {
        let mut steps = Vec::new();
        let mut from = at;
        let mut held = loop {
            let node = &self.nodes[from];
            match (&node.held, &node.parent) {
                (Some(held), _) => break held.clone(),
                (None, Some((parent, action))) => {
                    steps.push((*parent as usize, action));
                    from = *parent as usize;
                }
                (None, None) => unreachable!("where a run begins nothing is given up"),
            }
        };
        for (from, action) in steps.into_iter().rev() {
            let detail = self.system.detail(&held.state, action);
            let mut position = self.nodes[from].at;
            let mut bound = (*held.bound).clone();
            for event in &detail.events {
                if let Some(next) = self.history.accept(&position, &bound, event) {
                    (position, bound) = next;
                }
            }
            held = Held { state: detail.step.state, bound: Arc::new(bound) };
        }
        held
    }

    /// Takes the steps of a node: those that cost little, or the `rest`.
    fn expand(&mut self, from: usize, rest: bool) {
        let Node { at, cost, place, .. } = self.nodes[from];
        self.open.tried(place, cost);
        if !self.hints.contains_key(&place) {
            self.hints.insert(place, Hints::at(self.history, &at));
        }
        if !rest && self.max_cost.is_none() {
            self.push(from, true);
        }
        let held = self.held(from);
        let mut actions = Vec::new();
        self.system.actions(&held.state, &mut actions);
        let calm = self.is_calm(from, &held.state, &actions);
        for action in actions {
            let Some(more) = self.cost(&self.nodes[from], &held, &action, calm) else { continue };
            if (more >= UNSUGGESTED) != rest {
                continue;
            }
            let detail = self.system.detail(&held.state, &action);
            let Some((after, bound)) = self.accept(from, &held, &action, &detail.events) else {
                continue;
            };
            let (place, hidden) = if after == at {
                (place, self.nodes[from].hidden + 1)
            } else {
                (self.open.id(&after), 0)
            };
            self.add(Node {
                held: Some(Held { state: detail.step.state, bound }),
                at: after,
                place,
                cost: cost + more,
                hidden,
                parent: Some((from as u32, action)),
                closed: [false; 2],
            });
        }
    }

    /// Whether nothing is about to happen by itself, or something has just happened: where faults
    /// are looked for first.
    fn is_calm(&self, at: usize, state: &ClusterState, actions: &[ClusterAction]) -> bool {
        let node = &self.nodes[at];
        let prompt = |action: &ClusterAction| match action {
            Action::Fault(_) => false,
            Action::Internal(step) => self.system.0.is_prompt(state, step),
            _ => true,
        };
        node.hidden == 0
            || matches!(node.parent, Some((_, Action::Fault(_))))
            || !actions.iter().any(prompt)
    }

    /// What a step costs: nothing, unless it is a fault; none for a fault that the log, which tells
    /// of faults, does not have here.
    fn cost(&self, node: &Node, held: &Held, action: &ClusterAction, calm: bool) -> Option<i64> {
        let Action::Fault(fault) = action else { return Some(0) };
        if let Some(told) = told::tells(&self.history.accounts, &node.at, &held.bound, fault) {
            return told.then_some(fault_cost(fault, true, true));
        }
        let api = self.system.0.view(&held.state).api();
        let hints = &self.hints[&node.place];
        let suggested = hints.suggest(&self.history.config, api, &held.bound, fault);
        Some(fault_cost(fault, suggested, calm))
    }

    fn accept(
        &mut self,
        from: usize,
        held: &Held,
        action: &ClusterAction,
        events: &[WatchEvent],
    ) -> Option<(Position, Arc<Bindings>)> {
        let node = &self.nodes[from];
        let mut at = told::agree(&self.history.accounts, &node.at, &held.bound, action)?;
        let mut bound = Arc::clone(&held.bound);
        for event in events {
            match self.history.accept(&at, &bound, event) {
                Some((next, now)) => (at, bound) = (next, Arc::new(now)),
                None => {
                    self.refuse(from, action, events);
                    return None;
                }
            }
        }
        told::missed(&self.history.accounts, &at).is_none().then_some((at, bound))
    }

    /// Keeps what was published and did not match, if nothing got farther.
    fn refuse(&mut self, from: usize, action: &ClusterAction, events: &[WatchEvent]) {
        let is_last = self.nodes[from].at.progress() >= self.nodes[self.best].at.progress();
        let known = self.refused.iter().any(|(.., known)| known == events);
        if is_last && !known && self.refused.len() < ALTERNATIVES {
            self.refused.push((from, action.clone(), events.to_vec()));
        }
    }

    /// The run to a node, with the positions after its steps.
    fn run_to(&self, at: usize) -> (Run, Vec<Position>) {
        let (mut actions, mut positions) = (Vec::new(), Vec::new());
        let mut from = at;
        while let Some((parent, action)) = &self.nodes[from].parent {
            actions.push(action.clone());
            positions.push(self.nodes[from].at);
            from = *parent as usize;
        }
        actions.reverse();
        positions.reverse();
        let start = self.held(from).state;
        let mut state = start.clone();
        let steps = actions.into_iter().map(|action| {
            state = self.system.step(&state, &action).state;
            (action, state.clone())
        });
        (Path { steps: steps.collect(), start }, positions)
    }

    fn answer(self, conforms: bool, exhausted: bool) -> Answer {
        let (path, positions) = self.run_to(self.best);
        let other = |(from, action, _): &(usize, ClusterAction, Vec<WatchEvent>)| {
            let (mut run, _) = self.run_to(*from);
            let after = self.system.detail(run.end(), action).step.state;
            run.steps.push((action.clone(), after));
            run
        };
        let alternatives =
            if conforms { Vec::new() } else { self.refused.iter().map(other).collect() };
        let cost = self.nodes[self.best].cost;
        let states = self.nodes.len();
        let bound = (*self.held(self.best).bound).clone();
        Answer { path, positions, bound, conforms, exhausted, cost, states, alternatives }
    }
}

/// What a fault costs: little if the rest of the history suggests it, more in the middle of work,
/// more for what is rare.
fn fault_cost(fault: &Fault, suggested: bool, calm: bool) -> i64 {
    let mut cost = if suggested { EVENT / 2 } else { UNSUGGESTED };
    cost += match fault.kind {
        // What a partition does explains most of what the death of a kubelet does.
        FaultKind::KubeletCrash => 2 * EVENT,
        FaultKind::Partition => EVENT / 4,
        FaultKind::SlowHeartbeat | FaultKind::SlowStart => 3 * EVENT,
        // Controllers delete pods far more often than people do.
        FaultKind::DeletePod | FaultKind::DeletePodNow | FaultKind::ForceDeletePod => 2 * EVENT,
        _ => 0,
    };
    for (applies, more) in [(!calm, 3 * EVENT), (fault.kept > 0, 3 * EVENT)] {
        cost += if applies { more } else { 0 };
    }
    cost
}
