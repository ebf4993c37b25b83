//! Runs to what was found: along parent links, walked with the names that they begin with.

use crate::engine::compact::shared::Shared;
use crate::engine::compact::symmetry::key;
use crate::engine::compact::visited::Visited;
use crate::engine::fingerprint::Fingerprint;
use crate::engine::property::Taken;
use crate::engine::search::Path;
use crate::engine::star::{ActionOf, Star, StarSystem, State};
use crate::engine::system::{Step, System};

/// What is needed to rebuild runs.
pub(super) struct Trace<'s, 'a, S: Star> {
    pub shared: &'s Shared<'a, S>,
    pub visited: &'s Visited,
}

impl<S: Star> Trace<'_, '_, S> {
    /// The run to a state. Of several actions that lead from a state to the next, the first is
    /// taken.
    pub(super) fn path_to(&self, state: Fingerprint) -> Path<StarSystem<S>> {
        let key = |state: &State<S>| key(&self.shared.symmetries, state);
        let run = self.visited.ancestry(state);
        let mut starts = self.shared.system.initial_states().into_iter();
        let start = starts.find(|start| key(start) == run[0]);
        let start = start.expect("a run begins in an initial state, and they are always the same");
        let mut path = Path { start, steps: Vec::new() };
        for next in &run[1..] {
            let (action, step) = self
                .steps(path.end())
                .find(|(_, step)| key(&step.state) == *next)
                .expect("a step that was taken can be taken again");
            path.steps.push((action, step.state));
        }
        path
    }

    /// The run to a state and the step from there that decides a property: of several the one of
    /// this number.
    pub(super) fn path_to_step(
        &self,
        property: usize,
        state: Fingerprint,
        which: u16,
    ) -> Path<StarSystem<S>> {
        let Shared { system, properties, .. } = self.shared;
        let mut path = self.path_to(state);
        let decisive = |(action, step): &(ActionOf<S>, Step<State<S>>)| {
            let action = Taken::new(action);
            properties[property].decided_by_step(system, path.end(), &action, &step.state)
        };
        let (action, step) = self
            .steps(path.end())
            .filter(decisive)
            .nth(which as usize)
            .expect("a step that decided a property decides it again");
        path.steps.push((action, step.state));
        path
    }

    /// The run to a state and the first step from there that an actor cannot handle.
    pub(super) fn path_to_error(&self, state: Fingerprint) -> (&'static str, Path<StarSystem<S>>) {
        let mut path = self.path_to(state);
        let (action, step, what) = self
            .steps(path.end())
            .find_map(|(action, step)| step.error.map(|what| (action, step, what)))
            .expect("what could not be handled cannot be handled again");
        path.steps.push((action, step.state));
        (what, path)
    }

    fn steps(&self, state: &State<S>) -> impl Iterator<Item = (ActionOf<S>, Step<State<S>>)> {
        let system = self.shared.system;
        let mut actions = Vec::new();
        system.actions(state, &mut actions);
        let steps: Vec<_> = actions
            .into_iter()
            .map(|action| {
                let step = system.step(state, &action);
                (action, step)
            })
            .collect();
        steps.into_iter()
    }
}
