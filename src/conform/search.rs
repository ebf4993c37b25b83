//! The product of the star and a history: a run whose published events are those of the history.
//!
//! Best first: what has matched more, with fewer and likelier faults, is looked at first; states
//! are told apart by their fingerprint, the position in the history and what is bound. A place in
//! which much was tried in vain loses its rank, so that a wrong turn taken early does not hold the
//! search for ever. None of this decides anything: a run that is found is a run of the model, and
//! "no" is said only if all runs were looked at in which each fault is one that the rest of the
//! history suggests, however late.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use models::faults::FaultKind;
use models::objects::WatchEvent;

use crate::conform::facts::Bindings;
use crate::conform::hints::Hints;
use crate::conform::history::{History, Position};
use crate::engine::fingerprint::Fingerprint;
use crate::engine::search::Path;
use crate::engine::star::{Action, StarSystem};
use crate::engine::system::System;
use crate::scenario::cluster::{Cluster, ClusterAction, ClusterState, Fault};

/// What a matched event is worth, in units of cost.
const EVENT: i64 = 16;

/// What a fault costs that the rest of the history does not suggest.
const UNSUGGESTED: i64 = 10 * EVENT;

/// Most alternatives that are kept for the place where the history cannot go on.
const ALTERNATIVES: usize = 12;

/// How many nodes may be looked at before one unit of rank is lost.
#[derive(Clone, Copy)]
struct Patience {
    /// At one position.
    here: i64,
    /// At one position with the same faults.
    alike: i64,
}

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
        self.positions.last().cloned().unwrap_or_else(|| history.start())
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
    state: ClusterState,
    at: Position,
    bound: Bindings,
    cost: i64,
    hidden: u32,
    parent: Option<(usize, ClusterAction)>,
}

/// A node to be looked at: its score, a rank among those of equal score, the node, and whether it
/// is its unlikely faults that are to be looked at.
type Open = (i64, i64, Reverse<usize>, bool);

/// How often nodes of one position were looked at: all, and those of equal cost.
type Tried = (i64, HashMap<i64, i64>);

struct Search<'a> {
    system: &'a StarSystem<Cluster>,
    history: &'a History,
    patience: Patience,
    /// The bound on what faults cost; with one, those are left out that nothing suggests.
    max_cost: Option<i64>,
    nodes: Vec<Node>,
    /// The same nodes in two orders.
    open: [BinaryHeap<Open>; 2],
    /// Which nodes have been looked at, and whether their unlikely faults too.
    closed: Vec<[bool; 2]>,
    seen: HashMap<(Fingerprint, Position, Fingerprint), usize>,
    turn: usize,
    tried: HashMap<Position, Tried>,
    /// What the rest of the history suggests at a position.
    hints: HashMap<Position, Hints>,
    /// The node that has matched most.
    best: usize,
    /// What was published there and did not match.
    refused: Vec<(usize, ClusterAction, Vec<WatchEvent>)>,
}

impl<'a> Search<'a> {
    fn new(system: &'a StarSystem<Cluster>, history: &'a History, patience: Patience) -> Self {
        Search {
            system,
            history,
            patience,
            max_cost: None,
            nodes: Vec::new(),
            open: [BinaryHeap::new(), BinaryHeap::new()],
            closed: Vec::new(),
            seen: HashMap::new(),
            turn: 0,
            tried: HashMap::new(),
            hints: HashMap::new(),
            best: 0,
            refused: Vec::new(),
        }
    }

    fn run(mut self, limits: Limits) -> Answer {
        for state in self.system.initial_states() {
            self.add(Node {
                state,
                at: self.history.start(),
                bound: self.history.bound.clone(),
                cost: 0,
                hidden: 0,
                parent: None,
            });
        }
        while let Some((at, rest)) = self.next() {
            if self.history.is_done(&self.nodes[at].at) {
                self.best = at;
                return self.answer(true, false);
            }
            if self.nodes.len() > limits.states {
                return self.answer(false, false);
            }
            self.expand(at, rest);
        }
        self.answer(false, true)
    }

    /// The next node: of equal ones, in turn the one nearest to the last matched event, and the one
    /// farthest from it, which is where work that has nothing to do with each other is done.
    fn next(&mut self) -> Option<(usize, bool)> {
        self.turn += 1;
        let queue = self.turn % 2;
        while let Some((score, rank, Reverse(at), rest)) = self.open[queue].pop() {
            if self.closed[at][usize::from(rest)] {
                continue;
            }
            let now = self.score(at) - if rest { UNSUGGESTED } else { 0 };
            if now < score {
                self.open[queue].push((now, rank, Reverse(at), rest));
                continue;
            }
            self.closed[at][usize::from(rest)] = true;
            return Some((at, rest));
        }
        None
    }

    fn push(&mut self, score: i64, at: usize, rest: bool) {
        let hidden = i64::from(self.nodes[at].hidden);
        for (queue, rank) in self.open.iter_mut().zip([-hidden, hidden]) {
            queue.push((score, rank, Reverse(at), rest));
        }
    }

    /// How promising a node is: less so the more was tried in its place.
    fn score(&self, node: usize) -> i64 {
        let Node { at, cost, .. } = &self.nodes[node];
        let (here, alike) = self
            .tried
            .get(at)
            .map_or((0, 0), |(here, by_cost)| (*here, by_cost.get(cost).copied().unwrap_or(0)));
        let Patience { here: few, alike: fewer } = self.patience;
        i64::from(at.progress()) * EVENT - cost - here / few - alike / fewer
    }

    fn add(&mut self, node: Node) {
        if self.max_cost.is_some_and(|most| node.cost > most) {
            return;
        }
        let bound = Fingerprint::of(&node.bound);
        let key = (self.system.fingerprint(&node.state), node.at.clone(), bound);
        let id = *self.seen.entry(key).or_insert(self.nodes.len());
        if let Some(known) = self.nodes.get_mut(id) {
            // Reached again, perhaps with fewer or likelier faults.
            if node.cost < known.cost {
                *known = node;
                self.closed[id] = [false; 2];
                self.push(self.score(id), id, false);
            }
            return;
        }
        let progress = node.at.progress();
        if self.nodes.get(self.best).is_none_or(|best| best.at.progress() < progress) {
            self.best = id;
            self.refused.clear();
        }
        self.nodes.push(node);
        self.closed.push([false; 2]);
        self.push(self.score(id), id, false);
    }

    /// Takes the steps of a node: those that cost little, or the `rest`.
    fn expand(&mut self, from: usize, rest: bool) {
        let Node { at, cost, .. } = &self.nodes[from];
        let (here, alike) = self.tried.entry(at.clone()).or_default();
        *here += 1;
        *alike.entry(*cost).or_default() += 1;
        if !self.hints.contains_key(at) {
            self.hints.insert(at.clone(), Hints::at(self.history, at));
        }
        if !rest && self.max_cost.is_none() {
            self.push(self.score(from) - UNSUGGESTED, from, true);
        }
        let mut actions = Vec::new();
        self.system.actions(&self.nodes[from].state, &mut actions);
        let calm = self.is_calm(from, &actions);
        for action in actions {
            let node = &self.nodes[from];
            let cost = self.cost(node, &action, calm);
            if (cost >= UNSUGGESTED) != rest {
                continue;
            }
            let detail = self.system.detail(&node.state, &action);
            let Some((at, bound)) = self.accept(from, &action, &detail.events) else { continue };
            let node = &self.nodes[from];
            let progressed = at != node.at;
            let next = Node {
                state: detail.step.state,
                cost: node.cost + cost,
                hidden: if progressed { 0 } else { node.hidden + 1 },
                at,
                bound,
                parent: Some((from, action)),
            };
            self.add(next);
        }
    }

    /// Whether nothing is about to happen by itself, or something has just happened: where faults
    /// are looked for first.
    fn is_calm(&self, at: usize, actions: &[ClusterAction]) -> bool {
        let node = &self.nodes[at];
        let prompt = |action: &ClusterAction| match action {
            Action::Fault(_) => false,
            Action::Internal(step) => self.system.0.is_prompt(&node.state, step),
            _ => true,
        };
        node.hidden == 0
            || matches!(node.parent, Some((_, Action::Fault(_))))
            || !actions.iter().any(prompt)
    }

    /// What a step costs: nothing, unless it is a fault.
    fn cost(&self, node: &Node, action: &ClusterAction, calm: bool) -> i64 {
        let Action::Fault(fault) = action else { return 0 };
        let api = self.system.0.view(&node.state).api();
        let suggested = self.hints[&node.at].suggest(api, &node.bound, fault);
        fault_cost(fault, suggested, calm)
    }

    fn accept(
        &mut self,
        from: usize,
        action: &ClusterAction,
        events: &[WatchEvent],
    ) -> Option<(Position, Bindings)> {
        let node = &self.nodes[from];
        let (mut at, mut bound) = (node.at.clone(), node.bound.clone());
        for event in events {
            match self.history.accept(&at, &bound, event) {
                Some(next) => (at, bound) = next,
                None => {
                    self.refuse(from, action, events);
                    return None;
                }
            }
        }
        Some((at, bound))
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
    fn run_to(&self, mut at: usize) -> (Run, Vec<Position>) {
        let (mut steps, mut positions) = (Vec::new(), Vec::new());
        while let Some((parent, action)) = &self.nodes[at].parent {
            steps.push((action.clone(), self.nodes[at].state.clone()));
            positions.push(self.nodes[at].at.clone());
            at = *parent;
        }
        steps.reverse();
        positions.reverse();
        (Path { start: self.nodes[at].state.clone(), steps }, positions)
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
        Answer { path, positions, conforms, exhausted, cost, states, alternatives }
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
        // What a kubelet or pod GC does too.
        FaultKind::DeletePodNow | FaultKind::ForceDeletePod => 3 * EVENT,
        _ => 0,
    };
    for (applies, more) in [(!calm, 3 * EVENT), (fault.kept > 0, 3 * EVENT)] {
        cost += if applies { more } else { 0 };
    }
    cost
}
