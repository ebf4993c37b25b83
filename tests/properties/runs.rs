//! What holds on every run of every cluster.

use models::faults::{FaultBudget, FaultKind};
use models::guarantees::{self, Guarantee, Terms};
use node_recovery::engine::property::{Property, Taken};
use node_recovery::engine::schedule::{Schedule, record, replay};
use node_recovery::engine::search::Path;
use node_recovery::engine::simulate::End;
use node_recovery::scenario::properties::property;
use proptest::prelude::*;

use crate::generated::{System, cases, runs};

/// The first step that violates a property, counted from 1; 0 is the start.
fn violated_at(system: &System, path: &Path<System>, property: &Property<System>) -> Option<usize> {
    let mut before = &path.start;
    if property.decided_by_state(system, before) {
        return Some(0);
    }
    for ((action, after), step) in path.steps.iter().zip(1..) {
        if property.decided_by_state(system, after)
            || property.decided_by_step(system, before, &Taken::new(action), after)
        {
            return Some(step);
        }
        before = after;
    }
    None
}

/// What is promised and kept. P19 is promised too where the controller manager may die, and then it is
/// known to be broken (guarantees.md).
fn promised_in(system: &System) -> Vec<&'static Guarantee> {
    let config = &system.0.config;
    let terms = Terms::from(config);
    let dies = |budget: &FaultBudget| budget.kind == FaultKind::ControllerManagerCrash;
    let broken = |name: &str| name == "P19" && config.faults.iter().any(dies);
    let kept = |it: &&Guarantee| (it.promised)(terms) && !broken(it.name);
    guarantees::ALL.iter().filter(kept).collect()
}

#[test]
fn what_is_promised_includes_that_a_deletion_is_final() {
    let promised =
        guarantees::ALL.iter().filter(|it| (it.promised)(models::version::Version::OLDEST.into()));
    let names: Vec<&str> = promised.map(|guarantee| guarantee.name).collect();
    for name in ["P3a", "P3c", "P3d"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}

proptest! {
    #![proptest_config(cases(1500))]

    /// No actor gets a message that it cannot handle, nobody waits for ever, no promise is broken.
    #[test]
    fn runs_end_well_and_keep_promises(run in runs()) {
        let (system, path, end) = run.take(600);
        prop_assert!(matches!(end, End::Quiet | End::Steps), "{:?} after {}", end, path.steps.len());
        for guarantee in promised_in(&system) {
            let violated = violated_at(&system, &path, &property(guarantee));
            prop_assert_eq!(violated, None, "{}", guarantee.name);
        }
    }

    #[test]
    fn a_saved_schedule_replays_to_the_same_states(run in runs()) {
        let (system, path, _) = run.take(120);
        let words: Vec<String> = path.steps.iter().map(|(action, _)| format!("{action:?}")).collect();
        let saved = serde_json::to_string(&record(&system, &path, &words)).unwrap();
        let schedule: Schedule = serde_json::from_str(&saved).unwrap();
        // Another process reads the scenario again.
        let (again, ..) = run.take(0);
        let replayed = replay(&again, &schedule);
        prop_assert!(replayed.divergence.is_none());
        let replayed = replayed.path.expect("no divergence");
        prop_assert_eq!(&replayed.start, &path.start);
        let states = |path: &Path<System>| -> Vec<_> {
            path.steps.iter().map(|(_, state)| state.clone()).collect()
        };
        prop_assert_eq!(states(&replayed), states(&path));
    }

    #[test]
    fn the_same_seed_gives_the_same_run(run in runs()) {
        let (_, path, end) = run.take(120);
        let (_, again, same_end) = run.take(120);
        prop_assert_eq!(end, same_end);
        prop_assert_eq!(path.start, again.start);
        prop_assert!(path.steps == again.steps);
    }
}
