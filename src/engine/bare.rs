//! A system as stateright's model and nothing else: what our own search is measured against.

use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::stateright::{Checker, Model, Property};

use crate::engine::stateright::Strategy;
use crate::engine::system::System;

/// A system, with one property that is always true: stateright stops when all are decided.
pub(super) struct Bare<S>(pub(super) Arc<S>);

impl<S: System> Model for Bare<S> {
    type State = S::State;
    type Action = S::Action;

    fn init_states(&self) -> Vec<S::State> {
        self.0.initial_states()
    }

    fn actions(&self, state: &S::State, actions: &mut Vec<S::Action>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &S::State, action: S::Action) -> Option<S::State> {
        Some(self.0.step(state, &action).state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("true", |_, _| true)]
    }
}

/// What stateright counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Unique states.
    pub states: u64,
    /// Transitions.
    pub transitions: u64,
    /// Time used.
    pub elapsed: Duration,
}

/// Lets stateright explore everything.
pub fn count<S: System>(system: &Arc<S>, strategy: Strategy, threads: usize) -> Counted {
    let began = Instant::now();
    let initial = system.initial_states().len() as u64;
    let builder = Bare(Arc::clone(system)).checker().threads(threads.max(1));
    let (states, generated) = match strategy {
        Strategy::BreadthFirst => counts(builder.spawn_bfs().join()),
        Strategy::DepthFirst => counts(builder.spawn_dfs().join()),
    };
    Counted { states, transitions: generated - initial, elapsed: began.elapsed() }
}

fn counts<M: Model>(done: impl Checker<M>) -> (u64, u64)
where
    M::State: Hash,
{
    (done.unique_state_count() as u64, done.state_count() as u64)
}
