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
    /// The rules that it implements, as numbers below [`MAX_RULES`]; the first is the primary one.
    pub rules: Vec<u8>,
    /// Set when an actor got a message that it cannot handle.
    pub error: Option<&'static str>,
}

/// How many rules can be told apart.
pub const MAX_RULES: usize = 256;

/// A set of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RuleSet([u128; MAX_RULES / 128]);

impl RuleSet {
    /// Adds what another set has.
    pub fn join(&mut self, other: &RuleSet) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own |= more;
        }
    }

    /// The rules, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.0.into_iter().enumerate();
        words.flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let lowest = word.trailing_zeros() as usize;
                (word != 0).then(|| {
                    word &= word - 1;
                    at * 128 + lowest
                })
            })
        })
    }
}

impl FromIterator<u8> for RuleSet {
    fn from_iter<I: IntoIterator<Item = u8>>(rules: I) -> Self {
        let mut set = RuleSet::default();
        for rule in rules {
            set.0[usize::from(rule) / 128] |= 1 << (rule % 128);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_rules_holds_every_number() {
        let all: RuleSet = (0..=u8::MAX).rev().collect();
        assert!(all.iter().eq(0..MAX_RULES));
        let mut some: RuleSet = [3, 127, 128, 200].into_iter().collect();
        some.join(&[200, 255].into_iter().collect());
        assert_eq!(some.iter().collect::<Vec<_>>(), [3, 127, 128, 200, 255]);
    }
}
