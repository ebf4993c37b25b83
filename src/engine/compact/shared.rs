//! What all workers know: the star, numbers for whatever occurs in it, and what was found out in
//! earlier rounds.

use crate::engine::compact::intern::{Contents, Numbers};
use crate::engine::compact::memo::Memo;
#[cfg(test)]
use crate::engine::compact::persistent::Mistake;
use crate::engine::compact::persistent::Static;
use crate::engine::property::{Property, Taken, Test};
use crate::engine::reach::Slots;
use crate::engine::star::{ActionOf, PendingOf, Star, StarSystem, State, Symmetry};
use crate::engine::system::{RuleSet, System};

/// Kinds of questions, each with a memo of its own.
pub(super) mod kind {
    /// Which actions of one group are enabled; asked per group.
    pub const ENABLED: usize = 0;
    /// What the beginning of an action does; asked per action.
    pub const BEGIN: usize = 1;
    /// What a delivery or task does; asked for each.
    pub const PENDING: usize = 2;
    /// What a probe answers; asked per probe.
    pub const PROBE: usize = 3;
    /// Whether a state is a proper end.
    pub const QUIET: usize = 4;
    /// Which properties of a group a state decides; asked per group.
    pub const STATE: usize = 5;
    /// Which properties of a group a step decides that look at no action; asked per group.
    pub const STEP: usize = 6;
    /// How many kinds these are. Then, for each group of step properties: which of them a step
    /// decides; asked per action.
    pub const FIXED: usize = 7;
}

/// One memo for each kind of question.
pub(super) struct Memos(pub(super) Vec<Memo>);

impl Memos {
    pub(super) fn new(step_groups: usize) -> Self {
        use kind::{ENABLED, FIXED, PROBE, STATE};
        let dense = |kind| matches!(kind, ENABLED | PROBE | STATE);
        Memos((0..FIXED + step_groups).map(|kind| Memo::new(dense(kind))).collect())
    }

    /// Forgets which properties are decided where: those that were decided were not looked at.
    pub(super) fn forget_verdicts(&mut self) {
        let verdicts = self.0.iter_mut().enumerate().skip(kind::STATE);
        verdicts.for_each(|(kind, memo)| *memo = Memo::new(kind == kind::STATE));
    }

    /// Takes over what another has found out.
    pub(super) fn absorb(&mut self, other: &mut Memos) {
        for (memo, other) in self.0.iter_mut().zip(&mut other.0) {
            memo.absorb(other);
        }
    }
}

/// Properties that looked at the same slots of the first state, and are evaluated together.
pub(super) type Groups = Vec<Vec<usize>>;

/// What all workers know.
pub(super) struct Shared<'a, S: Star> {
    pub system: &'a StarSystem<S>,
    pub properties: &'a [Property<StarSystem<S>>],
    /// Renamings that are not told apart.
    pub symmetries: Vec<Box<Symmetry<S>>>,
    /// If some actions may wait for others.
    pub persistent: Option<Static>,
    /// Slots that properties read, as far as is known.
    pub visible: Slots,
    /// A mistake that a test makes on purpose.
    #[cfg(test)]
    pub mistake: Mistake,
    /// Some action, for properties that are asked about a step that changes nothing.
    pub some_action: u32,
    pub contents: Contents<S>,
    pub actions: Numbers<ActionOf<S>>,
    pub pendings: Numbers<PendingOf<S>>,
    pub probes: Numbers<S::Probe>,
    pub errors: Numbers<&'static str>,
    /// Sets of rules.
    pub rules: Numbers<RuleSet>,
    pub state_groups: Groups,
    pub step_groups: Groups,
    pub memos: Memos,
    /// The slots with most contents.
    pub order: Vec<usize>,
    pub slots: usize,
    pub processes: usize,
}

impl<'a, S: Star> Shared<'a, S> {
    /// Nothing is known but what a state looks like.
    pub(super) fn new(
        system: &'a StarSystem<S>,
        properties: &'a [Property<StarSystem<S>>],
        like: &State<S>,
        symmetries: Vec<Box<Symmetry<S>>>,
    ) -> Self {
        let (state_groups, step_groups) = groups(system, properties, like);
        let (slots, processes) = (like.slots().len(), like.processes().count());
        Shared {
            system,
            properties,
            symmetries,
            persistent: None,
            visible: 0,
            #[cfg(test)]
            mistake: Mistake::None,
            some_action: 0,
            contents: Contents::new(slots, processes),
            actions: Numbers::new(),
            pendings: Numbers::new(),
            probes: Numbers::new(),
            errors: Numbers::new(),
            rules: Numbers::new(),
            memos: Memos::new(step_groups.len()),
            order: Vec::new(),
            state_groups,
            step_groups,
            slots,
            processes,
        }
    }

    /// From now on some actions may wait for others, if the star tells enough of them.
    pub(super) fn may_wait(&mut self, like: &State<S>) {
        let mut possible = Vec::new();
        self.system.actions(like, &mut possible);
        // Where nothing is possible, nothing has to wait.
        if let Some(action) = possible.first() {
            self.some_action = self.actions.number(action);
            self.persistent = Static::new(&self.system.0, like.layout());
        }
    }
}

/// Groups the properties by what they look at in a state, and in a step that changes nothing.
fn groups<S: Star>(
    system: &StarSystem<S>,
    properties: &[Property<StarSystem<S>>],
    like: &State<S>,
) -> (Groups, Groups) {
    let mut actions = Vec::new();
    system.actions(like, &mut actions);
    let mut of_states: Vec<((u64, u64), Vec<usize>)> = Vec::new();
    let mut of_steps = of_states.clone();
    for (at, property) in properties.iter().enumerate() {
        let (before, after) = (like.clone(), like.clone());
        let groups = match (&property.test, actions.first()) {
            (Test::State(_), _) => {
                property.decided_by_state(system, &before);
                &mut of_states
            }
            (Test::Step(_), Some(action)) => {
                property.decided_by_step(system, &before, &Taken::new(action), &after);
                &mut of_steps
            }
            (Test::Step(_), None) => &mut of_steps,
        };
        let reads = (before.reads(), after.reads());
        match groups.iter_mut().find(|(known, group)| *known == reads && group.len() < 32) {
            Some((_, group)) => group.push(at),
            None => groups.push((reads, vec![at])),
        }
    }
    let plain = |groups: Vec<(_, Vec<usize>)>| groups.into_iter().map(|(_, group)| group).collect();
    (plain(of_states), plain(of_steps))
}
