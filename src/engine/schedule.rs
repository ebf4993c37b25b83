//! Schedules: runs that can be saved, and followed again by a later version of the program.
//!
//! A schedule names each action twice, by its position among the enabled ones and in words, and
//! each state by its fingerprint. A replay therefore notices the first step at which the system is
//! no longer the one that was recorded, instead of telling another story.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::engine::fingerprint::Fingerprint;
use crate::engine::search::Path;
use crate::engine::system::System;

/// A saved run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Fingerprint of the state where it begins.
    pub start: String,
    /// What happens.
    pub steps: Vec<ScheduledStep>,
}

/// A step of a saved run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledStep {
    /// The position of the action among those that are enabled.
    pub action: usize,
    /// The action in words.
    pub words: String,
    /// Fingerprint of the state that it leads to.
    pub state: String,
}

/// Says what an action is, in the state in which it is taken.
pub type Words<'a, S> = dyn Fn(&<S as System>::State, &<S as System>::Action) -> String + 'a;

/// A fingerprint as it stands in a schedule.
pub fn written(fingerprint: Fingerprint) -> String {
    format!("{:032x}", fingerprint.0)
}

/// Writes a run down.
pub fn record<S: System>(system: &S, path: &Path<S>, words: &Words<'_, S>) -> Schedule {
    let mut steps = Vec::new();
    let mut before = &path.start;
    for (action, after) in &path.steps {
        let mut actions = Vec::new();
        system.actions(before, &mut actions);
        let position = actions.iter().position(|enabled| enabled == action);
        steps.push(ScheduledStep {
            action: position.expect("a run takes enabled actions only"),
            words: words(before, action),
            state: written(system.fingerprint(after)),
        });
        before = after;
    }
    Schedule { start: written(system.fingerprint(&path.start)), steps }
}

/// Why a schedule could not be followed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Divergence {
    /// No run begins in its first state.
    Start,
    /// Another action is enabled at this position, or none. Steps count from 1.
    Action {
        /// The step.
        step: usize,
        /// What was recorded.
        recorded: String,
        /// What stands there now.
        now: Option<String>,
    },
    /// The same action leads to another state.
    State {
        /// The step, counted from 1.
        step: usize,
        /// The action.
        recorded: String,
    },
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Divergence::Start => {
                write!(f, "start: no run of this version of the model begins in the recorded state")
            }
            Divergence::Action { step, recorded, now } => {
                write!(
                    f,
                    "step {step}: this version of the model does something else here: \
                     recorded is \"{recorded}\", "
                )?;
                match now {
                    Some(now) => write!(f, "possible in its place is \"{now}\""),
                    None => write!(f, "which is not possible"),
                }
            }
            Divergence::State { step, recorded } => write!(
                f,
                "step {step}: this version of the model does something else here: \
                 \"{recorded}\" leads to another state than recorded"
            ),
        }
    }
}

/// A replay: how far it came, and why not further.
pub struct Replay<S: System> {
    /// The run, up to the last step that went as recorded; none if not even its start exists.
    pub path: Option<Path<S>>,
    /// Where the system differs from the recorded one.
    pub divergence: Option<Divergence>,
}

/// Follows a schedule as far as the system does what was recorded.
pub fn replay<S: System>(system: &S, schedule: &Schedule, words: &Words<'_, S>) -> Replay<S> {
    let mut starts = system.initial_states().into_iter();
    let Some(start) = starts.find(|state| written(system.fingerprint(state)) == schedule.start)
    else {
        return Replay { path: None, divergence: Some(Divergence::Start) };
    };
    let mut path = Path { start, steps: Vec::new() };
    for (recorded, step) in schedule.steps.iter().zip(1..) {
        match next(system, path.end(), recorded, step, words) {
            Ok(taken) => path.steps.push(taken),
            Err(divergence) => return Replay { path: Some(path), divergence: Some(divergence) },
        }
    }
    Replay { path: Some(path), divergence: None }
}

fn next<S: System>(
    system: &S,
    state: &S::State,
    recorded: &ScheduledStep,
    step: usize,
    words: &Words<'_, S>,
) -> Result<(S::Action, S::State), Divergence> {
    let mut actions = Vec::new();
    system.actions(state, &mut actions);
    let action = actions.get(recorded.action);
    let now = action.map(|action| words(state, action));
    let action = action.filter(|_| now.as_ref() == Some(&recorded.words)).ok_or_else(|| {
        Divergence::Action { step, recorded: recorded.words.clone(), now: now.clone() }
    })?;
    let after = system.step(state, action).state;
    if written(system.fingerprint(&after)) != recorded.state {
        return Err(Divergence::State { step, recorded: recorded.words.clone() });
    }
    Ok((action.clone(), after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::search::follow;
    use crate::engine::system::Step;

    /// Counts up by one or by `jump`, as long as it is below ten.
    struct Counter {
        from: u32,
        jump: u32,
    }

    impl System for Counter {
        type State = u32;
        type Action = u32;

        fn initial_states(&self) -> Vec<u32> {
            vec![self.from]
        }
        fn actions(&self, state: &u32, out: &mut Vec<u32>) {
            out.extend([1, self.jump].into_iter().filter(|_| *state < 10));
        }
        fn step(&self, state: &u32, action: &u32) -> Step<u32> {
            Step { state: state + action, rules: Vec::new(), error: None }
        }
        fn fingerprint(&self, state: &u32) -> Fingerprint {
            Fingerprint::of(state)
        }
        fn is_fault(&self, _: &u32) -> bool {
            false
        }
        fn is_quiet(&self, _: &u32) -> bool {
            true
        }
    }

    fn plain(_: &u32, action: &u32) -> String {
        format!("add {action}")
    }

    fn recorded() -> Schedule {
        let system = Counter { from: 0, jump: 5 };
        record(&system, &follow(&system, 0, [0, 1, 0]), &plain)
    }

    #[test]
    fn a_saved_schedule_replays_to_the_same_states() {
        let text = serde_json::to_string(&recorded()).unwrap();
        let replayed =
            replay(&Counter { from: 0, jump: 5 }, &serde_json::from_str(&text).unwrap(), &plain);
        assert_eq!(replayed.divergence, None);
        let states: Vec<u32> =
            replayed.path.unwrap().steps.iter().map(|(_, state)| *state).collect();
        assert_eq!(states, [1, 6, 7]);
    }

    #[test]
    fn a_changed_action_is_noticed_at_its_step() {
        let replayed = replay(&Counter { from: 0, jump: 4 }, &recorded(), &plain);
        assert_eq!(replayed.path.unwrap().steps.len(), 1);
        let shown = replayed.divergence.unwrap().to_string();
        assert!(shown.starts_with("step 2: this version of the model does something else here"));
        assert!(shown.contains("\"add 5\"") && shown.contains("\"add 4\""), "{shown}");
    }

    #[test]
    fn a_changed_effect_is_noticed_though_the_words_are_the_same() {
        let system = Counter { from: 0, jump: 4 };
        let replayed = replay(&system, &recorded(), &|_, action| match action {
            4 => "add 5".to_string(),
            other => format!("add {other}"),
        });
        let divergence = Divergence::State { step: 2, recorded: "add 5".to_string() };
        assert_eq!(replayed.divergence, Some(divergence));
    }

    #[test]
    fn a_changed_start_is_noticed() {
        let replayed = replay(&Counter { from: 1, jump: 5 }, &recorded(), &plain);
        assert_eq!(replayed.divergence, Some(Divergence::Start));
        assert!(replayed.path.is_none());
    }

    #[test]
    fn an_action_that_is_no_longer_there_is_noticed() {
        let mut schedule = recorded();
        schedule.steps[1].action = 7;
        let replayed = replay(&Counter { from: 0, jump: 5 }, &schedule, &plain);
        assert!(matches!(replayed.divergence, Some(Divergence::Action { step: 2, now: None, .. })));
    }
}
