//! What is checked.

use std::cell::Cell;
use std::sync::Arc;

use crate::engine::system::System;

/// What kind of statement a property makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every reachable state satisfies it.
    State,
    /// Every reachable step satisfies it.
    Step,
    /// Some reachable state satisfies it.
    Sometimes,
}

impl Kind {
    /// Its name in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Kind::State => "state",
            Kind::Step => "step",
            Kind::Sometimes => "sometimes",
        }
    }
}

/// Judges a state.
pub type StateTest<S> = dyn Fn(&S, &<S as System>::State) -> bool + Send + Sync;

/// Judges a step: the state before, the action, the state after.
pub type StepTest<S> = dyn Fn(&S, &<S as System>::State, &Taken<'_, <S as System>::Action>, &<S as System>::State) -> bool
    + Send
    + Sync;

/// The action of a step. Whether a property looks at it is noticed: what does not depend on the
/// action is evaluated once for all actions.
pub struct Taken<'a, A> {
    action: &'a A,
    read: Cell<bool>,
}

impl<'a, A> Taken<'a, A> {
    /// This action.
    pub fn new(action: &'a A) -> Self {
        Taken { action, read: Cell::new(false) }
    }

    /// The action.
    pub fn get(&self) -> &'a A {
        self.read.set(true);
        self.action
    }

    /// Whether anybody has looked at it.
    pub fn is_read(&self) -> bool {
        self.read.get()
    }
}

/// How a property is evaluated: true means satisfied.
pub enum Test<S: System> {
    /// Over states.
    State(Arc<StateTest<S>>),
    /// Over steps.
    Step(Arc<StepTest<S>>),
}

impl<S: System> Clone for Test<S> {
    fn clone(&self) -> Self {
        match self {
            Test::State(test) => Test::State(Arc::clone(test)),
            Test::Step(test) => Test::Step(Arc::clone(test)),
        }
    }
}

/// A property to check.
pub struct Property<S: System> {
    /// Its name.
    pub name: String,
    /// What it says about what is reachable.
    pub kind: Kind,
    /// How it is evaluated.
    pub test: Test<S>,
}

impl<S: System> Clone for Property<S> {
    fn clone(&self) -> Self {
        Property { name: self.name.clone(), kind: self.kind, test: self.test.clone() }
    }
}

impl<S: System> Property<S> {
    /// Whether a state decides the property: violates it, or is the witness looked for.
    pub fn decided_by_state(&self, system: &S, state: &S::State) -> bool {
        match (&self.test, self.kind) {
            (Test::State(test), Kind::Sometimes) => test(system, state),
            (Test::State(test), _) => !test(system, state),
            (Test::Step(_), _) => false,
        }
    }

    /// Whether a step decides the property.
    pub fn decided_by_step(
        &self,
        system: &S,
        before: &S::State,
        action: &Taken<'_, S::Action>,
        after: &S::State,
    ) -> bool {
        match (&self.test, self.kind) {
            (Test::Step(test), Kind::Sometimes) => test(system, before, action, after),
            (Test::Step(test), _) => !test(system, before, action, after),
            (Test::State(_), _) => false,
        }
    }
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All reachable states or steps satisfy it.
    Holds,
    /// Some do not; there is a trace.
    Violated,
    /// The witness exists; there is a trace.
    Reachable,
    /// All was searched, no witness exists.
    Unreachable,
    /// The search ended early, or what was found fits no timing.
    Unknown,
    /// This engine cannot check it.
    NotChecked,
}

impl Verdict {
    /// Its name in files and reports.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Violated => "violated",
            Verdict::Reachable => "reachable",
            Verdict::Unreachable => "unreachable",
            Verdict::Unknown => "unknown",
            Verdict::NotChecked => "not-checked",
        }
    }
}
