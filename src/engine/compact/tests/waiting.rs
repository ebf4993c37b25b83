//! Persistent sets against the search in which nothing waits.

use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::generated::loose_stars;

use super::renamed::{replays, replays_on_stateright};
use super::*;

/// More than this is not searched whole.
const MAX_STATES: u64 = 3_000;

/// Properties that look at the hub and one of the processes, or at few of these.
fn properties(star: &Generated, salt: u8) -> Vec<StarProperty<Generated>> {
    let value = |state: &State<Generated>, at: usize| state.local(at).value;
    let at = 2 + usize::from(salt) % star.processes;
    let alike = star.alike;
    let processes = star.processes;
    // Whoever may be renamed is as good as any other.
    let some = move |state: &State<Generated>, wanted: u8| match alike {
        true => (2..2 + processes).any(|at| value(state, at) == wanted),
        false => value(state, at) == wanted,
    };
    let step = |kind, test: Arc<StepTest<StarSystem<Generated>>>| Property {
        name: String::new(),
        kind,
        test: Test::Step(test),
    };
    let hub = (0..VALUES)
        .map(|wanted| of_states(Kind::Sometimes, move |state| value(state, 0) == wanted));
    let both = (0..VALUES * VALUES).map(|wanted| {
        of_states(Kind::Sometimes, move |state| {
            value(state, 0) == wanted / VALUES && some(state, wanted % VALUES)
        })
    });
    // Values of one process, or of it and the next.
    let (first, second) = (at, 2 + (at - 1) % processes);
    let pairs = (0..VALUES * VALUES).map(|wanted| {
        of_states(Kind::Sometimes, move |state| {
            let is = |at, wanted| value(state, at) == wanted;
            match alike {
                true => some(state, wanted / VALUES) && some(state, wanted % VALUES),
                false => is(first, wanted / VALUES) && is(second, wanted % VALUES),
            }
        })
    });
    let changes = (0..VALUES * VALUES).map(|wanted| {
        step(
            Kind::Step,
            Arc::new(move |_, before, _, after| {
                let is = |state, wanted| value(state, 0) == wanted;
                !(is(before, wanted / VALUES) && is(after, wanted % VALUES))
                    || wanted / VALUES == wanted % VALUES
            }),
        )
    });
    let sent = of_states(Kind::Sometimes, move |state: &State<Generated>| {
        let mut processes = state.processes();
        value(state, 0) == salt / 64 && processes.any(|p| state.outbox(p).live.len() == 2)
    });
    // It is decided where nothing changes, too.
    let idle = step(Kind::Step, Arc::new(move |_, before, _, _| value(before, 0) != salt / 64));
    let by_action = step(
        Kind::Sometimes,
        Arc::new(move |_, before, action, _| {
            value(before, 0) == salt / 64 && matches!(action.get(), Action::Observe(..))
        }),
    );
    match salt % 8 {
        0 | 1 => hub.chain(changes).collect(),
        2 | 3 => hub.chain(both).collect(),
        4 | 5 => pairs.collect(),
        6 => hub.chain([idle]).collect(),
        _ if salt > 128 => hub.chain([by_action]).collect(),
        _ => vec![sent],
    }
}

/// How many states there are with and without that some actions wait, or what is wrong.
type Compared = Result<(u64, u64), String>;

/// Compares the search in which some actions wait with the plain one. None if there are too many
/// states.
fn compare(star: &Generated, salt: u8, symmetry: bool, mistake: Mistake) -> Option<Compared> {
    let system = Arc::new(StarSystem(star.clone()));
    let properties = properties(star, salt);
    let limits = Limits { max_states: Some(MAX_STATES), ..Limits::default() };
    let options = |threads, symmetry, persistent| Options {
        threads,
        limits,
        symmetry,
        persistent,
        ..Options::default()
    };
    let all = reference::breadth_first(&*system, &properties, &options(1, false, false));
    if all.stopped.is_some() {
        return None;
    }
    let grain = Grain { mistake, ..FINE };
    let one = search(&system, &properties, &options(1, symmetry, true), grain);
    let three = search(&system, &properties, &options(3, symmetry, true), grain);
    if all.error.is_some() && one.stopped.is_some() {
        // The error is met later if others go first, and the limit sooner.
        return None;
    }
    let mut wrong = Vec::new();
    if told(&one) != told(&three) {
        wrong.push("another result on three threads".to_string());
    }
    if all.error.is_some() != one.error.is_some() {
        wrong.push(format!("an error: {}", one.error.is_some()));
    }
    for (at, (all, one)) in all.findings.iter().zip(&one.findings).enumerate() {
        if all.verdict != one.verdict && one.verdict != Verdict::Unknown {
            wrong.push(format!("{at}: {:?} and not {:?}", one.verdict, all.verdict));
        }
        let replayed = one.path.as_ref().is_none_or(|path| {
            replays(&system, path, Some(&properties[at])) && replays_on_stateright(&system, path)
        });
        if !replayed {
            wrong.push(format!("{at}: the trace does not replay"));
        }
    }
    // Which error comes first, and what was found before it, may differ.
    if all.error.is_none() && one.findings.iter().any(|f| f.verdict == Verdict::Unknown) {
        wrong.push("not decided".to_string());
    }
    if all.error.is_some() {
        wrong.retain(|wrong| !wrong.contains("and not"));
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
        cases: 1500,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_found_although_some_wait_is_what_is_found_if_nobody_does(
        star in loose_stars(),
        salt in any::<u8>(),
        symmetry in any::<bool>(),
    ) {
        if let Some(Err(wrong)) = compare(&star, salt, symmetry, Mistake::None) {
            return Err(TestCaseError::fail(wrong));
        }
    }
}

/// Generated stars that can be searched whole, and what the comparison comes to.
fn compared(
    runner: &mut TestRunner,
    change: impl Fn(&mut Generated),
    stars: usize,
    mistake: Mistake,
) -> Vec<Compared> {
    let compared = (0..stars).filter_map(|salt| {
        let mut star = loose_stars().new_tree(runner).unwrap().current();
        change(&mut star);
        // A mistake may lead to a run that cannot be walked.
        let salt = salt as u8;
        let compare = || compare(&star, salt, salt.is_multiple_of(3), mistake);
        std::panic::catch_unwind(compare).unwrap_or_else(|_| Some(Err("it panics".to_string())))
    });
    compared.collect()
}

/// Whether the comparison notices a mistake.
fn is_noticed(change: impl Fn(&mut Generated) + Copy, mistake: Mistake) -> bool {
    let mut runner = TestRunner::deterministic();
    let mut compared = || compared(&mut runner, change, 50, mistake);
    (0..12).any(|_| compared().iter().any(Compared::is_err))
}

#[test]
fn waiting_makes_less_of_states() {
    let none = |star: &mut Generated| star.loose = Some(0);
    let compared = compared(&mut TestRunner::deterministic(), none, 150, Mistake::None);
    assert!(compared.iter().all(Compared::is_ok), "{compared:?}");
    assert!(compared.len() > 40, "{}", compared.len());
    let fewer = compared.iter().flatten().filter(|(all, one)| *all > 100 && one * 3 < all * 2);
    let fewer = fewer.count();
    assert!(fewer >= 8, "{fewer} of {compared:?}");
}

#[test]
fn what_a_property_sees_does_not_wait_for_nothing() {
    assert!(is_noticed(|_| {}, Mistake::VisibleWaits));
}

#[test]
fn what_waits_for_ever_is_missed() {
    assert!(is_noticed(|_| {}, Mistake::NoProviso));
}

/// With both reductions, too.
#[test]
fn renaming_what_is_not_alike_is_noticed_where_some_wait() {
    assert!(is_noticed(|star| (star.alike, star.odd_first) = (true, true), Mistake::None));
}
