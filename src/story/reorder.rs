//! Runs that no timing satisfies, taken in another order.
//!
//! A search keeps one run for each state, and which one has nothing to do with time: a fault may
//! stand long before it has any effect, so that what follows from it would be late. The same
//! actions in another order often lead to the same state in time. Where two moments of a run are
//! too far apart, the first is moved towards the second, with what follows from it; or else what
//! stands between them is moved behind the second.

use crate::engine::search::Path;
use crate::engine::star::StarSystem;
use crate::engine::system::System;
use crate::scenario::cluster::{Cluster, ClusterAction, ClusterState};
use crate::story::timing::{Bound, bounds, earliest};

/// Most moves that are tried for one run.
const MAX_MOVES: usize = 100;

/// The run, or the same actions in another order that ends in the same step, if some timing
/// satisfies it.
pub fn timely(
    system: &StarSystem<Cluster>,
    path: Path<StarSystem<Cluster>>,
) -> Option<Path<StarSystem<Cluster>>> {
    let mut path = path;
    for _ in 0..MAX_MOVES {
        let Err(conflict) = earliest(path.steps.len() + 1, &bounds(&system.0, &path)) else {
            return Some(path);
        };
        // Only bounds from above can be met by another order.
        let above = conflict.iter().filter(|bound| bound.least < 0);
        path = above.clone().find_map(|bound| brought_together(system, &path, bound))?;
    }
    None
}

/// The run with the two moments of an upper bound nearer to each other.
fn brought_together(
    system: &StarSystem<Cluster>,
    path: &Path<StarSystem<Cluster>>,
    bound: &Bound,
) -> Option<Path<StarSystem<Cluster>>> {
    // Moment i is after step i - 1; an upper bound points from the later moment to the earlier.
    let first = bound.later.checked_sub(1)?;
    let second = bound.earlier.checked_sub(1)?;
    let last = path.steps.len() - 1;
    // The first goes behind as many of the others as it can; the end of the run stays its end.
    let mut behind = (first + 1..second.max(first + 1).min(last)).rev();
    behind.find_map(|to| delayed(system, path, first, to)).or_else(|| {
        // Or what stands between them goes behind the second.
        let mut between = (first + 1..second).filter(|_| second < last);
        between.find_map(|from| delayed(system, path, from, second))
    })
}

/// The run with one step, and those that cannot be taken without it, moved behind another, if it
/// still goes where it went.
fn delayed(
    system: &StarSystem<Cluster>,
    path: &Path<StarSystem<Cluster>>,
    from: usize,
    to: usize,
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
            None => waiting.push(action),
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
