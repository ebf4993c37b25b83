//! Level-synchronous breadth-first search over any system, states in full: slow and plain, the
//! reference for engines that are neither.
//!
//! The result does not depend on the number of threads: a state's parent is the one with the
//! smallest fingerprint among those of the level before, and of several decisive states or steps
//! on one level the one with the smallest fingerprint is taken.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use crate::engine::fingerprint::Fingerprint;
use crate::engine::property::{Property, Taken, Test};
use crate::engine::search::{Hit, ModelError, Options, Outcome, Path, Progress, follow};
use crate::engine::system::{MAX_RULES, System};
use crate::engine::usage;

/// Fingerprints are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed here")
    }
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

/// How a state was reached first: from which state, by which of its actions.
#[derive(Clone, Copy)]
struct Parent {
    state: Fingerprint,
    action: u16,
}

const ROOT: u16 = u16::MAX;
const SHARDS: usize = 64;
type Visited = Vec<HashMap<Fingerprint, Parent, BuildHasherDefault<Identity>>>;

fn shard(fingerprint: Fingerprint) -> usize {
    (fingerprint.0 >> 122) as usize
}

/// A successor that was not known when its level began.
struct Candidate<S: System> {
    fingerprint: Fingerprint,
    parent: Parent,
    state: S::State,
}

/// What one worker found on one level.
struct Expansion<S: System> {
    candidates: Vec<Vec<Candidate<S>>>,
    hits: Vec<Hit>,
    deadlocks: Vec<Fingerprint>,
    unhandled: Vec<(Fingerprint, u16, &'static str)>,
    transitions: u64,
    rule_counts: Vec<u64>,
}

/// Searches all reachable states and judges every property.
pub fn breadth_first<S: System>(
    system: &S,
    properties: &[Property<S>],
    options: &Options<'_, S>,
) -> Outcome<S> {
    Search::new(system, properties, options).run()
}

struct Search<'a, S: System> {
    system: &'a S,
    properties: &'a [Property<S>],
    options: &'a Options<'a, S>,
    visited: Visited,
    outcome: Outcome<S>,
    began: Instant,
}

impl<'a, S: System> Search<'a, S> {
    fn new(system: &'a S, properties: &'a [Property<S>], options: &'a Options<'a, S>) -> Self {
        let outcome = Outcome::new(properties);
        let visited = (0..SHARDS).map(|_| HashMap::default()).collect();
        Search { system, properties, options, visited, outcome, began: Instant::now() }
    }

    fn run(mut self) -> Outcome<S> {
        let mut frontier = self.initial_level();
        while !frontier.is_empty() && self.outcome.error.is_none() {
            if let Some(reason) = self.must_stop() {
                self.outcome.stopped = Some(reason);
                break;
            }
            let expansions = self.expand(&frontier);
            let next = self.merge(expansions);
            self.outcome.depth += u32::from(!next.is_empty());
            frontier = next;
            self.report_progress(frontier.len());
        }
        self.outcome.complete = frontier.is_empty() && self.outcome.error.is_none();
        self.outcome.judge(self.properties);
        self.outcome.elapsed = self.began.elapsed();
        self.outcome
    }

    fn must_stop(&self) -> Option<&'static str> {
        if self.options.limits.max_states.is_some_and(|max| self.outcome.states >= max) {
            return Some("the limit of states was reached");
        }
        self.options.must_stop(self.began)
    }

    fn report_progress(&self, frontier: usize) {
        if let Some(progress) = self.options.progress {
            progress(Progress {
                states: self.outcome.states,
                frontier: frontier as u64,
                depth: self.outcome.depth,
                memory: usage::memory(),
            });
        }
    }

    fn initial_level(&mut self) -> Vec<(Fingerprint, S::State)> {
        let mut level = Vec::new();
        for state in self.system.initial_states() {
            let fingerprint = self.system.fingerprint(&state);
            let parent = Parent { state: fingerprint, action: ROOT };
            if self.visited[shard(fingerprint)].insert(fingerprint, parent).is_none() {
                level.push((fingerprint, state));
            }
        }
        self.outcome.states = level.len() as u64;
        let states = level.iter().map(|(fingerprint, state)| (*fingerprint, state));
        let hits: Vec<Hit> = states.flat_map(|(fp, state)| self.state_hits(fp, state)).collect();
        self.take_hits(hits);
        level
    }

    fn state_hits(&self, state: Fingerprint, content: &S::State) -> Vec<Hit> {
        let decides =
            |(_, property): &(usize, &Property<S>)| property.decided_by_state(self.system, content);
        let open = self.properties.iter().enumerate().filter(|(at, _)| self.outcome.is_open(*at));
        open.filter(decides).map(|(property, _)| Hit { property, state, action: None }).collect()
    }

    /// Expands a level on all threads.
    fn expand(&self, frontier: &[(Fingerprint, S::State)]) -> Vec<Expansion<S>> {
        let threads = self.options.threads.max(1);
        if threads == 1 || frontier.len() < 256 {
            return vec![self.expand_part(frontier)];
        }
        // Small parts, handed out in turn, keep the threads evenly busy.
        let size = frontier.len().div_ceil(threads * 8);
        let parts: Vec<_> = frontier.chunks(size).collect();
        let next = std::sync::atomic::AtomicUsize::new(0);
        thread::scope(|scope| {
            let work = || {
                let mut done = Vec::new();
                while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    done.push(self.expand_part(part));
                }
                done
            };
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let joined = workers.into_iter().map(|worker| match worker.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.flatten().collect()
        })
    }

    fn expand_part(&self, part: &[(Fingerprint, S::State)]) -> Expansion<S> {
        let mut out = Expansion {
            candidates: (0..SHARDS).map(|_| Vec::new()).collect(),
            hits: Vec::new(),
            deadlocks: Vec::new(),
            unhandled: Vec::new(),
            transitions: 0,
            rule_counts: vec![0; MAX_RULES],
        };
        let step_properties: Vec<usize> = (0..self.properties.len())
            .filter(|&at| {
                matches!(self.properties[at].test, Test::Step(_)) && self.outcome.is_open(at)
            })
            .collect();
        let mut actions = Vec::new();
        for (fingerprint, state) in part {
            actions.clear();
            self.system.actions(state, &mut actions);
            if actions.iter().all(|action| self.system.is_fault(action))
                && !self.system.is_quiet(state)
            {
                out.deadlocks.push(*fingerprint);
            }
            for (action, at) in actions.iter().zip(0u16..) {
                let step = self.system.step(state, action);
                out.transitions += 1;
                for &rule in &step.rules {
                    out.rule_counts[rule as usize] += 1;
                }
                if let Some(error) = step.error {
                    out.unhandled.push((*fingerprint, at, error));
                }
                for &property in &step_properties {
                    if self.properties[property].decided_by_step(
                        self.system,
                        state,
                        &Taken::new(action),
                        &step.state,
                    ) {
                        out.hits.push(Hit { property, state: *fingerprint, action: Some(at) });
                    }
                }
                let successor = self.system.fingerprint(&step.state);
                let shard = shard(successor);
                if !self.visited[shard].contains_key(&successor) {
                    let parent = Parent { state: *fingerprint, action: at };
                    let candidate = Candidate { fingerprint: successor, parent, state: step.state };
                    out.candidates[shard].push(candidate);
                }
            }
        }
        out
    }

    /// Takes the new states of a level in; the smallest parent wins.
    fn merge(&mut self, expansions: Vec<Expansion<S>>) -> Vec<(Fingerprint, S::State)> {
        let mut hits = Vec::new();
        let mut by_shard: Vec<Vec<Candidate<S>>> = (0..SHARDS).map(|_| Vec::new()).collect();
        let mut deadlock: Option<Fingerprint> = None;
        let mut unhandled: Option<(Fingerprint, u16, &'static str)> = None;
        for expansion in expansions {
            self.outcome.transitions += expansion.transitions;
            for (total, count) in self.outcome.rule_counts.iter_mut().zip(expansion.rule_counts) {
                *total += count;
            }
            hits.extend(expansion.hits);
            deadlock = deadlock.into_iter().chain(expansion.deadlocks).min();
            unhandled = unhandled.into_iter().chain(expansion.unhandled).min();
            for (all, candidates) in by_shard.iter_mut().zip(expansion.candidates) {
                all.extend(candidates);
            }
        }
        let mut level = Vec::new();
        for (visited, candidates) in self.visited.iter_mut().zip(by_shard) {
            merge_shard::<S>(visited, candidates, &mut level);
        }
        self.outcome.states += level.len() as u64;
        let states = level.iter().map(|(fingerprint, state)| (*fingerprint, state));
        hits.extend(states.flat_map(|(fp, state)| self.state_hits(fp, state)).collect::<Vec<_>>());
        self.take_hits(hits);
        if let Some((state, action, what)) = unhandled {
            let path = path_to(self.system, &self.visited, state, Some(action));
            self.outcome.error = Some(ModelError::Unhandled(what, path));
        } else if let Some(state) = deadlock {
            let path = path_to(self.system, &self.visited, state, None);
            self.outcome.error = Some(ModelError::Deadlock(path));
        }
        level
    }

    fn take_hits(&mut self, hits: Vec<Hit>) {
        let (system, visited) = (self.system, &self.visited);
        let path_to = |_, state, then| path_to(system, visited, state, then);
        self.outcome.take_hits(hits, self.options, path_to);
    }
}

/// The run to a state along parent links, and one action more if asked for.
fn path_to<S: System>(
    system: &S,
    visited: &Visited,
    state: Fingerprint,
    then: Option<u16>,
) -> Path<S> {
    let mut choices: Vec<u16> = then.into_iter().collect();
    let mut at = state;
    loop {
        let parent = visited[shard(at)][&at];
        if parent.action == ROOT {
            break;
        }
        choices.push(parent.action);
        at = parent.state;
    }
    choices.reverse();
    let mut initial = system.initial_states().into_iter();
    let start = initial
        .find(|start| system.fingerprint(start) == at)
        .expect("a path begins in an initial state: initial_states() must always give the same");
    follow(system, start, choices)
}

fn merge_shard<S: System>(
    visited: &mut HashMap<Fingerprint, Parent, BuildHasherDefault<Identity>>,
    candidates: Vec<Candidate<S>>,
    level: &mut Vec<(Fingerprint, S::State)>,
) {
    for Candidate { fingerprint, parent, state } in candidates {
        match visited.entry(fingerprint) {
            Entry::Vacant(entry) => {
                entry.insert(parent);
                level.push((fingerprint, state));
            }
            Entry::Occupied(mut entry) => {
                // Only this level's candidates meet here: their parents are of one level.
                let known = entry.get_mut();
                if (parent.state, parent.action) < (known.state, known.action) {
                    *known = parent;
                }
            }
        }
    }
}
