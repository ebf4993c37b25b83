//! Runs that no timing satisfies, taken in another order.
//!
//! A search keeps one run for each state, and which one has nothing to do with time: a fault may
//! stand long before it has any effect, so that what follows from it would be late. The same
//! actions in another order often lead to the same state in time. Where two moments of a run are
//! too far apart, the first is moved towards the second, with what follows from it; or else what
//! stands between them is moved behind the second.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::engine::search::Path;
use crate::engine::star::StarSystem;
use crate::engine::system::System;
use crate::scenario::cluster::{Cluster, ClusterAction, ClusterState};
use crate::story::timing::{Bound, bounds, earliest};

/// Most moves that are tried for one run.
const MAX_MOVES: usize = 200;

/// For how many runs of one search more is tried than to move single steps: where hundreds in a row
/// fit no timing, the next hardly ever does, and to find that out takes its time.
const PATIENCE: u32 = 60;

/// What is left of the patience of one search.
pub struct Patience(AtomicU32);

impl Default for Patience {
    fn default() -> Self {
        Patience(AtomicU32::new(PATIENCE))
    }
}

impl Patience {
    /// Whether there is some left; it is one less then.
    fn spend(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        // Runs are tried one after the other; no order with anything.
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// What may be moved to bring two moments together, each more than the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moves {
    /// The first, alone.
    Alone,
    /// And with what follows from it.
    WithWhatFollows,
    /// And what stands between the two.
    Between,
}

/// The run, or the same actions in another order that ends in the same step, if some timing
/// satisfies it.
pub fn timely(
    system: &StarSystem<Cluster>,
    path: Path<StarSystem<Cluster>>,
    patience: &Patience,
) -> Option<Path<StarSystem<Cluster>>> {
    let more = || {
        let ways = [Moves::WithWhatFollows, Moves::Between];
        let mut ways = ways.into_iter().filter(|_| patience.spend());
        ways.find_map(|moves| ordered(system, &path, moves))
    };
    ordered(system, &path, Moves::Alone).or_else(more)
}

fn ordered(
    system: &StarSystem<Cluster>,
    path: &Path<StarSystem<Cluster>>,
    moves: Moves,
) -> Option<Path<StarSystem<Cluster>>> {
    let mut path = path.clone();
    for _ in 0..MAX_MOVES {
        let Err(conflict) = earliest(path.steps.len() + 1, &bounds(&system.0, &path)) else {
            return Some(path);
        };
        // Only bounds from above can be met by another order.
        let above = || conflict.iter().filter(|bound| bound.least < 0);
        let delays = above().find_map(|bound| first_delayed(system, &path, bound, moves));
        path = delays.or_else(|| {
            let mut above = above().filter(|_| moves == Moves::Between);
            above.find_map(|bound| between_delayed(system, &path, bound))
        })?;
    }
    None
}

/// The steps of the two moments of an upper bound: moment `i` is after step `i - 1`, and the bound
/// points from the later moment to the earlier.
fn moments(bound: &Bound) -> Option<(usize, usize)> {
    bound.later.checked_sub(1).zip(bound.earlier.checked_sub(1))
}

/// The run with the first moment as near to the second as it gets; the end of the run stays its end.
fn first_delayed(
    system: &StarSystem<Cluster>,
    path: &Path<StarSystem<Cluster>>,
    bound: &Bound,
    moves: Moves,
) -> Option<Path<StarSystem<Cluster>>> {
    let (first, second) = moments(bound)?;
    let last = path.steps.len() - 1;
    let mut behind = (first + 1..second.max(first + 1).min(last)).rev();
    behind.find_map(|to| delayed(system, path, (first, to), moves > Moves::Alone))
}

/// The run with something that stood between two moments moved behind the second.
fn between_delayed(
    system: &StarSystem<Cluster>,
    path: &Path<StarSystem<Cluster>>,
    bound: &Bound,
) -> Option<Path<StarSystem<Cluster>>> {
    let (first, second) = moments(bound)?;
    let mut between = (first + 1..second).filter(|_| second + 1 < path.steps.len());
    between.find_map(|from| delayed(system, path, (from, second), true))
}

/// The run with one step, and those that cannot be taken without it if they may come along, moved
/// behind another, if it still goes where it went.
fn delayed(
    system: &StarSystem<Cluster>,
    path: &Path<StarSystem<Cluster>>,
    (from, to): (usize, usize),
    with_what_follows: bool,
) -> Option<Path<StarSystem<Cluster>>> {
    let start = if from == 0 { &path.start } else { &path.steps[from - 1].1 };
    let mut run = Path { start: path.start.clone(), steps: path.steps[..from].to_vec() };
    let mut at = start.clone();
    let mut waiting = vec![&path.steps[from].0];
    for (action, _) in &path.steps[from + 1..=to] {
        match taken(system, &at, action) {
            Some(next) => {
                at = next;
                run.steps.push((action.clone(), at.clone()));
            }
            None if with_what_follows => waiting.push(action),
            None => return None,
        }
    }
    // The step that the others are to come after must not be one of them.
    if waiting.last() == Some(&&path.steps[to].0) {
        return None;
    }
    for action in waiting {
        at = taken(system, &at, action)?;
        run.steps.push((action.clone(), at.clone()));
    }
    if at != path.steps[to].1 {
        return None;
    }
    run.steps.extend_from_slice(&path.steps[to + 1..]);
    Some(run)
}

/// What an action leads to, where it can be taken.
fn taken(
    system: &StarSystem<Cluster>,
    at: &ClusterState,
    action: &ClusterAction,
) -> Option<ClusterState> {
    let mut enabled = Vec::new();
    system.actions(at, &mut enabled);
    enabled.contains(action).then(|| system.step(at, action).state)
}
