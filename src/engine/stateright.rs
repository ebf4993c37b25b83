//! Stateright's checkers over any system: a second opinion on our own search.
//!
//! Stateright explores: it generates, hashes and remembers the states, and hands out the work. It
//! is built around in four places:
//!
//! - Its checkers stop once all properties are discovered, and a later discovery overwrites the
//!   first one. Only one property is therefore registered, which is always true; it judges ours on
//!   every state that stateright visits, and reports what it finds.
//! - Its paths are not shortest, and its properties do not see them. A state here carries the
//!   actions that led to it, outside of what is compared and hashed.
//! - Its time limit is ignored with one thread. Here a flag makes all states ends.
//! - `eventually`, symmetry and simulation are not used at all.

use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ::stateright::{Checker, Model};

use crate::engine::property::{Property, Test, Verdict};
use crate::engine::search::{MAX_REJECTED, ModelError, Options, Outcome, Path, Progress};
use crate::engine::system::{MAX_RULES, System};
use crate::engine::trail::Trail;
use crate::engine::usage;

/// Which of stateright's checkers explores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// `spawn_bfs`. With one thread its traces are shortest.
    BreadthFirst,
    /// `spawn_dfs`.
    DepthFirst,
}

/// How long the searching threads may be left alone.
const POLL: Duration = Duration::from_millis(5);
/// Findings that may wait for being judged before those who find more wait too.
const WAITING_FINDINGS: usize = 64;

/// Bits of the hash by which stateright knows a state again.
pub const HASH_BITS: u32 = 64;

/// Searches all reachable states with one of stateright's checkers. Properties of steps are not
/// checked: stateright's see states only.
pub fn check<S: System>(
    system: &Arc<S>,
    properties: &[Property<S>],
    strategy: Strategy,
    options: &Options<'_, S>,
) -> Outcome<S> {
    let (sender, found) = sync_channel(WAITING_FINDINGS);
    let shared = Arc::new(Shared::new(properties.len(), options.limits.max_states));
    let subject = Subject {
        system: Arc::clone(system),
        properties: properties.to_vec(),
        shared: Arc::clone(&shared),
        found: sender,
    };
    let builder = subject.checker().threads(options.threads.max(1));
    let overseer = Overseer::new(system.as_ref(), properties, options, shared, found);
    match strategy {
        Strategy::BreadthFirst => overseer.watch(builder.spawn_bfs()),
        Strategy::DepthFirst => overseer.watch(builder.spawn_dfs()),
    }
}

/// A system as a model of stateright.
struct Subject<S: System> {
    system: Arc<S>,
    properties: Vec<Property<S>>,
    shared: Arc<Shared>,
    found: SyncSender<Found<S>>,
}

/// What the searching threads and the one that watches them have in common.
struct Shared {
    /// Nothing is to be expanded any more.
    stop: AtomicBool,
    /// Some state was not expanded because of that.
    skipped: AtomicBool,
    /// States that were expanded.
    expanded: AtomicU64,
    /// Stop when so many were.
    max_states: u64,
    /// By property: runs of this length or longer are of no interest.
    bounds: Vec<AtomicU32>,
    rule_counts: Vec<AtomicU64>,
}

impl Shared {
    fn new(properties: usize, max_states: Option<u64>) -> Self {
        Shared {
            stop: AtomicBool::new(false),
            skipped: AtomicBool::new(false),
            expanded: AtomicU64::new(0),
            max_states: max_states.unwrap_or(u64::MAX),
            bounds: (0..properties).map(|_| AtomicU32::new(u32::MAX)).collect(),
            rule_counts: (0..MAX_RULES).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

/// Something that a searching thread came across.
enum Found<S: System> {
    /// A state that decides a property.
    Decides(usize, Reached<S>),
    /// A state in which nothing but faults can happen, though somebody has something to do.
    Deadlock(Reached<S>),
    /// An actor got a message that it cannot handle.
    Unhandled(&'static str, Reached<S>),
}

/// A state and how it was reached. Only the state is compared and hashed.
struct Reached<S: System> {
    content: S::State,
    /// The initial state that its run begins with, by position.
    start: usize,
    /// What happened since.
    trail: Trail<S::Action>,
}

impl<S: System> Clone for Reached<S> {
    fn clone(&self) -> Self {
        let Reached { content, start, trail } = self;
        Reached { content: content.clone(), start: *start, trail: trail.clone() }
    }
}

impl<S: System> PartialEq for Reached<S> {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

impl<S: System> Hash for Reached<S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.content.hash(hasher);
    }
}

impl<S: System> Debug for Reached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.fmt(f)
    }
}

impl<S: System> Reached<S> {
    /// The run that led here.
    fn path(&self, system: &S) -> Path<S> {
        let start = system.initial_states().swap_remove(self.start);
        let mut path = Path { start, steps: Vec::new() };
        for action in self.trail.items() {
            let state = system.step(path.end(), action).state;
            path.steps.push((action.clone(), state));
        }
        path
    }
}

impl<S: System> Subject<S> {
    fn stops(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
            || self.shared.expanded.load(Ordering::Relaxed) >= self.shared.max_states
    }

    fn report(&self, found: Found<S>) {
        // If nobody listens any more, the search is over.
        if self.found.send(found).is_err() {
            self.shared.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Judges every property that a shorter run would still help.
    fn judge(&self, state: &Reached<S>) {
        let length = state.trail.length();
        for (at, property) in self.properties.iter().enumerate() {
            if length < self.shared.bounds[at].load(Ordering::Relaxed)
                && property.decided_by_state(&self.system, &state.content)
            {
                self.report(Found::Decides(at, state.clone()));
            }
        }
    }
}

impl<S: System> Model for Subject<S> {
    type State = Reached<S>;
    type Action = S::Action;

    fn init_states(&self) -> Vec<Reached<S>> {
        let starts = self.system.initial_states().into_iter().enumerate();
        starts.map(|(start, content)| Reached { content, start, trail: Trail::default() }).collect()
    }

    fn actions(&self, state: &Reached<S>, out: &mut Vec<S::Action>) {
        if self.stops() {
            self.shared.skipped.store(true, Ordering::Relaxed);
            return;
        }
        self.shared.expanded.fetch_add(1, Ordering::Relaxed);
        self.system.actions(&state.content, out);
        let only_faults = out.iter().all(|action| self.system.is_fault(action));
        if only_faults && !self.system.is_quiet(&state.content) {
            self.report(Found::Deadlock(state.clone()));
        }
    }

    fn next_state(&self, before: &Reached<S>, action: S::Action) -> Option<Reached<S>> {
        let step = self.system.step(&before.content, &action);
        for &rule in &step.rules {
            self.shared.rule_counts[rule as usize].fetch_add(1, Ordering::Relaxed);
        }
        let trail = before.trail.then(action);
        let after = Reached { content: step.state, start: before.start, trail };
        if let Some(error) = step.error {
            self.report(Found::Unhandled(error, after.clone()));
        }
        Some(after)
    }

    fn properties(&self) -> Vec<::stateright::Property<Self>> {
        vec![::stateright::Property::always("judged", |subject: &Self, state| {
            subject.judge(state);
            true
        })]
    }
}

/// Watches a checker: takes in what it finds, and stops it when it must stop.
struct Overseer<'a, S: System> {
    system: &'a S,
    properties: &'a [Property<S>],
    options: &'a Options<'a, S>,
    shared: Arc<Shared>,
    found: Receiver<Found<S>>,
    outcome: Outcome<S>,
    began: Instant,
}

impl<'a, S: System> Overseer<'a, S> {
    fn new(
        system: &'a S,
        properties: &'a [Property<S>],
        options: &'a Options<'a, S>,
        shared: Arc<Shared>,
        found: Receiver<Found<S>>,
    ) -> Self {
        let outcome = Outcome::new(properties);
        Overseer { system, properties, options, shared, found, outcome, began: Instant::now() }
    }

    fn watch<C: Checker<Subject<S>>>(mut self, mut checker: C) -> Outcome<S> {
        let workers = checker.handles();
        loop {
            match self.found.recv_timeout(POLL) {
                Ok(found) => self.take(found),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if workers.iter().all(|w| w.is_finished()) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.limit(checker.unique_state_count() as u64, checker.max_depth());
        }
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
        while let Ok(found) = self.found.try_recv() {
            self.take(found);
        }
        self.conclude(&checker)
    }

    /// Stops the search if it has to be stopped, and tells how far it is.
    fn limit(&mut self, states: u64, depth: usize) {
        let limits = &self.options.limits;
        let expanded = self.shared.expanded.load(Ordering::Relaxed);
        let many = limits.max_states.is_some_and(|max| states >= max || expanded >= max);
        let reason = self
            .options
            .must_stop(self.began)
            .or_else(|| many.then_some("the limit of states was reached"));
        if reason.is_some() && self.outcome.stopped.is_none() {
            self.outcome.stopped = reason;
            self.shared.stop.store(true, Ordering::Relaxed);
        }
        if let Some(progress) = self.options.progress {
            let depth = depth.saturating_sub(1) as u32;
            let frontier = states.saturating_sub(expanded);
            progress(Progress { states, frontier, depth, memory: usage::memory() });
        }
    }

    fn take(&mut self, found: Found<S>) {
        match found {
            Found::Decides(property, state) => self.decide(property, &state),
            Found::Deadlock(state) => {
                self.fail(state.trail.length(), || ModelError::Deadlock(state.path(self.system)));
            }
            Found::Unhandled(what, state) => self.fail(state.trail.length(), || {
                ModelError::Unhandled(what, state.path(self.system))
            }),
        }
    }

    /// Keeps the shortest run that some timing satisfies.
    fn decide(&mut self, property: usize, state: &Reached<S>) {
        let bound = &self.shared.bounds[property];
        let length = state.trail.length();
        if length >= bound.load(Ordering::Relaxed) {
            return;
        }
        let path = state.path(self.system);
        let finding = &mut self.outcome.findings[property];
        let judged = self.options.judged(path);
        let accepted = judged.is_some();
        finding.take(judged);
        if accepted {
            bound.store(length, Ordering::Relaxed);
        } else if finding.path.is_none() && finding.rejected >= MAX_REJECTED {
            bound.store(0, Ordering::Relaxed);
        }
    }

    fn fail(&mut self, length: u32, error: impl FnOnce() -> ModelError<S>) {
        let known = match &self.outcome.error {
            Some(ModelError::Unhandled(_, path) | ModelError::Deadlock(path)) => path.steps.len(),
            None => usize::MAX,
        };
        if (length as usize) < known {
            self.outcome.error = Some(error());
        }
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    fn conclude<C: Checker<Subject<S>>>(mut self, checker: &C) -> Outcome<S> {
        let outcome = &mut self.outcome;
        let starts = self.system.initial_states().len();
        outcome.states = checker.unique_state_count() as u64;
        outcome.transitions = checker.state_count().saturating_sub(starts) as u64;
        outcome.depth = checker.max_depth().saturating_sub(1) as u32;
        let skipped = self.shared.skipped.load(Ordering::Relaxed);
        outcome.complete = !skipped && outcome.error.is_none();
        if outcome.complete || outcome.error.is_some() {
            outcome.stopped = None;
        } else if outcome.stopped.is_none() {
            // Those who search have noticed it first.
            outcome.stopped = Some("the limit of states was reached");
        }
        let counts = self.shared.rule_counts.iter();
        outcome.rule_counts = counts.map(|count| count.load(Ordering::Relaxed)).collect();
        outcome.judge(self.properties);
        for (finding, property) in outcome.findings.iter_mut().zip(self.properties) {
            if matches!(property.test, Test::Step(_)) {
                finding.verdict = Verdict::NotChecked;
            }
        }
        outcome.elapsed = self.began.elapsed();
        self.outcome
    }
}
