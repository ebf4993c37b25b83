//! What a search is asked for, and what comes out of it: the same for every engine.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::engine::fingerprint::Fingerprint;
use crate::engine::property::{Kind, Property, Verdict};
use crate::engine::system::{MAX_RULES, System};
use crate::engine::usage;

/// When to stop early.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Stop when this many states have been found.
    pub max_states: Option<u64>,
    /// Stop after this time.
    pub timeout: Option<Duration>,
    /// Stop when the process uses this much memory, in bytes.
    pub max_memory: Option<u64>,
}

/// What a search reports while it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Unique states so far.
    pub states: u64,
    /// States of the next level.
    pub frontier: u64,
    /// Depth reached.
    pub depth: u32,
    /// Memory that the process uses, in bytes, where the system tells.
    pub memory: Option<u64>,
}

/// Judges a trace: the same, or another one of the same actions that ends in the same step, or none
/// if it does not count.
pub type Judge<'a, S> = dyn Fn(Path<S>) -> Option<Path<S>> + Sync + 'a;

/// Where the search goes on while it runs.
pub struct Options<'a, S: System> {
    /// Worker threads; at least one is used.
    pub threads: usize,
    /// When to stop early.
    pub limits: Limits,
    /// Set by somebody else to stop the search (Ctrl-C).
    pub stop: Option<&'a AtomicBool>,
    /// Called now and then.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    /// Judges a trace: one that no timing satisfies does not count, and the search goes on.
    pub accept: Option<&'a Judge<'a, S>>,
    /// States that differ in names only are taken for one, by engines that can.
    pub symmetry: bool,
    /// Of actions that do not disturb each other some wait, in engines that can: what the others
    /// lead to is the same.
    pub persistent: bool,
}

impl<S: System> Default for Options<'_, S> {
    fn default() -> Self {
        Options {
            threads: 1,
            limits: Limits::default(),
            stop: None,
            progress: None,
            accept: None,
            symmetry: false,
            persistent: false,
        }
    }
}

/// A run of the system: an initial state, then actions and the states that they lead to.
pub struct Path<S: System> {
    /// Where it begins.
    pub start: S::State,
    /// What happens.
    pub steps: Vec<(S::Action, S::State)>,
}

impl<S: System> Clone for Path<S> {
    fn clone(&self) -> Self {
        Path { start: self.start.clone(), steps: self.steps.clone() }
    }
}

impl<S: System> Path<S> {
    /// The state at the end.
    pub fn end(&self) -> &S::State {
        self.steps.last().map_or(&self.start, |(_, state)| state)
    }
}

/// The verdict on one property.
pub struct Finding<S: System> {
    /// The verdict.
    pub verdict: Verdict,
    /// A shortest counterexample or witness.
    pub path: Option<Path<S>>,
    /// Decisive runs that no timing satisfies, and that were not counted.
    pub rejected: u32,
}

/// What went wrong with the model itself.
pub enum ModelError<S: System> {
    /// An actor got a message that it cannot handle.
    Unhandled(&'static str, Path<S>),
    /// Nothing but faults can happen, and somebody still has something to do.
    Deadlock(Path<S>),
}

/// The result of a search.
pub struct Outcome<S: System> {
    /// One finding per property, in order.
    pub findings: Vec<Finding<S>>,
    /// Unique states.
    pub states: u64,
    /// Transitions generated.
    pub transitions: u64,
    /// Length of the longest shortest path.
    pub depth: u32,
    /// All reachable states were seen.
    pub complete: bool,
    /// Why it is not complete.
    pub stopped: Option<&'static str>,
    /// Time used.
    pub elapsed: Duration,
    /// How often each rule was implemented by a transition.
    pub rule_counts: Vec<u64>,
    /// An error of the model.
    pub error: Option<ModelError<S>>,
    /// For how many states each one that was found stands at most: 1 if each was looked at.
    pub symmetry: usize,
    /// In how many states some actions waited for others, and were not looked at there. If in any,
    /// traces are not proved to be shortest.
    pub postponed: u64,
}

/// Runs tried per property before the search gives up on finding one that some timing satisfies.
pub(super) const MAX_REJECTED: u32 = 2000;

/// What decides a property: the run to a state, and for a step one more action.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    pub property: usize,
    pub state: Fingerprint,
    pub action: Option<u16>,
}

impl<S: System> Finding<S> {
    /// Keeps a trace that was judged, or counts that it does not count.
    pub(super) fn take(&mut self, judged: Option<Path<S>>) {
        self.rejected += u32::from(judged.is_none());
        self.path = judged.or(self.path.take());
    }
}

impl<S: System> Options<'_, S> {
    /// What is shown for a trace, if it counts.
    pub(super) fn judged(&self, path: Path<S>) -> Option<Path<S>> {
        match self.accept {
            Some(accept) => accept(path),
            None => Some(path),
        }
    }

    /// Why to stop, if a search that began then should.
    pub(super) fn must_stop(&self, began: Instant) -> Option<&'static str> {
        let limits = &self.limits;
        if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            Some("interrupted")
        } else if limits.timeout.is_some_and(|max| began.elapsed() >= max) {
            Some("the time limit was reached")
        } else if limits.max_memory.is_some_and(|max| usage::memory().is_some_and(|m| m >= max)) {
            Some("the limit of memory was reached")
        } else {
            None
        }
    }
}

impl<S: System> Outcome<S> {
    /// Nothing is found yet.
    pub(super) fn new(properties: &[Property<S>]) -> Self {
        let unknown = |_: &_| Finding { verdict: Verdict::Unknown, path: None, rejected: 0 };
        Outcome {
            findings: properties.iter().map(unknown).collect(),
            states: 0,
            transitions: 0,
            depth: 0,
            complete: false,
            stopped: None,
            elapsed: Duration::ZERO,
            rule_counts: vec![0; MAX_RULES],
            error: None,
            symmetry: 1,
            postponed: 0,
        }
    }

    /// Whether a property still waits for a trace.
    pub(super) fn is_open(&self, property: usize) -> bool {
        let finding = &self.findings[property];
        finding.path.is_none() && finding.rejected < MAX_REJECTED
    }

    /// Takes in what decides properties on one level: of several for one property the smallest
    /// that is accepted.
    pub(super) fn take_hits(
        &mut self,
        mut hits: Vec<Hit>,
        options: &Options<'_, S>,
        path_to: impl Fn(usize, Fingerprint, Option<u16>) -> Path<S>,
    ) {
        hits.sort_unstable();
        for hit in hits {
            if !self.is_open(hit.property) {
                continue;
            }
            let path = path_to(hit.property, hit.state, hit.action);
            self.findings[hit.property].take(options.judged(path));
        }
    }

    /// Verdicts, from what was found and how much was searched.
    pub(super) fn judge(&mut self, properties: &[Property<S>]) {
        for (finding, property) in self.findings.iter_mut().zip(properties) {
            finding.verdict = match (property.kind, &finding.path) {
                (Kind::Sometimes, Some(_)) => Verdict::Reachable,
                (_, Some(_)) => Verdict::Violated,
                _ if !self.complete || finding.rejected > 0 => Verdict::Unknown,
                (Kind::Sometimes, None) => Verdict::Unreachable,
                (_, None) => Verdict::Holds,
            };
        }
    }
}

/// The run that takes the given choice among the actions of each state.
pub fn follow<S: System>(
    system: &S,
    start: S::State,
    choices: impl IntoIterator<Item = u16>,
) -> Path<S> {
    let mut path = Path { start, steps: Vec::new() };
    for choice in choices {
        let mut actions = Vec::new();
        system.actions(path.end(), &mut actions);
        let action = actions.swap_remove(choice as usize);
        let state = system.step(path.end(), &action).state;
        path.steps.push((action, state));
    }
    path
}
