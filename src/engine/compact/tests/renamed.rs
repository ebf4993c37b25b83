//! Symmetry against the search that tells all states apart.

use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use ::stateright::Model;

use super::generated::stars_of_alike;
use super::*;
use crate::engine::bare::Bare;

/// More than this is not searched without symmetry.
const MAX_STATES: u64 = 4_000;

/// Properties that no renaming of processes changes.
fn symmetric_properties(salt: u8) -> Vec<StarProperty<Generated>> {
    let value = |state: &State<Generated>, at: usize| state.local(at).value;
    let processes = |state: &State<Generated>| 2..2 + state.processes().count();
    let how_many = move |state: &State<Generated>| {
        processes(state).filter(|&at| value(state, at) == salt / 8 % VALUES).count()
    };
    let step = |kind, test: Arc<StepTest<StarSystem<Generated>>>| Property {
        name: String::new(),
        kind,
        test: Test::Step(test),
    };
    // What can be seen of a state without names.
    let views = (0..VALUES * VALUES).map(|view| {
        of_states(Kind::Sometimes, move |state| {
            let seen = processes(state).any(|at| value(state, at) == view / VALUES);
            seen && value(state, 0) == view % VALUES
        })
    });
    let mut properties = vec![
        of_states(Kind::State, move |state| how_many(state) < 2 || value(state, 0) != salt % 4),
        of_states(Kind::Sometimes, move |state| {
            processes(state).all(|at| value(state, at) == salt / 4 % VALUES)
        }),
        step(
            Kind::Step,
            Arc::new(move |_, before, action, after| {
                let served = matches!(action.get(), Action::Serve(..));
                !(served && how_many(before) < how_many(after) && value(after, 0) == salt / 64)
            }),
        ),
        step(
            Kind::Sometimes,
            Arc::new(move |_, before, action, _| {
                matches!(action.get(), Action::Fault(_)) && how_many(before) == 0
            }),
        ),
    ];
    properties.extend(views);
    properties
}

/// Whether a run is one of the system, and decides a property at its end.
pub(super) fn replays(
    system: &StarSystem<Generated>,
    path: &Path<StarSystem<Generated>>,
    property: Option<&StarProperty<Generated>>,
) -> bool {
    let mut before = &path.start;
    let mut decided = property.is_none_or(|property| property.decided_by_state(system, path.end()));
    for (action, after) in &path.steps {
        let mut actions = Vec::new();
        system.actions(before, &mut actions);
        if !actions.contains(action) || system.step(before, action).state != *after {
            return false;
        }
        if std::ptr::eq(after, path.end()) {
            let taken = Taken::new(action);
            decided |= property
                .is_some_and(|property| property.decided_by_step(system, before, &taken, after));
        }
        before = after;
    }
    decided && system.initial_states().contains(&path.start)
}

/// The run again, on stateright's interface.
pub(super) fn replays_on_stateright(
    system: &Arc<StarSystem<Generated>>,
    path: &Path<StarSystem<Generated>>,
) -> bool {
    let model = Bare(Arc::clone(system));
    let mut state = path.start.clone();
    path.steps.iter().all(|(action, after)| {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        let next = actions.contains(action).then(|| model.next_state(&state, action.clone()));
        state = after.clone();
        next.flatten().as_ref() == Some(after)
    })
}

/// Compares the search with symmetry with that without. None if there are too many states;
/// otherwise how many there are without and with it, or what is wrong.
fn compare(star: &Generated, salt: u8, trial: u64) -> Option<Result<(u64, u64), String>> {
    let system = Arc::new(StarSystem(star.clone()));
    let properties = symmetric_properties(salt);
    let limits = Limits { max_states: Some(MAX_STATES), ..Limits::default() };
    let options = |threads, symmetry| Options { threads, limits, symmetry, ..Options::default() };
    let all = reference::breadth_first(&*system, &properties, &options(1, false));
    if all.stopped.is_some() {
        return None;
    }
    let grain = Grain { trial, ..FINE };
    let one = search(&system, &properties, &options(1, true), grain);
    let three = search(&system, &properties, &options(3, true), grain);
    let mut wrong = Vec::new();
    if told(&one) != told(&three) {
        wrong.push("another result on three threads".to_string());
    }
    let numbers = |o: &Outcome<_>| (o.depth, o.complete, o.error.is_some());
    if numbers(&all) != numbers(&one) {
        wrong.push(format!("{:?} and not {:?}", numbers(&one), numbers(&all)));
    }
    for (at, (all, one)) in all.findings.iter().zip(&one.findings).enumerate() {
        let length = |finding: &crate::engine::search::Finding<_>| {
            finding.path.as_ref().map(|path: &Path<StarSystem<Generated>>| path.steps.len())
        };
        if (all.verdict, length(all)) != (one.verdict, length(one)) {
            wrong.push(format!("{at}: {:?} and not {:?}", one.verdict, all.verdict));
        }
        let replayed = one.path.as_ref().is_none_or(|path| {
            replays(&system, path, Some(&properties[at])) && replays_on_stateright(&system, path)
        });
        if !replayed {
            wrong.push(format!("{at}: the trace does not replay"));
        }
    }
    if let Some(ModelError::Deadlock(path) | ModelError::Unhandled(_, path)) = &one.error
        && !replays(&system, path, None)
    {
        wrong.push("the trace of the error does not replay".to_string());
    }
    let states = (all.states, one.states);
    Some(if wrong.is_empty() { Ok(states) } else { Err(wrong.join("; ")) })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 2000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_found_without_names_is_what_is_found_with_them(
        star in stars_of_alike(),
        salt in any::<u8>(),
        doubted in any::<bool>(),
        trial in 1..100u64,
    ) {
        let star = Generated { doubted, ..star };
        if let Some(Err(wrong)) = compare(&star, salt, trial) {
            return Err(TestCaseError::fail(wrong));
        }
    }
}

/// Generated stars that can be searched whole, and what the comparison comes to.
fn compared(change: impl Fn(&mut Generated), stars: usize) -> Vec<Result<(u64, u64), String>> {
    let mut runner = TestRunner::deterministic();
    let compared = (0..stars).filter_map(|salt| {
        let mut star = stars_of_alike().new_tree(&mut runner).unwrap().current();
        change(&mut star);
        compare(&star, salt as u8, u64::MAX)
    });
    compared.collect()
}

#[test]
fn symmetry_makes_less_of_states() {
    let compared = compared(|_| {}, 120);
    assert!(compared.len() > 20, "{}", compared.len());
    let fewer = compared.iter().flatten().filter(|(all, one)| *all > 300 && one * 3 < all * 2);
    assert!(fewer.count() >= 5, "{compared:?}");
}

/// Renamings that make less of states early on are kept, and others are not.
#[test]
fn renamings_that_do_not_pay_are_given_up() {
    let compared = |trial| {
        let mut runner = TestRunner::deterministic();
        let compared = (0..60).filter_map(|salt| {
            let star = stars_of_alike().new_tree(&mut runner).unwrap().current();
            compare(&Generated { doubted: true, ..star }, salt, trial)
        });
        compared.map(|compared| compared.unwrap()).collect::<Vec<_>>()
    };
    // Nothing has been renamed yet in the states that runs begin with.
    assert!(compared(2).iter().all(|(all, one)| one == all));
    assert!(compared(40).iter().filter(|(all, one)| one < all).count() >= 5);
}

/// The comparison can fail: something that is not the same for all is ignored by the renamings.
#[test]
fn renaming_what_is_not_alike_is_noticed() {
    let compared = compared(|star| star.odd_first = true, 200);
    let wrong = compared.iter().filter(|compared| compared.is_err()).count();
    assert!(wrong * 40 > compared.len(), "{wrong} of {}", compared.len());
}
