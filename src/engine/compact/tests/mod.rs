//! The search by look-up against the plain one: the same result, in everything.

mod actors;
mod generated;
mod lending;
mod renamed;
mod stairs;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::persistent::Mistake;
use super::*;
use crate::engine::property::{Kind, StepTest, Taken, Test, Verdict};
use crate::engine::reference;
use crate::engine::search::{Limits, Path};
use crate::engine::star::{Action, ActionOf, ProcessId};
use generated::{Generated, VALUES, stars};
use lending::{Lending, holders};

type StarProperty<S> = Property<StarSystem<S>>;

fn of_states<S: Star>(
    kind: Kind,
    test: impl Fn(&State<S>) -> bool + Send + Sync + 'static,
) -> StarProperty<S> {
    let test = Test::State(Arc::new(move |_: &StarSystem<S>, state: &State<S>| test(state)));
    Property { name: String::new(), kind, test }
}

/// Small chunks, so that small models too are shared among threads, in several rounds.
const FINE: Grain = Grain { chunk: 3, taken: 2, round: 5, trial: u64::MAX, mistake: Mistake::None };

fn describe<S: Star>(path: &Path<StarSystem<S>>) -> String {
    let steps = path.steps.iter().map(|(action, state)| format!("\n{action:?} -> {state:?}"));
    format!("{:?}{}", path.start, steps.collect::<String>())
}

/// Everything that a search tells, but for the time that it took.
fn told<S: Star>(outcome: &Outcome<StarSystem<S>>) -> String {
    let findings = outcome.findings.iter().map(|finding| {
        let path = finding.path.as_ref().map(describe);
        format!("{:?} {} {}\n", finding.verdict, finding.rejected, path.unwrap_or_default())
    });
    let error = match &outcome.error {
        None => String::new(),
        Some(ModelError::Deadlock(path)) => format!("deadlock {}", describe(path)),
        Some(ModelError::Unhandled(what, path)) => format!("{what} {}", describe(path)),
    };
    let Outcome { states, transitions, depth, complete, stopped, rule_counts, .. } = outcome;
    let numbers = format!("{states} {transitions} {depth} {complete} {stopped:?} {rule_counts:?}");
    format!("{numbers}\n{}{error}", findings.collect::<String>())
}

/// Properties of a generated star that look at this and that.
fn properties(salt: u8) -> Vec<StarProperty<Generated>> {
    let value = |state: &State<Generated>, at: usize| state.local(at).value;
    let test = move |state: &State<Generated>| {
        // The second actor is read only if the first has some value.
        !(value(state, 0) == salt % VALUES && value(state, 2) == salt / 4 % VALUES)
    };
    let step = |kind, test: Arc<StepTest<StarSystem<Generated>>>| Property {
        name: String::new(),
        kind,
        test: Test::Step(test),
    };
    vec![
        of_states(Kind::State, test),
        of_states(Kind::Sometimes, move |state| value(state, 3) == salt / 16 % VALUES),
        of_states(Kind::State, |_| true),
        of_states(Kind::Sometimes, move |state: &State<Generated>| {
            state.locals().all(|local| local.value == salt % VALUES)
        }),
        step(
            Kind::Step,
            Arc::new(move |_, before, _, after| {
                !(value(before, 0) == salt % VALUES && value(after, 0) == salt / 64)
            }),
        ),
        step(
            Kind::Step,
            Arc::new(move |_, before, action, _| {
                value(before, 0) != salt / 4 % VALUES || !matches!(action.get(), Action::Fault(_))
            }),
        ),
        step(
            Kind::Sometimes,
            Arc::new(move |_, _, action, after| {
                matches!(action.get(), Action::Serve(..)) && value(after, 1) == salt / 8 % VALUES
            }),
        ),
        // It holds, or not, where nothing changes, too.
        step(
            Kind::Step,
            Arc::new(move |_, before, _, after| value(before, 1) + value(after, 2) != salt % 8),
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 400,
        ..ProptestConfig::default()
    })]

    #[test]
    fn generated_stars_are_searched_alike(
        star in stars(),
        salt in any::<u8>(),
        chosen in any::<u8>(),
        picky in any::<bool>(),
        max_states in 500..4000u64,
    ) {
        let system = StarSystem(star);
        let all = properties(salt).into_iter().enumerate();
        let properties: Vec<_> =
            all.filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, property)| property).collect();
        let accept = |path: Path<StarSystem<Generated>>| {
            let counts = !picky || path.end().fingerprint().0.is_multiple_of(5);
            counts.then_some(path)
        };
        let options = |threads| Options {
            threads,
            limits: Limits { max_states: Some(max_states), ..Limits::default() },
            accept: Some(&accept),
            ..Options::default()
        };
        let plain = told(&reference::breadth_first(&system, &properties, &options(1)));
        for (threads, grain) in [(1, Grain::default()), (1, FINE), (2, FINE), (3, FINE)] {
            let found = search(&system, &properties, &options(threads), grain);
            prop_assert_eq!(&plain, &told(&found), "{} threads", threads);
        }
    }
}

#[test]
fn generated_stars_do_all_kinds_of_things() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = [0usize; 6];
    for _ in 0..150 {
        let system = StarSystem(stars().new_tree(&mut runner).unwrap().current());
        let limits = Limits { max_states: Some(3000), ..Limits::default() };
        let options = Options { limits, ..Options::default() };
        let outcome = breadth_first(&system, &properties(27), &options);
        let verdict = |at: usize| outcome.findings[at].verdict;
        let signs = [
            outcome.states > 300,
            outcome.complete,
            matches!(outcome.error, Some(ModelError::Deadlock(_))),
            matches!(outcome.error, Some(ModelError::Unhandled(..))),
            [0, 4, 5, 7].iter().any(|&at| verdict(at) == Verdict::Violated),
            verdict(6) == Verdict::Reachable,
        ];
        for (seen, sign) in seen.iter_mut().zip(signs) {
            *seen += usize::from(sign);
        }
    }
    assert!(seen.iter().all(|&times| times >= 3), "{seen:?}");
}

#[test]
fn a_book_is_lent_to_one_reader_at_a_time() {
    let system = StarSystem(Lending { readers: 3, forgets: 2 });
    let exclusive = || of_states::<Lending>(Kind::State, |state| holders(state) <= 1);
    let lent = || of_states::<Lending>(Kind::Sometimes, |state| holders(state) == 1);
    let options = Options::default();
    let properties = [exclusive(), lent()];
    let plain = reference::breadth_first(&system, &properties, &options);
    let found = breadth_first(&system, &properties, &options);
    assert_eq!(told(&plain), told(&found));
    assert!(found.states > 1000, "{}", found.states);
    assert_eq!(found.findings[1].verdict, Verdict::Reachable);
    assert_eq!(found.findings[1].path.as_ref().unwrap().steps.len(), 2, "asked, and served");
}

#[test]
fn one_reader_reaches_the_states_that_are_counted_by_hand() {
    // He knows that it is there; he has asked; he has it; he is bringing it back; it is back, and he
    // is yet to hear so, and to begin again. Five states in a ring.
    let system = StarSystem(Lending { readers: 1, forgets: 0 });
    let found = breadth_first(&system, &[], &Options::default());
    assert!(found.error.is_none() && found.complete);
    assert_eq!((found.states, found.transitions, found.depth), (5, 5, 4));
}

#[test]
fn a_search_that_stops_says_so_and_decides_nothing_it_has_not_seen() {
    let system = StarSystem(Lending { readers: 3, forgets: 2 });
    let property = || of_states::<Lending>(Kind::State, |state| holders(state) <= 1);
    let verdict = |options: &Options<'_, StarSystem<Lending>>| {
        let outcome = search(&system, &[property()], options, FINE);
        assert!(!outcome.complete);
        assert_eq!(outcome.findings[0].verdict, Verdict::Unknown);
        outcome.stopped.unwrap()
    };
    let limited = |limits| Options { limits, ..Options::default() };
    let unlimited = Limits::default();
    let stop = AtomicBool::new(true);
    assert_eq!(verdict(&Options { stop: Some(&stop), ..Options::default() }), "interrupted");
    let timeout = Some(Duration::ZERO);
    assert!(verdict(&limited(Limits { timeout, ..unlimited })).contains("time"));
    let max_states = Some(10);
    assert!(verdict(&limited(Limits { max_states, ..unlimited })).contains("states"));
    if usage::memory().is_some() {
        let max_memory = Some(1);
        assert!(verdict(&limited(Limits { max_memory, ..unlimited })).contains("memory"));
    }
    // In the middle of a level, too.
    let stop = AtomicBool::new(false);
    let progress = |at: Progress| stop.store(at.depth >= 3, Ordering::Relaxed);
    let options = Options { stop: Some(&stop), progress: Some(&progress), ..Options::default() };
    assert_eq!(verdict(&options), "interrupted");
}

#[test]
fn a_violation_before_the_stop_counts() {
    let system = StarSystem(Lending { readers: 2, forgets: 0 });
    let nobody = of_states::<Lending>(Kind::State, |state| holders(state) == 0);
    let limits = Limits { max_states: Some(12), ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let outcome = breadth_first(&system, &[nobody], &options);
    assert!(!outcome.complete);
    assert_eq!(outcome.findings[0].verdict, Verdict::Violated);
}

#[test]
fn actions_are_looked_at_or_not() {
    let who = |process: usize| {
        let test = move |_: &_,
                         _: &State<Lending>,
                         action: &Taken<'_, ActionOf<Lending>>,
                         _: &State<Lending>| matches!(action.get(), Action::Serve(ProcessId(served), _) if *served == process);
        let test = Test::Step(Arc::new(test));
        Property::<StarSystem<Lending>> { name: String::new(), kind: Kind::Sometimes, test }
    };
    let system = StarSystem(Lending { readers: 3, forgets: 0 });
    let outcome = breadth_first(&system, &[who(0), who(2), who(7)], &Options::default());
    let verdicts: Vec<_> = outcome.findings.iter().map(|finding| finding.verdict).collect();
    assert_eq!(verdicts, [Verdict::Reachable, Verdict::Reachable, Verdict::Unreachable]);
    let path = outcome.findings[1].path.as_ref().unwrap();
    let last = &path.steps.last().unwrap().0;
    assert!(matches!(last, Action::Serve(ProcessId(2), _)), "{last:?}");
}
