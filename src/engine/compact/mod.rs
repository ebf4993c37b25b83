//! Breadth-first search over a star of actors, by table look-up.
//!
//! Handlers are functions of what they read. So the content of each slot gets a number, a state is
//! a row of numbers, and what a handler came to is remembered by the numbers of the slots that it
//! read (`memo`); from then on it is looked up. The rest is flat memory: reached states as
//! fingerprints with a link to the parent (`visited`), waiting ones as what differs from their
//! neighbours (`frontier`).
//!
//! The search goes level by level, each in rounds: workers take chunks of states in turn, look
//! things up in what was known before the round, and keep what they find out to themselves until
//! the round ends. As in [`reference`](crate::engine::reference), the result does not depend on the
//! number of threads, and it is the same result.

mod choose;
mod desk;
mod expand;
mod frontier;
mod intern;
mod memo;
mod persistent;
mod settle;
mod shared;
mod symmetry;
mod trace;
mod visited;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::engine::compact::desk::{Desk, Findings};
use crate::engine::compact::frontier::{Chunk, Sorting};
use crate::engine::compact::shared::{Groups, Shared};
use crate::engine::compact::symmetry::key;
use crate::engine::compact::trace::Trace;
use crate::engine::compact::visited::{Candidate, Place, Visited, shard_of};
use crate::engine::compact::worker::Worker;
use crate::engine::fingerprint::Fingerprint;
use crate::engine::property::Property;
use crate::engine::reach::Slots;
use crate::engine::search::{Hit, ModelError, Options, Outcome, Progress};
use crate::engine::star::{Star, StarSystem, State};
use crate::engine::system::System;
use crate::engine::usage;

/// How finely the work is divided.
#[derive(Clone, Copy)]
struct Grain {
    /// States in a chunk.
    chunk: usize,
    /// Chunks that a worker takes at a time.
    taken: usize,
    /// Chunks in a round, for each worker.
    round: usize,
    /// So many states are found with all renamings before it is seen whether they pay.
    trial: u64,
    /// A mistake that a test makes on purpose.
    #[cfg(test)]
    mistake: persistent::Mistake,
}

/// Slots by whose contents waiting states are put in order.
const ORDER: usize = 4;
/// States in a basket, more or less, and the most baskets there are.
const BASKET: usize = 8192;
const MAX_BASKETS: usize = 128;

impl Default for Grain {
    fn default() -> Self {
        Grain {
            chunk: 256,
            taken: 16,
            round: 64,
            trial: 1_000,
            #[cfg(test)]
            mistake: persistent::Mistake::None,
        }
    }
}

/// Searches all reachable states and judges every property.
pub fn breadth_first<S: Star>(
    system: &StarSystem<S>,
    properties: &[Property<StarSystem<S>>],
    options: &Options<'_, StarSystem<S>>,
) -> Outcome<StarSystem<S>> {
    search(system, properties, options, Grain::default())
}

fn search<S: Star>(
    system: &StarSystem<S>,
    properties: &[Property<StarSystem<S>>],
    options: &Options<'_, StarSystem<S>>,
    grain: Grain,
) -> Outcome<StarSystem<S>> {
    let began = Instant::now();
    let mut outcome = search_once(system, properties, options, grain, options.persistent);
    let rejected = outcome.findings.iter().any(|found| found.rejected > 0 && found.path.is_none());
    if outcome.postponed > 0 && outcome.complete && rejected {
        // A run that fits no timing may be like one that does and was not looked at.
        outcome = search_once(system, properties, options, grain, false);
    }
    outcome.elapsed = began.elapsed();
    outcome
}

fn search_once<S: Star>(
    system: &StarSystem<S>,
    properties: &[Property<StarSystem<S>>],
    options: &Options<'_, StarSystem<S>>,
    grain: Grain,
    persistent: bool,
) -> Outcome<StarSystem<S>> {
    let began = Instant::now();
    let starts = system.initial_states();
    let mut outcome = Outcome::new(properties);
    if let Some(like) = starts.first() {
        let begin = |symmetries| {
            let mut shared = Shared::new(system, properties, like, symmetries);
            if persistent {
                shared.may_wait(like);
            }
            #[cfg(test)]
            (shared.mistake = grain.mistake);
            Search::new(shared, &starts, options, began, grain)
        };
        let symmetries = || system.0.symmetries();
        let mut search = match options.symmetry {
            true => begin(symmetries().sure.into_iter().chain(symmetries().others).collect()),
            false => begin(Vec::new()),
        };
        if options.symmetry && !symmetries().others.is_empty() {
            search.run_until(|so_far| so_far.states >= grain.trial);
            search = without_others(search, || begin(symmetries().sure));
        }
        search.run_until(|_| false);
        outcome = search.finish();
    } else {
        outcome.complete = true;
    }
    outcome.judge(properties);
    outcome
}

/// A search that has come as far as this one with fewer renamings; or this one, if that has found
/// so many more states that all renamings pay. Each step is compared with all of them.
fn without_others<'a, S: Star>(
    search: Search<'a, S>,
    begin: impl FnOnce() -> Search<'a, S>,
) -> Search<'a, S> {
    let Outcome { states, depth, .. } = search.outcome;
    let pays = |plain: u64| plain * 4 > states * 5;
    if search.is_over() {
        return search;
    }
    let mut plain = begin();
    plain.run_until(|so_far| so_far.depth >= depth || pays(so_far.states));
    let pays = pays(plain.outcome.states) || plain.outcome.stopped.is_some();
    if pays { search } else { plain }
}

struct Search<'a, S: Star> {
    shared: Shared<'a, S>,
    starts: &'a [State<S>],
    options: &'a Options<'a, StarSystem<S>>,
    visited: Visited,
    outcome: Outcome<StarSystem<S>>,
    desks: Vec<Desk>,
    began: Instant,
    grain: Grain,
    /// The states of the level that is to be expanded next.
    frontier: Vec<Chunk>,
}

impl<'a, S: Star> Search<'a, S> {
    fn new(
        shared: Shared<'a, S>,
        starts: &'a [State<S>],
        options: &'a Options<'a, StarSystem<S>>,
        began: Instant,
        grain: Grain,
    ) -> Self {
        let threads = options.threads.max(1);
        let desks = (0..threads).map(|_| Desk::new(&shared, grain.chunk)).collect();
        let symmetry = shared.symmetries.len() + 1;
        let outcome = Outcome { symmetry, ..Outcome::new(shared.properties) };
        let visited = Visited::new();
        let frontier = Vec::new();
        let mut search =
            Search { shared, starts, options, visited, outcome, desks, began, grain, frontier };
        search.frontier = search.initial_level();
        search.shared.visible = search.seen();
        search
    }

    /// Whether there is nothing to go on with, or a reason not to.
    fn is_over(&self) -> bool {
        let Outcome { stopped, error, .. } = &self.outcome;
        self.frontier.is_empty() || stopped.is_some() || error.is_some()
    }

    /// Expands level after level, until all is done, or one of them ends so.
    fn run_until(&mut self, pause: impl Fn(&Outcome<StarSystem<S>>) -> bool) {
        while !self.is_over() && !pause(&self.outcome) {
            let max_states = self.options.limits.max_states;
            if max_states.is_some_and(|max| self.outcome.states >= max) {
                self.outcome.stopped = Some("the limit of states was reached");
                break;
            }
            self.outcome.stopped = self.expand_level();
            let next = self.end_level();
            self.outcome.depth += u32::from(!next.is_empty());
            if self.outcome.stopped.is_some() {
                break;
            }
            self.frontier = if self.sees_more() { self.begin_again() } else { next };
        }
    }

    fn finish(mut self) -> Outcome<StarSystem<S>> {
        let finished = self.outcome.stopped.is_none() && self.outcome.error.is_none();
        self.outcome.complete = finished && self.frontier.is_empty();
        self.outcome
    }

    /// Slots that properties were seen to read.
    fn seen(&self) -> Slots {
        self.desks.iter().fold(0, |seen, desk| seen | desk.seen)
    }

    /// Whether a property has read a slot of which it was not known, where that matters.
    fn sees_more(&self) -> bool {
        self.shared.persistent.is_some() && self.seen() & !self.shared.visible != 0
    }

    /// Forgets all states, but not what properties read, and what steps do.
    fn begin_again(&mut self) -> Vec<Chunk> {
        self.shared.visible = self.seen();
        if self.shared.visible == Slots::MAX {
            self.shared.persistent = None;
        }
        self.visited = Visited::new();
        let symmetry = self.outcome.symmetry;
        self.outcome = Outcome { symmetry, ..Outcome::new(self.shared.properties) };
        // Properties that were decided are open again: what was kept of them is not good any more.
        self.desks.iter_mut().for_each(Desk::forget);
        self.shared.memos.forget_verdicts();
        for desk in &mut self.desks {
            desk.memos.forget_verdicts();
        }
        self.initial_level()
    }

    fn initial_level(&mut self) -> Vec<Chunk> {
        let groups = self.open_groups(&self.shared.state_groups);
        let Search { shared, starts, visited, outcome, desks, .. } = self;
        let mut worker = Worker { shared, visited, outcome, desk: &mut desks[0] };
        for state in *starts {
            let fingerprint = key(&shared.symmetries, state);
            let candidate = Candidate { fingerprint, parent: Place::NONE, rank: 0 };
            let entered = visited.lock(shard_of(fingerprint)).enter(&candidate);
            if let Some(place) = entered {
                worker.take_state(place, fingerprint, &shared.contents.numbers(state), &groups);
            }
        }
        self.end_level()
    }

    /// Groups with a property that still waits for a trace.
    fn open_groups(&self, groups: &Groups) -> Vec<usize> {
        let open = |group: &[usize]| group.iter().any(|&property| self.outcome.is_open(property));
        (0..groups.len()).filter(|&group| open(&groups[group])).collect()
    }

    /// Expands a level, or a part of it if there is a reason to stop.
    fn expand_level(&mut self) -> Option<&'static str> {
        while !self.frontier.is_empty() {
            if let Some(reason) = self.options.must_stop(self.began) {
                return Some(reason);
            }
            let rest = self.frontier.len().saturating_sub(self.grain.round * self.desks.len());
            let chunks = self.frontier.split_off(rest);
            self.round(chunks);
            self.report_progress();
        }
        None
    }

    /// Expands some chunks on all threads.
    fn round(&mut self, chunks: Vec<Chunk>) {
        let step_groups = self.open_groups(&self.shared.step_groups);
        let state_groups = self.open_groups(&self.shared.state_groups);
        let threads = self.desks.len().min(chunks.len());
        let Search { shared, visited, outcome, desks, grain, .. } = self;
        let (shared_by_all, visited, outcome) = (&*shared, &*visited, &*outcome);
        let chunks = Mutex::new(chunks);
        let work = |desk: &mut Desk| {
            let mut worker = Worker { shared: shared_by_all, visited, outcome, desk };
            loop {
                let mut rest = chunks.lock().unwrap_or_else(PoisonError::into_inner);
                let taken = take(&mut rest, threads, *grain);
                drop(rest);
                if taken.is_empty() {
                    break;
                }
                worker.expand(&taken, &step_groups, &state_groups);
            }
        };
        let (first, others) = desks.split_at_mut(1);
        thread::scope(|scope| {
            let work = &work;
            let others = others.iter_mut().take(threads - 1);
            let handles: Vec<_> = others.map(|desk| scope.spawn(|| work(desk))).collect();
            work(&mut first[0]);
            for handle in handles {
                if let Err(panic) = handle.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        });
        if desks.len() > 1 {
            for desk in desks {
                shared.memos.absorb(&mut desk.memos);
                desk.forget();
            }
        }
    }

    fn report_progress(&self) {
        if let Some(progress) = self.options.progress {
            let new: u64 = self.desks.iter().map(|desk| desk.findings.states).sum();
            progress(Progress {
                states: self.outcome.states + new,
                frontier: new,
                depth: self.outcome.depth,
                memory: usage::memory(),
            });
        }
    }

    /// Gathers what was found on a level; gives the states of the next.
    fn end_level(&mut self) -> Vec<Chunk> {
        let new: u64 = self.desks.iter().map(|desk| desk.findings.states).sum();
        let order = self.shared.contents.largest(ORDER);
        let baskets = (new as usize / BASKET).clamp(1, MAX_BASKETS);
        let sorting = Sorting { slot: order[0], baskets };
        self.shared.order = order;
        let mut next = Vec::new();
        let mut hits: Vec<Hit> = Vec::new();
        let mut deadlock: Option<Fingerprint> = None;
        let mut unhandled: Option<Fingerprint> = None;
        for desk in &mut self.desks {
            let findings: Findings = desk.take_findings(sorting);
            self.outcome.transitions += findings.transitions;
            self.outcome.states += findings.states;
            self.outcome.postponed += findings.postponed;
            for (total, count) in self.outcome.rule_counts.iter_mut().zip(findings.rule_counts) {
                *total += count;
            }
            hits.extend(findings.hits);
            deadlock = deadlock.into_iter().chain(findings.deadlock).min();
            unhandled = unhandled.into_iter().chain(findings.unhandled).min();
            next.extend(findings.next.take());
        }
        self.visited.end_level();
        let Search { shared, visited, outcome, options, .. } = self;
        let trace = Trace { shared, visited };
        outcome.take_hits(hits, options, |property, state, action| match action {
            None => trace.path_to(state),
            Some(which) => trace.path_to_step(property, state, which),
        });
        if let Some(state) = unhandled {
            let (what, path) = trace.path_to_error(state);
            outcome.error = Some(ModelError::Unhandled(what, path));
        } else if let Some(state) = deadlock {
            outcome.error = Some(ModelError::Deadlock(trace.path_to(state)));
        }
        next.sort_by_key(|(basket, _)| *basket);
        next.into_iter().map(|(_, chunk)| chunk).collect()
    }
}

/// Takes several chunks, as long as there are enough for everybody.
fn take(rest: &mut Vec<Chunk>, threads: usize, grain: Grain) -> Vec<Chunk> {
    let most = rest.len().div_ceil(2 * threads);
    let mut states = 0;
    let full = rest.iter().rev().take(most).take_while(|chunk| {
        states += chunk.len();
        states <= grain.chunk * grain.taken
    });
    let taken = full.count().max(1).min(rest.len());
    rest.split_off(rest.len() - taken)
}
