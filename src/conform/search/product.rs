//! The search itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use models::objects::WatchEvent;

use super::ahead::Ahead;
use super::node::{Held, Node, Seen, Trail};
use super::steps::{counts, fault_cost, faults, faults_in, is_choice, is_prompt, steps};
use super::{Answer, Limits, Run};
use crate::conform::facts::Bindings;
use crate::conform::hints::Hints;
use crate::conform::history::{History, Position};
use crate::conform::middle::Beginning;
use crate::conform::open::{
    DETOUR, ON_ITS_WAY, Open, Patience, STUCK, Stage, UNSUGGESTED, Waiting,
};
use crate::conform::told;
use crate::conform::writers::Writers;
use crate::engine::fingerprint::Fingerprint;
use crate::engine::search::Path;
use crate::engine::star::{Action, StarSystem};
use crate::engine::system::System;
use crate::scenario::cluster::{Cluster, ClusterAction, ClusterState};

/// Most alternatives that are kept for the place where the history cannot go on.
const ALTERNATIVES: usize = 12;

/// How far behind the farthest node others are given up, in events. Recordings are shorter.
const BEHIND: u32 = 192;

/// Most steps that are done at once.
const LONGEST_REST: u32 = 64;

/// What came of doing all that can be done at once.
enum Rest {
    /// There is nothing to do.
    Nothing,
    /// It is done.
    Done,
    /// Something of it shows.
    Shows,
}

/// A step that published what does not match: where, what, and its events.
type Refused = (Held, Option<Arc<Trail>>, ClusterAction, Vec<WatchEvent>);

/// A search under way.
pub(super) struct Search<'a> {
    system: &'a StarSystem<Cluster>,
    history: &'a History,
    beginnings: Vec<Beginning>,
    /// The bound on what faults cost; with one, those are left out that nothing suggests.
    pub(super) max_cost: Option<i64>,
    /// The same for their number.
    pub(super) max_faults: Option<u32>,
    nodes: Vec<Option<Node>>,
    /// Numbers of nodes that were given up.
    free: Vec<u32>,
    open: Open,
    /// Numbers of nodes by fingerprint, and all of them, by how much they have matched.
    levels: BTreeMap<u32, (Seen, Vec<u32>)>,
    hints: Hints,
    ahead: Ahead<'a>,
    /// The node that has matched most.
    best: usize,
    /// How much it has matched, and how many nodes there had been then.
    farthest: (u32, usize),
    /// Nodes were given up.
    gave_up: bool,
    looked_at: usize,
    refused: Vec<Refused>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        system: &'a StarSystem<Cluster>,
        history: &'a History,
        patience: Patience,
    ) -> Self {
        let patience = Patience { in_turn: history.tells_faults(), ..patience };
        Search {
            system,
            history,
            beginnings: history.beginnings(system),
            max_cost: None,
            max_faults: None,
            nodes: Vec::new(),
            free: Vec::new(),
            open: Open::new(patience),
            levels: BTreeMap::new(),
            hints: Hints::of(history),
            ahead: Ahead::of(history),
            best: 0,
            farthest: (0, 0),
            gave_up: false,
            looked_at: 0,
            refused: Vec::new(),
        }
    }

    pub(super) fn run(mut self, limits: Limits) -> Answer {
        let at = self.history.start();
        let place = self.open.id(&at);
        let bound = Arc::new(self.history.bound.clone());
        for number in 0..self.beginnings.len() {
            let Beginning { state, .. } = &self.beginnings[number];
            let (state, bound) = (state.clone(), Arc::clone(&bound));
            let held = Held { beginning: number as u16, state, bound };
            let past = || self.beginnings[number].faults();
            let assumed = self.beginnings[number].sent.len() as i64 * ON_ITS_WAY;
            let cost = assumed + past().map(|fault| fault_cost(fault, Some(0), true)).sum::<i64>();
            let faults = past().map(|fault| faults_in(&Action::Fault(*fault))).sum();
            let (detours, debts, hidden, taken, trail) = (0, 0, 0, 0, None);
            self.add(Node { held, at, place, cost, faults, detours, debts, hidden, trail, taken });
        }
        while let Some((place, number)) = self.open.pop() {
            let at = number as usize;
            let Some(known) = &mut self.nodes[at] else { continue };
            let stage = 1 << place.stage as u8;
            // Reached again with likelier faults, or looked at already.
            if known.waits_at(place.stage) != place || known.taken & stage != 0 {
                continue;
            }
            known.taken |= stage;
            if self.history.is_done(&known.at) {
                self.best = at;
                return self.answer(true, false);
            }
            if self.looked_at - self.farthest.1 > limits.states {
                return self.answer(false, false);
            }
            self.expand(at, place.stage);
        }
        let all = !self.gave_up;
        self.answer(false, all)
    }

    fn push(&mut self, at: usize, stage: Stage) {
        let Some(node) = &self.nodes[at] else { return };
        self.open.push(node.waits_at(stage), Waiting { node: at as u32, hidden: node.hidden });
    }

    fn add(&mut self, node: Node) {
        let too_many = self.max_faults.is_some_and(|most| node.faults > most);
        if too_many || self.max_cost.is_some_and(|most| node.cost > most) {
            return;
        }
        let progress = node.at.progress();
        let state = self.system.fingerprint(&node.held.state);
        let key = Fingerprint::of(&(state, node.place, Fingerprint::of(&*node.held.bound))).0;
        let (seen, all) = self.levels.entry(progress).or_default();
        if let Some(&number) = seen.get(&key) {
            // Reached again, perhaps with fewer or likelier faults.
            let bound = self.max_faults.is_some();
            let worth = |node: &Node| {
                (if bound { node.faults } else { 0 }, node.cost, node.detours + node.debts)
            };
            let known = &mut self.nodes[number as usize];
            if known.as_ref().is_some_and(|known| worth(&node) < worth(known)) {
                *known = Some(node);
                self.push(number as usize, Stage::Near);
            }
            return;
        }
        let number = self.free.pop().unwrap_or(self.nodes.len() as u32);
        seen.insert(key, number);
        all.push(number);
        let number = number as usize;
        if number == self.nodes.len() {
            self.nodes.push(Some(node));
        } else {
            self.nodes[number] = Some(node);
        }
        self.looked_at += 1;
        self.push(number, Stage::Near);
        if self.looked_at == 1 || self.farthest.0 < progress {
            self.best = number;
            self.farthest = (progress, self.looked_at);
            self.refused.clear();
            self.give_up(progress);
        }
    }

    /// Gives up what is far behind, now and then.
    fn give_up(&mut self, farthest: u32) {
        if !farthest.is_multiple_of(BEHIND / 4) || farthest <= BEHIND {
            return;
        }
        let last = farthest - BEHIND;
        let ahead = self.levels.split_off(&last);
        for (_, (_, numbers)) in std::mem::replace(&mut self.levels, ahead) {
            for number in numbers {
                self.gave_up = true;
                self.nodes[number as usize] = None;
                self.free.push(number);
            }
        }
        self.open.give_up(last);
    }

    /// Takes the steps of a node that belong together.
    fn expand(&mut self, from: usize, stage: Stage) {
        let Some(Node { held, trail, .. }) = &self.nodes[from] else { return };
        let (held, trail) = (held.clone(), trail.clone());
        let Some(&Node { at, cost, faults: had, detours, place, hidden, .. }) =
            self.nodes[from].as_ref()
        else {
            return;
        };
        self.open.tried(place, cost, stage);
        if stage == Stage::Stuck {
            if let Some(node) = &mut self.nodes[from] {
                node.detours = STUCK;
                node.taken &= !(1 << Stage::Near as u8);
            }
            return self.push(from, Stage::Near);
        }
        let (mut actions, mut prepared) = (Vec::new(), false);
        let calm = match stage {
            Stage::Near | Stage::Unprepared | Stage::Far => {
                steps(self.system, &held.state, &mut actions);
                let prepares =
                    self.preparation(&actions, &held, &at).filter(|_| stage == Stage::Near);
                match prepares {
                    Some(step) => {
                        actions = vec![step];
                        prepared = true;
                    }
                    None => self.sort(&mut actions, stage, &held, &at),
                }
                false
            }
            Stage::Likely | Stage::Unlikely | Stage::Stuck => {
                faults(self.system, &held.state, &mut actions);
                self.is_calm(hidden, trail.as_deref(), &held.state)
            }
        };
        // Where a fault strikes, or a timer fires, nothing else is left to do.
        let rests = |search: &Self| match stage {
            Stage::Near | Stage::Unprepared => !prepared && search.waits_for_rest(&held, &at),
            stage => stage == Stage::Likely,
        };
        let mut rested = false;
        if hidden == 0 && rests(self) {
            let waits = stage == Stage::Near
                && self.ahead.waits(self.system, &at, (&held.state, &held.bound));
            match (self.rest(from, waits), &mut self.nodes[from]) {
                // Something else is seen before time can pass, unless another fault prevents that.
                (Rest::Shows, Some(_)) if waits && detours == 0 => {
                    self.push(from, Stage::Likely);
                    return self.push(from, Stage::Stuck);
                }
                (Rest::Done, _) => rested = waits,
                _ => {}
            }
        }
        if stage == Stage::Near {
            if prepared || rested {
                self.push(from, Stage::Unprepared);
            }
            self.push(from, Stage::Far);
            self.push(from, Stage::Likely);
            let bound = self.max_cost.is_some() || self.max_faults.is_some();
            if !bound && !self.history.tells_faults() {
                self.push(from, Stage::Unlikely);
            }
        }
        // What is done at once need not be done step by step first.
        for action in actions.into_iter().filter(|_| !rested) {
            let Some(more) = self.cost(&at, &held, &action, calm) else { continue };
            if (more >= UNSUGGESTED) != (stage == Stage::Unlikely) {
                continue;
            }
            let detail = self.system.detail(&held.state, &action);
            let Some((after, bound)) = self.accept((&held, &at, &trail), &action, &detail.events)
            else {
                continue;
            };
            let moved = after != at;
            let state = detail.step.state;
            let steps = (&held.state, &state);
            let leads_aside = stage == Stage::Far
                && !self.ahead.prepares(self.system, &at, steps, (&held.bound, false));
            let aside = if leads_aside { DETOUR } else { 0 };
            let debts = self.ahead.debts(self.system, &after, (&state, &bound));
            let before = trail.clone();
            let node = Node {
                held: Held { beginning: held.beginning, state, bound },
                at: after,
                place: if moved { self.open.id(&after) } else { place },
                cost: cost + more,
                faults: had + faults_in(&action),
                detours: if moved { 0 } else { detours + aside },
                debts,
                hidden: if moved { 0 } else { hidden + 1 },
                trail: Some(Arc::new(Trail { before, action, at: after })),
                taken: 0,
            };
            self.add(node);
        }
    }

    /// Whether what comes next happens when nothing else is left to do.
    fn waits_for_rest(&self, held: &Held, at: &Position) -> bool {
        let api = self.system.0.view(&held.state).api();
        Writers::of(self.history, at, &held.bound, api).wait_for_rest()
    }

    /// Does at once what can be done at once and shows nothing, in any order, if nothing is left
    /// then: the same in every order, since none of it takes a choice away from the rest. It is no
    /// detour if time has to pass.
    fn rest(&mut self, from: usize, waits: bool) -> Rest {
        let Some(node) = &self.nodes[from] else { return Rest::Nothing };
        let (mut held, mut at, mut trail) = (node.held.clone(), node.at, node.trail.clone());
        let mut done = 0;
        loop {
            let mut actions = Vec::new();
            steps(self.system, &held.state, &mut actions);
            actions.retain(|action| is_prompt(self.system, &held.state, action));
            if actions.is_empty() {
                break;
            }
            let quiet = actions.into_iter().find_map(|action| {
                if is_choice(&action) {
                    return None;
                }
                let detail = self.system.detail(&held.state, &action);
                let agreed = told::agree(&self.history.accounts, &at, &held.bound, &action)?;
                detail.events.is_empty().then_some((action, detail.step.state, agreed))
            });
            let Some((action, state, agreed)) = quiet.filter(|_| done < LONGEST_REST) else {
                return Rest::Shows;
            };
            done += 1;
            (held.state, at) = (state, agreed);
            trail = Some(Arc::new(Trail { before: trail, action, at }));
        }
        let Some(node) = self.nodes[from].as_ref().filter(|_| done > 0) else {
            return Rest::Nothing;
        };
        let known = (&held.state, &*held.bound);
        let debts = self.ahead.debts(self.system, &at, known);
        let moved = node.at != at;
        let node = Node {
            held,
            at,
            place: if moved { self.open.id(&at) } else { node.place },
            cost: node.cost,
            faults: node.faults,
            detours: if moved || waits { 0 } else { node.detours + DETOUR },
            debts,
            hidden: if moved { 0 } else { node.hidden + done },
            trail,
            taken: 0,
        };
        self.add(node);
        Rest::Done
    }

    /// Leaves those of the steps that belong to a stage.
    fn sort(&self, actions: &mut Vec<ClusterAction>, stage: Stage, held: &Held, at: &Position) {
        let api = self.system.0.view(&held.state).api();
        let writers = Writers::of(self.history, at, &held.bound, api);
        let near = |action: &ClusterAction| {
            writers.wait_for(action, is_prompt(self.system, &held.state, action))
        };
        actions.retain(|action| near(action) == (stage != Stage::Far));
    }

    /// A step that counts now what is seen next of a workload, which may count something else later.
    fn preparation(
        &self,
        actions: &[ClusterAction],
        held: &Held,
        at: &Position,
    ) -> Option<ClusterAction> {
        let prepares = |action: &&ClusterAction| {
            let detail = self.system.detail(&held.state, action);
            let steps = (&held.state, &detail.step.state);
            detail.events.is_empty()
                && self.ahead.prepares(self.system, at, steps, (&held.bound, true))
        };
        actions.iter().filter(|action| counts(action)).find(prepares).cloned()
    }

    /// Whether nothing is about to happen by itself, or something has just happened: where faults
    /// are looked for first.
    fn is_calm(&self, hidden: u32, trail: Option<&Trail>, state: &ClusterState) -> bool {
        if hidden == 0 || matches!(trail, Some(Trail { action: Action::Fault(_), .. })) {
            return true;
        }
        let mut actions = Vec::new();
        steps(self.system, state, &mut actions);
        !actions.iter().any(|action| is_prompt(self.system, state, action))
    }

    /// What a step costs: nothing, unless it is a fault; none for a fault that the log, which tells
    /// of faults, does not have here.
    fn cost(&self, at: &Position, held: &Held, action: &ClusterAction, calm: bool) -> Option<i64> {
        let Action::Fault(fault) = action else { return Some(0) };
        if let Some(told) = told::tells(&self.history.accounts, at, &held.bound, fault) {
            return told.then_some(0);
        }
        let api = self.system.0.view(&held.state).api();
        let known = (api, &*held.bound);
        let suggested = self.hints.suggest(&self.history.config, at, known, fault);
        Some(fault_cost(fault, suggested, calm))
    }

    fn accept(
        &mut self,
        (held, at, trail): (&Held, &Position, &Option<Arc<Trail>>),
        action: &ClusterAction,
        events: &[WatchEvent],
    ) -> Option<(Position, Arc<Bindings>)> {
        let mut now = told::agree(&self.history.accounts, at, &held.bound, action)?;
        let mut bound = Arc::clone(&held.bound);
        for event in events {
            match self.history.accept(&now, &bound, event) {
                Some((next, after)) => {
                    now = next;
                    if after != *bound {
                        bound = Arc::new(after);
                    }
                }
                None => {
                    // What was published and did not match is kept, if nothing got farther.
                    let known = self.refused.iter().any(|(.., known)| known == events);
                    let is_last = at.progress() >= self.farthest.0;
                    if is_last && !known && self.refused.len() < ALTERNATIVES {
                        let kept = (held.clone(), trail.clone(), action.clone(), events.to_vec());
                        self.refused.push(kept);
                    }
                    return None;
                }
            }
        }
        told::missed(&self.history.accounts, &now).is_none().then_some((now, bound))
    }

    /// The run along a trail, with the positions after its steps.
    fn run_along(&self, beginning: u16, trail: Option<&Arc<Trail>>) -> (Run, Vec<Position>) {
        let (mut actions, mut positions) = (Vec::new(), Vec::new());
        let mut next = trail;
        while let Some(trail) = next {
            actions.push(trail.action.clone());
            positions.push(trail.at);
            next = trail.before.as_ref();
        }
        actions.reverse();
        positions.reverse();
        let start = match self.beginnings.get(beginning as usize) {
            Some(beginning) => beginning.state.clone(),
            // No fault is allowed that could have led to where the history begins.
            None => self.system.initial_states().remove(0),
        };
        let mut state = start.clone();
        let steps = actions.into_iter().map(|action| {
            state = self.system.step(&state, &action).state;
            (action, state.clone())
        });
        (Path { steps: steps.collect(), start }, positions)
    }

    fn answer(self, conforms: bool, exhausted: bool) -> Answer {
        let best = self.nodes.get(self.best).and_then(Option::as_ref);
        let beginning = best.map_or(0, |best| best.held.beginning);
        let (path, positions) =
            self.run_along(beginning, best.and_then(|best| best.trail.as_ref()));
        let beginning = match self.beginnings.get(beginning as usize) {
            Some(beginning) => beginning.clone(),
            None => Beginning::at_rest(path.start.clone()),
        };
        let other = |(held, trail, action, _): &Refused| {
            let (mut run, _) = self.run_along(held.beginning, trail.as_ref());
            let after = self.system.detail(&held.state, action).step.state;
            run.steps.push((action.clone(), after));
            run
        };
        let alternatives =
            if conforms { Vec::new() } else { self.refused.iter().map(other).collect() };
        let cost = best.map_or(0, |best| best.cost);
        let faults = best.map_or(0, |best| best.faults);
        let bound = best.map_or_else(Bindings::default, |best| (*best.held.bound).clone());
        let states = self.looked_at;
        Answer {
            beginning,
            path,
            positions,
            bound,
            conforms,
            exhausted,
            cost,
            faults,
            fewest: false,
            states,
            alternatives,
        }
    }
}
