//! Runs that no timing satisfies, taken in another order.
//!
//! A search keeps one run for each state, and which one has nothing to do with time: a fault may
//! stand long before it has any effect, so that what follows from it would be late. The same
//! actions in another order often lead to the same state in time. Where two moments of a run are
//! too far apart, the first is moved towards the second, and the second towards the first.

use crate::engine::search::Path;
use crate::engine::star::StarSystem;
use crate::engine::system::System;
use crate::scenario::cluster::Cluster;
use crate::story::timing::{Bound, bounds, earliest};

/// Most moves that are tried for one run.
const MAX_MOVES: usize = 200;

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

/// The run with the two moments of an upper bound one step nearer to each other.
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
    let delayed = (first + 1..second.max(first + 1).min(last)).rev();
    let mut delayed = delayed.filter_map(|to| moved(system, path, first, to));
    delayed.next()
}

/// The run with one step moved behind another, if it still goes where it went.
fn moved(
    system: &StarSystem<Cluster>,
    path: &Path<StarSystem<Cluster>>,
    from: usize,
    to: usize,
) -> Option<Path<StarSystem<Cluster>>> {
    let mut actions: Vec<_> = path.steps.iter().map(|(action, _)| action).collect();
    let step = actions.remove(from);
    actions.insert(to, step);
    let start = if from == 0 { &path.start } else { &path.steps[from - 1].1 };
    let mut steps = path.steps[..from].to_vec();
    let mut at = start.clone();
    let mut enabled = Vec::new();
    for (action, place) in actions[from..].iter().zip(from..) {
        // Behind the moved step everything is as it was.
        if place > to {
            let same = at == steps[place - 1].1 && path.steps[place - 1].1 == at;
            return same.then(|| {
                steps.extend_from_slice(&path.steps[place..]);
                Path { start: path.start.clone(), steps }
            });
        }
        enabled.clear();
        system.actions(&at, &mut enabled);
        if !enabled.contains(action) {
            return None;
        }
        at = system.step(&at, action).state;
        steps.push(((*action).clone(), at.clone()));
    }
    None
}
