//! The product of the star and a history: a run whose published events are those of the history.
//!
//! Best first: what has matched more, with fewer and likelier faults, is looked at first; states
//! are told apart by their fingerprint, the position in the history and what is bound. A place in
//! which much was tried in vain loses its rank, so that a wrong turn taken early does not hold the
//! search for ever. What is on its way in a state is held against what the log shows before time
//! passes next: what never shows has led astray. None of this decides anything: a run that is found is a run of the model, and
//! "no" is said only if all runs were looked at in which each fault is one that the rest of the
//! history suggests, however late.

use crate::conform::facts::Bindings;
use crate::conform::history::{History, Position};
use crate::conform::middle::Beginning;
use crate::conform::open::{Patience, UNSUGGESTED};
use crate::engine::search::Path;
use crate::engine::star::StarSystem;
use crate::scenario::cluster::Cluster;

mod ahead;
mod node;
mod product;
mod steps;

use product::Search;

/// What is tried, in this order.
const PATIENCE: [Patience; 2] = [
    Patience { here: 1000, alike: 16, in_turn: false },
    Patience { here: 16, alike: 100_000, in_turn: false },
];

/// Limits of a search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// States to look at after the last one that explains more than all before it.
    pub states: usize,
}

/// A run of the model.
pub type Run = Path<StarSystem<Cluster>>;

/// What came of a search.
pub struct Answer {
    /// What is assumed of the time before the history begins.
    pub beginning: Beginning,
    /// A run that explains everything, or the one that explains most.
    pub path: Run,
    /// The position after each of its steps.
    pub positions: Vec<Position>,
    /// Whether it explains everything.
    pub conforms: bool,
    /// Whether every run was looked at in which no fault comes that the history does not suggest.
    pub exhausted: bool,
    /// What is bound at the end of the run.
    pub bound: Bindings,
    /// What the faults of the run cost.
    cost: i64,
    /// How many faults the run has.
    pub faults: u32,
    /// Whether every run with fewer faults was looked at, each of them one that the history suggests.
    pub fewest: bool,
    /// States that were looked at.
    pub states: usize,
    /// Runs that publish something else where the longest one ended; the last step is the one that
    /// does not match.
    pub alternatives: Vec<Run>,
}

impl Answer {
    /// How far the run gets in the history.
    pub fn reached(&self, history: &History) -> Position {
        self.positions.last().copied().unwrap_or_else(|| history.start())
    }
}

/// States to look at for a run with fewer faults, once one has been found.
const FOR_FEWER: usize = 6_000;

/// Longer histories are explained by the first run that is found.
const SHORT: u32 = 256;

/// Searches for a run that explains a history, with as few faults as can be.
pub fn explain(history: &History, limits: Limits) -> Answer {
    let mut answer = explain_somehow(history, limits);
    let system = StarSystem(Cluster { config: history.config.clone() });
    let limits = Limits { states: FOR_FEWER.min(limits.states) };
    while answer.conforms && !answer.fewest && history.length() <= SHORT {
        if answer.faults == 0 || history.tells_faults() {
            answer.fewest = true;
            break;
        }
        let mut search = Search::new(&system, history, PATIENCE[0]);
        search.max_faults = Some(answer.faults - 1);
        let fewer = search.run(limits);
        let looked_at = answer.states + fewer.states;
        if fewer.conforms {
            answer = fewer;
        } else if fewer.exhausted {
            answer.fewest = true;
        } else {
            break;
        }
        answer.states = looked_at;
    }
    answer
}

/// Searches for a run that explains a history, with as many faults as the first one has.
pub fn explain_somehow(history: &History, limits: Limits) -> Answer {
    let system = StarSystem(Cluster { config: history.config.clone() });
    let mut best: Option<Answer> = None;
    for patience in PATIENCE {
        let share = Limits { states: limits.states / PATIENCE.len() };
        let answer = Search::new(&system, history, patience).run(share);
        let progress = |answer: &Answer| answer.reached(history).progress();
        let decided = answer.conforms || answer.exhausted;
        if decided || best.as_ref().is_none_or(|best| progress(best) < progress(&answer)) {
            best = Some(answer);
        }
        if decided {
            break;
        }
    }
    let mut best = best.expect("something is tried");
    if !best.conforms && !best.exhausted {
        // Whether the faults that the history itself suggests are too few can often be told.
        let mut search = Search::new(&system, history, PATIENCE[0]);
        search.max_cost = Some(best.cost + UNSUGGESTED - 1);
        let bounded = search.run(limits);
        if bounded.conforms {
            return bounded;
        }
        best.exhausted = bounded.exhausted;
        best.states += bounded.states;
    }
    best
}

/// Searches for another run than `known`, with faults that the history suggests and that cost not
/// much more. Its fault budgets must differ from those that `known` was found with.
pub fn explain_likely(history: &History, limits: Limits, known: &Answer) -> Answer {
    let system = StarSystem(Cluster { config: history.config.clone() });
    let mut search = Search::new(&system, history, PATIENCE[0]);
    search.max_cost = Some(known.cost + UNSUGGESTED / 2);
    search.run(limits)
}
