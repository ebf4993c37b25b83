//! What can be searched: a system with states and actions.

use std::fmt::Debug;
use std::hash::Hash;

use crate::engine::fingerprint::Fingerprint;

/// A transition system. All methods are functions of their arguments: the same call gives the
/// same answer, in the same order, on every run.
pub trait System: Send + Sync + 'static {
    /// A global state.
    type State: Clone + Eq + Hash + Debug + Send + Sync + 'static;
    /// What can happen in a state.
    type Action: Clone + Eq + Debug + Send + Sync + 'static;

    /// Where runs begin.
    fn initial_states(&self) -> Vec<Self::State>;

    /// What can happen in `state`, in a fixed order.
    fn actions(&self, state: &Self::State, out: &mut Vec<Self::Action>);

    /// What `action` does.
    fn step(&self, state: &Self::State, action: &Self::Action) -> Step<Self::State>;

    /// The state's content hash.
    fn fingerprint(&self, state: &Self::State) -> Fingerprint;

    /// Whether nobody owes this action: a fault, which may never happen.
    fn is_fault(&self, action: &Self::Action) -> bool;

    /// Whether a state in which nothing but faults can happen is a proper end.
    fn is_quiet(&self, state: &Self::State) -> bool;
}

/// The result of an action.
#[derive(Clone, Debug)]
pub struct Step<S> {
    /// The state after it.
    pub state: S,
    /// The rules that it implements, as numbers below 128; the first is the primary one.
    pub rules: Vec<u8>,
    /// Set when an actor got a message that it cannot handle.
    pub error: Option<&'static str>,
}
