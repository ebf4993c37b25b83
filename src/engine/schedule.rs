//! Schedules: runs that can be saved, and followed again by a later version of the program.
//!
//! A schedule names each action, by its position among the enabled ones and in words, and each
//! state by its fingerprint. A replay therefore notices the first step at which the system is no
//! longer the one that was recorded, instead of telling another story.

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

/// A fingerprint as it stands in a schedule.
pub fn written(fingerprint: Fingerprint) -> String {
    format!("{:032x}", fingerprint.0)
}

/// Writes a run down. `words` says what each of its steps is.
pub fn record<S: System>(system: &S, path: &Path<S>, words: &[String]) -> Schedule {
    let mut steps = Vec::new();
    let mut before = &path.start;
    for ((action, after), words) in path.steps.iter().zip(words) {
        let mut actions = Vec::new();
        system.actions(before, &mut actions);
        let position = actions.iter().position(|enabled| enabled == action);
        steps.push(ScheduledStep {
            action: position.expect("a run takes enabled actions only"),
            words: words.clone(),
            state: written(system.fingerprint(after)),
        });
        before = after;
    }
    Schedule { start: written(system.fingerprint(&path.start)), steps }
}

/// Why a schedule could not be followed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Divergence<A> {
    /// No run begins in its first state.
    Start,
    /// No enabled action leads to the recorded state.
    Step {
        /// The step, counted from 1.
        step: usize,
        /// What was recorded, in words.
        recorded: String,
        /// What stands in its place now, if anything.
        now: Option<A>,
    },
}

impl<A> Divergence<A> {
    /// What went wrong, in a sentence; `words` says what an action is.
    pub fn describe(&self, words: impl FnOnce(&A) -> String) -> String {
        let Divergence::Step { step, recorded, now } = self else {
            return "start: no run of this version of the model begins in the recorded state"
                .to_string();
        };
        let how = match now.as_ref().map(words) {
            Some(now) if now == *recorded => {
                format!("\"{recorded}\" leads to another state than recorded")
            }
            Some(now) => format!("recorded is \"{recorded}\", in its place stands \"{now}\""),
            None => format!("\"{recorded}\" is not possible"),
        };
        format!("step {step}: this version of the model does something else here: {how}")
    }
}

/// A replay: how far it came, and why not further.
pub struct Replay<S: System> {
    /// The run, up to the last step that went as recorded; none if not even its start exists.
    pub path: Option<Path<S>>,
    /// Where the system differs from the recorded one.
    pub divergence: Option<Divergence<S::Action>>,
}

/// Follows a schedule as far as the system does what was recorded.
pub fn replay<S: System>(system: &S, schedule: &Schedule) -> Replay<S> {
    let mut starts = system.initial_states().into_iter();
    let Some(start) = starts.find(|state| written(system.fingerprint(state)) == schedule.start)
    else {
        return Replay { path: None, divergence: Some(Divergence::Start) };
    };
    let mut path = Path { start, steps: Vec::new() };
    for (recorded, step) in schedule.steps.iter().zip(1..) {
        match next(system, path.end(), recorded) {
            Ok(taken) => path.steps.push(taken),
            Err(now) => {
                let recorded = recorded.words.clone();
                let divergence = Some(Divergence::Step { step, recorded, now });
                return Replay { path: Some(path), divergence };
            }
        }
    }
    Replay { path: Some(path), divergence: None }
}

/// Takes the action that leads where the recorded one led: the one at the recorded position if it
/// does, else any. What an action is called may change; what it does may not. Fails with what
/// stands at the recorded position.
fn next<S: System>(
    system: &S,
    state: &S::State,
    recorded: &ScheduledStep,
) -> Result<(S::Action, S::State), Option<S::Action>> {
    let mut actions = Vec::new();
    system.actions(state, &mut actions);
    let in_place = actions.get(recorded.action);
    for action in in_place.into_iter().chain(&actions) {
        let after = system.step(state, action).state;
        if written(system.fingerprint(&after)) == recorded.state {
            return Ok((action.clone(), after));
        }
    }
    Err(in_place.cloned())
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

    fn words(action: &u32) -> String {
        format!("add {action}")
    }

    fn recorded() -> Schedule {
        let system = Counter { from: 0, jump: 5 };
        let path = follow(&system, 0, [0, 1, 0]);
        let words: Vec<String> = path.steps.iter().map(|(action, _)| words(action)).collect();
        record(&system, &path, &words)
    }

    #[test]
    fn a_saved_schedule_replays_to_the_same_states() {
        let text = serde_json::to_string(&recorded()).unwrap();
        let replayed = replay(&Counter { from: 0, jump: 5 }, &serde_json::from_str(&text).unwrap());
        assert_eq!(replayed.divergence, None);
        let states: Vec<u32> =
            replayed.path.unwrap().steps.iter().map(|(_, state)| *state).collect();
        assert_eq!(states, [1, 6, 7]);
    }

    #[test]
    fn a_changed_action_is_noticed_at_its_step() {
        let replayed = replay(&Counter { from: 0, jump: 4 }, &recorded());
        assert_eq!(replayed.path.unwrap().steps.len(), 1);
        let shown = replayed.divergence.unwrap().describe(words);
        assert!(shown.starts_with("step 2: this version of the model does something else here"));
        assert!(shown.contains("\"add 5\"") && shown.contains("\"add 4\""), "{shown}");
    }

    #[test]
    fn a_changed_effect_is_noticed_though_the_words_are_the_same() {
        let replayed = replay(&Counter { from: 0, jump: 4 }, &recorded());
        let shown = replayed.divergence.unwrap().describe(|_| "add 5".to_string());
        assert!(shown.ends_with("\"add 5\" leads to another state than recorded"), "{shown}");
    }

    #[test]
    fn other_words_and_another_order_are_no_change() {
        let mut schedule = recorded();
        schedule.steps[0].action = 7;
        schedule.steps[1].words = "jump".to_string();
        let replayed = replay(&Counter { from: 0, jump: 5 }, &schedule);
        assert_eq!(replayed.divergence, None);
    }

    #[test]
    fn a_changed_start_is_noticed() {
        let replayed = replay(&Counter { from: 1, jump: 5 }, &recorded());
        assert_eq!(replayed.divergence, Some(Divergence::Start));
        assert!(replayed.path.is_none());
    }

    #[test]
    fn an_action_that_is_no_longer_there_is_noticed() {
        let mut schedule = recorded();
        schedule.steps[1].action = 7;
        let replayed = replay(&Counter { from: 0, jump: 4 }, &schedule);
        assert!(matches!(replayed.divergence, Some(Divergence::Step { step: 2, now: None, .. })));
    }
}
