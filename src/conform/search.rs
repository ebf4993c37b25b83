//! The product of the star and a history: a run whose published events are those of the history.
//!
//! Best first: what has matched more, with fewer faults, is looked at first; states are told apart
//! by their fingerprint, the position and what is bound.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use models::faults::FaultKind;
use models::objects::WatchEvent;

use crate::conform::facts::Bindings;
use crate::conform::hints::Hints;
use crate::conform::history::{History, Position};
use crate::engine::fingerprint::Fingerprint;
use crate::engine::search::Path;
use crate::engine::star::{Action, StarSystem};
use crate::engine::system::System;
use crate::scenario::cluster::{Cluster, ClusterAction, ClusterState};

/// What a matched event is worth, in units of cost.
const EVENT: i64 = 16;

/// Nodes to look at in one place before it loses a sixteenth of a matched event.
const PATIENCE: i64 = 16;

/// A run that matches the history up to some position.
struct Node {
    state: ClusterState,
    at: Position,
    bound: Bindings,
    cost: i64,
    hidden: u32,
    parent: Option<(usize, ClusterAction)>,
}

/// What came of a search.
pub struct Answer {
    /// A run that explains everything, or the one that explains most.
    pub path: Path<StarSystem<Cluster>>,
    /// The position after each of its steps.
    pub positions: Vec<Position>,
    /// Whether it explains everything.
    pub conforms: bool,
    /// Whether nothing was left out of the search.
    pub exhausted: bool,
    /// States that were looked at.
    pub states: usize,
    /// What the model could have published where the longest run ended, by action.
    pub alternatives: BTreeSet<String>,
}

/// Limits of a search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// States to look at.
    pub states: usize,
}

/// Searches for a run that explains a history.
pub fn explain(history: &History, limits: Limits) -> Answer {
    let system = StarSystem(Cluster { config: history.config.clone() });
    Search {
        system: &system,
        history,
        nodes: Vec::new(),
        open: BinaryHeap::new(),
        seen: HashSet::new(),
        expanded: HashMap::new(),
        hints: HashMap::new(),
        best: 0,
        refused: BTreeSet::new(),
    }
    .run(limits)
}

struct Search<'a> {
    system: &'a StarSystem<Cluster>,
    history: &'a History,
    nodes: Vec<Node>,
    open: BinaryHeap<(i64, Reverse<u32>, Reverse<usize>)>,
    seen: HashSet<(Fingerprint, Position, Fingerprint)>,
    /// How many nodes were expanded at a position after some number of faults.
    expanded: HashMap<Position, i64>,
    /// What the rest of the history suggests at a position.
    hints: HashMap<Position, Hints>,
    /// The node that has matched most.
    best: usize,
    /// What was published there and did not match.
    refused: BTreeSet<String>,
}

impl Search<'_> {
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
        while let Some((score, hidden, Reverse(at))) = self.open.pop() {
            let now = self.score(at);
            if now < score {
                self.open.push((now, hidden, Reverse(at)));
                continue;
            }
            if self.history.is_done(&self.nodes[at].at) {
                self.best = at;
                return self.answer(true, false);
            }
            if self.nodes.len() > limits.states {
                return self.answer(false, false);
            }
            self.expand(at);
        }
        self.answer(false, true)
    }

    fn add(&mut self, node: Node) {
        let bound = Fingerprint::of(&node.bound);
        let key = (self.system.fingerprint(&node.state), node.at.clone(), bound);
        if !self.seen.insert(key) {
            return;
        }
        let progress = node.at.progress();
        let (id, hidden) = (self.nodes.len(), node.hidden);
        if self.nodes.get(self.best).is_none_or(|best| best.at.progress() < progress) {
            self.best = id;
            self.refused.clear();
        }
        self.nodes.push(node);
        self.open.push((self.score(id), Reverse(hidden), Reverse(id)));
    }

    /// How promising a node is: less so the more was tried at its position.
    fn score(&self, node: usize) -> i64 {
        let Node { at, cost, .. } = &self.nodes[node];
        let tried = self.expanded.get(at).copied().unwrap_or(0);
        i64::from(at.progress()) * EVENT - cost - tried / PATIENCE
    }

    fn expand(&mut self, from: usize) {
        let at = &self.nodes[from].at;
        *self.expanded.entry(at.clone()).or_default() += 1;
        if !self.hints.contains_key(at) {
            self.hints.insert(at.clone(), Hints::at(self.history, at));
        }
        let mut actions = Vec::new();
        self.system.actions(&self.nodes[from].state, &mut actions);
        let calm = self.is_calm(from, &actions);
        for action in actions {
            let node = &self.nodes[from];
            let detail = self.system.detail(&node.state, &action);
            let Some((at, bound)) = self.accept(from, &action, &detail.events) else { continue };
            let node = &self.nodes[from];
            let progressed = at != node.at;
            let next = Node {
                state: detail.step.state,
                cost: node.cost + self.cost(node, &action, calm),
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
        let mut cost = if suggested { EVENT / 2 } else { 10 * EVENT };
        cost += match fault.kind {
            // What a partition does explains most of what the death of a kubelet does.
            FaultKind::KubeletCrash => 2 * EVENT,
            FaultKind::Partition => EVENT / 4,
            FaultKind::SlowHeartbeat | FaultKind::SlowStart => 3 * EVENT,
            _ => 0,
        };
        for (applies, more) in [(!calm, 3 * EVENT), (fault.kept > 0, 3 * EVENT)] {
            cost += if applies { more } else { 0 };
        }
        cost
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
                    if node.at.progress() >= self.nodes[self.best].at.progress() {
                        self.refused.insert(format!("{action:?} -> {event:?}"));
                    }
                    return None;
                }
            }
        }
        Some((at, bound))
    }

    fn answer(self, conforms: bool, exhausted: bool) -> Answer {
        let mut steps = Vec::new();
        let mut positions = Vec::new();
        let mut at = self.best;
        while let Some((parent, action)) = &self.nodes[at].parent {
            steps.push((action.clone(), self.nodes[at].state.clone()));
            positions.push(self.nodes[at].at.clone());
            at = *parent;
        }
        steps.reverse();
        positions.reverse();
        Answer {
            path: Path { start: self.nodes[at].state.clone(), steps },
            positions,
            conforms,
            exhausted,
            states: self.nodes.len(),
            alternatives: self.refused,
        }
    }
}
