//! Ways in which stateright 0.31 misleads its users, one test for each, showing that this program
//! is not misled. Where it is cheap, the test also shows that the trap is still there. (That the
//! Explorer shows verdicts while one clicks is tested in `explorer.rs`.)

use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use ::stateright::util::HashableHashSet;
use ::stateright::{Checker, Model};
use node_recovery::engine::fingerprint::Fingerprint;
use node_recovery::engine::property::{Kind, Property, Test, Verdict};
use node_recovery::engine::reference::breadth_first;
use node_recovery::engine::schedule::{record, replay};
use node_recovery::engine::search::{Limits, ModelError, Options, Outcome, Path};
use node_recovery::engine::simulate::random_run;
use node_recovery::engine::star::{Inbox, StarSystem};
use node_recovery::engine::stateright::{self, Strategy};
use node_recovery::engine::system::{Step, System};
use node_recovery::engine::usage;
use node_recovery::scenario::catalogue;
use node_recovery::scenario::cluster::{Cluster, ClusterState};

const BOTH: [Strategy; 2] = [Strategy::BreadthFirst, Strategy::DepthFirst];

/// Counts from 0 to `last`. What stateright would call a chain.
#[derive(Clone)]
struct Chain {
    last: u64,
    /// An end that is no proper one.
    stuck: bool,
    /// A state after which the next step is one that an actor cannot handle.
    error_at: u64,
}

impl Chain {
    fn to(last: u64) -> Self {
        Chain { last, stuck: false, error_at: u64::MAX }
    }
}

impl System for Chain {
    type State = u64;
    type Action = ();

    fn initial_states(&self) -> Vec<u64> {
        vec![0]
    }
    fn actions(&self, state: &u64, out: &mut Vec<()>) {
        out.extend((*state < self.last).then_some(()));
    }
    fn step(&self, state: &u64, (): &()) -> Step<u64> {
        let error = (*state == self.error_at).then_some("no handler");
        Step { state: state + 1, rules: vec![7], error }
    }
    fn fingerprint(&self, state: &u64) -> Fingerprint {
        Fingerprint::of(state)
    }
    fn is_fault(&self, (): &()) -> bool {
        false
    }
    fn is_quiet(&self, _: &u64) -> bool {
        !self.stuck
    }
}

/// The same chain, given to stateright as its documentation shows it.
impl Model for Chain {
    type State = u64;
    type Action = ();

    fn init_states(&self) -> Vec<u64> {
        System::initial_states(self)
    }
    fn actions(&self, state: &u64, out: &mut Vec<()>) {
        System::actions(self, state, out);
    }
    fn next_state(&self, state: &u64, action: ()) -> Option<u64> {
        Some(self.step(state, &action).state)
    }
    fn properties(&self) -> Vec<::stateright::Property<Self>> {
        vec![
            ::stateright::Property::always("below 5", |_, state| *state < 5),
            ::stateright::Property::always("true", |_, _| true),
        ]
    }
}

fn state<S: System>(
    name: &str,
    kind: Kind,
    test: impl Fn(&S::State) -> bool + Send + Sync + 'static,
) -> Property<S> {
    let test = Test::State(Arc::new(move |_: &S, state: &S::State| test(state)));
    Property { name: name.to_string(), kind, test }
}

fn check<S: System>(
    system: S,
    properties: &[Property<S>],
    strategy: Strategy,
    options: &Options<'_, S>,
) -> Outcome<S> {
    stateright::check(&Arc::new(system), properties, strategy, options)
}

fn length<S: System>(outcome: &Outcome<S>, property: usize) -> Option<usize> {
    outcome.findings[property].path.as_ref().map(|path| path.steps.len())
}

fn cluster() -> StarSystem<Cluster> {
    StarSystem(Cluster { config: catalogue::SCENARIOS[0].load().unwrap().config })
}

/// Two nodes, alike in everything, one of which gets a timer, which then fires.
#[derive(Clone)]
struct Twins;

impl System for Twins {
    type State = [Vec<&'static str>; 2];
    type Action = (usize, &'static str);

    fn initial_states(&self) -> Vec<Self::State> {
        vec![[vec![], vec![]]]
    }
    fn actions(&self, state: &Self::State, out: &mut Vec<Self::Action>) {
        for (at, timers) in state.iter().enumerate() {
            match timers.first() {
                Some(&"armed") => out.push((at, "fired")),
                Some(_) => {}
                None if state.iter().all(Vec::is_empty) => out.push((at, "armed")),
                None => {}
            }
        }
    }
    fn step(&self, state: &Self::State, (at, what): &Self::Action) -> Step<Self::State> {
        let mut state = state.clone();
        state[*at] = vec![what];
        Step { state, rules: Vec::new(), error: None }
    }
    fn fingerprint(&self, state: &Self::State) -> Fingerprint {
        Fingerprint::of(state)
    }
    fn is_fault(&self, _: &Self::Action) -> bool {
        false
    }
    fn is_quiet(&self, _: &Self::State) -> bool {
        true
    }
}

/// Stateright's own hash of a value, as its checkers compute it.
fn unique_states<T>(values: Vec<T>) -> usize
where
    T: Clone + PartialEq + std::fmt::Debug + std::hash::Hash + Send + Sync + 'static,
{
    struct Given<T>(Vec<T>);
    impl<T: Clone + Send + Sync + 'static> Model for Given<T> {
        type State = T;
        type Action = ();
        fn init_states(&self) -> Vec<T> {
            self.0.clone()
        }
        fn actions(&self, _: &T, _: &mut Vec<()>) {}
        fn next_state(&self, _: &T, (): ()) -> Option<T> {
            None
        }
        fn properties(&self) -> Vec<::stateright::Property<Self>> {
            vec![::stateright::Property::always("true", |_, _| true)]
        }
    }
    Given(values).checker().spawn_bfs().join().unique_state_count()
}

#[test]
fn trap_1_who_holds_a_timer_or_a_message_matters() {
    // Still there: stateright's hash sets have no length.
    let set = |members: &[u8]| members.iter().copied().collect::<HashableHashSet<u8>>();
    assert_eq!(unique_states(vec![vec![set(&[1]), set(&[])], vec![set(&[]), set(&[1])]]), 1);

    for strategy in BOTH {
        let fires = |at: usize| {
            state(&at.to_string(), Kind::Sometimes, move |nodes| {
                let nodes: &[Vec<&'static str>; 2] = nodes;
                nodes[at] == ["fired"]
            })
        };
        let outcome = check(Twins, &[fires(0), fires(1)], strategy, &Options::default());
        assert_eq!(outcome.states, 5);
        assert!(outcome.findings.iter().all(|found| found.verdict == Verdict::Reachable));
    }

    // The same event on its way to one process or to the other.
    let system = cluster();
    let start = &system.initial_states()[0];
    let event = models::objects::WatchEvent {
        kind: models::objects::EventType::Modified,
        object: models::objects::Object::Pod(models::view::Parts::api_server(start).pods[0]),
    };
    let with_event_for = |process: usize| {
        let locals = start.locals().cloned().collect();
        let mut inboxes: Vec<Inbox<_>> =
            start.processes().map(|process| start.inbox(process).clone()).collect();
        inboxes[process].0[0].as_mut().unwrap().push_back(event);
        ClusterState::new(locals, inboxes)
    };
    let (one, other) = (with_event_for(0), with_event_for(1));
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_eq!(unique_states(vec![start.clone(), one, other]), 3);
}

#[test]
fn trap_2_traces_are_shortest_with_several_properties() {
    // Still there: a later discovery overwrites the first.
    let path = Chain::to(1000).checker().spawn_bfs().join().discovery("below 5").unwrap();
    assert_eq!(path.into_actions().len(), 1000);

    let properties = [
        state("below 5", Kind::State, |state| *state < 5),
        state("below 9", Kind::State, |state| *state < 9),
        state("12", Kind::Sometimes, |state| *state == 12),
        state("never", Kind::Sometimes, |state| *state > 1000),
    ];
    for strategy in BOTH {
        let outcome = check(Chain::to(1000), &properties, strategy, &Options::default());
        let lengths = [0, 1, 2, 3].map(|property| length(&outcome, property));
        assert_eq!(lengths, [Some(5), Some(9), Some(12), None]);
        assert_eq!(outcome.findings[3].verdict, Verdict::Unreachable);
        // It goes on when everything is discovered: counts are those of the whole system.
        let decided = check(Chain::to(1000), &properties[..2], strategy, &Options::default());
        assert_eq!((decided.states, decided.transitions), (1001, 1000));
        assert_eq!(decided.rule_counts[7], 1000);
    }
}

/// The project's own sources, without this file.
fn sources() -> Vec<(PathBuf, String)> {
    fn collect(folder: &FilePath, out: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                out.push((path, text));
            }
        }
    }
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR"));
    let mut out = Vec::new();
    collect(&root.join("src"), &mut out);
    collect(&root.join("models/src"), &mut out);
    out
}

/// No source line (comments aside) has any of these texts.
fn nobody_uses(texts: &[&str]) {
    nobody_uses_but("", texts);
}

/// No source line (comments aside) has any of these texts, one file aside, and the unit tests that
/// hold our search against stateright's own.
fn nobody_uses_but(file: &str, texts: &[&str]) {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = sources();
    sources.retain(|(path, _)| {
        let path = path.strip_prefix(root).expect("sources are in the project");
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        !is_test && (file.is_empty() || !path.ends_with(file))
    });
    assert!(sources.iter().any(|(_, text)| text.contains("spawn_bfs(")), "the sources are found");
    for (file, text) in &sources {
        for (line, number) in text.lines().zip(1..) {
            let code = line.split("//").next().unwrap_or_default();
            for text in texts {
                assert!(!code.contains(text), "{}:{number} uses {text}", file.display());
            }
        }
    }
}

#[test]
fn trap_3_eventually_is_not_used() {
    /// Turns for ever between two states, in none of which the light is green.
    struct Turns;
    impl Model for Turns {
        type State = bool;
        type Action = ();
        fn init_states(&self) -> Vec<bool> {
            vec![false]
        }
        fn actions(&self, _: &bool, out: &mut Vec<()>) {
            out.push(());
        }
        fn next_state(&self, state: &bool, (): ()) -> Option<bool> {
            Some(!state)
        }
        fn properties(&self) -> Vec<::stateright::Property<Self>> {
            vec![::stateright::Property::eventually("green", |_, _| false)]
        }
    }
    // Still there: what never comes true is not found to be missing.
    assert!(Turns.checker().spawn_bfs().join().discovery("green").is_none());
    nobody_uses(&["Property::eventually", "Expectation::Eventually"]);
}

#[test]
fn trap_4_a_time_limit_counts_with_one_thread_too() {
    let endless = Chain::to(u64::MAX);
    let property = [state("small", Kind::State, |state| *state < u64::MAX)];
    for (strategy, threads) in [
        (Strategy::BreadthFirst, 1),
        (Strategy::BreadthFirst, 2),
        (Strategy::DepthFirst, 1),
        (Strategy::DepthFirst, 2),
    ] {
        let limits = Limits { timeout: Some(Duration::from_millis(100)), ..Limits::default() };
        let options = Options { threads, limits, ..Options::default() };
        let began = Instant::now();
        let outcome = check(endless.clone(), &property, strategy, &options);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert!(!outcome.complete && outcome.states > 1);
        assert_eq!(outcome.stopped, Some("the time limit was reached"));
        assert_eq!(outcome.findings[0].verdict, Verdict::Unknown);
    }
    nobody_uses(&[".timeout("]);
}

#[test]
fn other_ends_of_a_search_are_honoured_too() {
    let property = [state("small", Kind::State, |state| *state < u64::MAX)];
    for strategy in BOTH {
        let stop = AtomicBool::new(true);
        let options = Options { stop: Some(&stop), ..Options::default() };
        let outcome = check(Chain::to(u64::MAX), &property, strategy, &options);
        assert_eq!((outcome.complete, outcome.stopped), (false, Some("interrupted")));

        let at_most = |max| Limits { max_states: Some(max), ..Limits::default() };
        let options = Options { limits: at_most(300), ..Options::default() };
        let outcome = check(Chain::to(u64::MAX), &property, strategy, &options);
        assert_eq!(outcome.stopped, Some("the limit of states was reached"));
        assert!((300..=301).contains(&outcome.states), "{}", outcome.states);
        assert_eq!(outcome.findings[0].verdict, Verdict::Unknown);

        if usage::memory().is_some() {
            let limits = Limits { max_memory: Some(1), ..Limits::default() };
            let options = Options { limits, ..Options::default() };
            let outcome = check(Chain::to(u64::MAX), &property, strategy, &options);
            assert_eq!(outcome.stopped, Some("the limit of memory was reached"));
        }

        let outcome = check(Chain::to(9), &property, strategy, &options);
        assert_eq!((outcome.complete, outcome.stopped, outcome.states), (true, None, 10));
        assert_eq!(outcome.findings[0].verdict, Verdict::Holds);
    }
}

#[test]
fn trap_5_random_runs_replay_to_the_same_states() {
    let system = cluster();
    for seed in 0..50 {
        let run = random_run(&system, seed, 120).unwrap();
        let words = vec![String::new(); run.path.steps.len()];
        let schedule = record(&system, &run.path, &words);
        let replayed = replay(&system, &schedule);
        assert_eq!(replayed.divergence, None, "seed {seed}");
        let path = replayed.path.unwrap();
        assert_eq!(path.start, run.path.start);
        assert!(path.steps == run.path.steps, "seed {seed}: other steps than recorded");
    }
    nobody_uses(&["spawn_simulation"]);
}

#[test]
fn trap_6_nothing_rests_on_random_choices_of_actors() {
    nobody_uses(&["Choice<", "choice!", "ActorModel"]);
    // Actors of others may make choices: ours keeps them, as their timers, in sets with an order,
    // whose hashes tell who holds what.
    nobody_uses_but("src/engine/actors.rs", &["on_random", "choose_random"]);
}

#[test]
fn trap_8_symmetry_is_never_left_to_stateright() {
    // Two interchangeable nodes are two: with symmetry there would be 3 states.
    for strategy in BOTH {
        assert_eq!(check(Twins, &[], strategy, &Options::default()).states, 5);
        assert_eq!(breadth_first(&Twins, &[], &Options::default()).states, 5);
    }
    nobody_uses(&[".symmetry()", "symmetry_fn(", "RewritePlan", "impl Representative"]);
}

#[test]
fn errors_of_the_model_are_reported_with_their_runs() {
    for strategy in BOTH {
        let stuck = Chain { stuck: true, ..Chain::to(6) };
        let outcome = check(stuck, &[], strategy, &Options::default());
        let Some(ModelError::Deadlock(path)) = outcome.error else { panic!("no deadlock") };
        assert_eq!((path.steps.len(), outcome.complete), (6, false));

        let broken = Chain { error_at: 3, ..Chain::to(6) };
        let outcome = check(broken, &[], strategy, &Options::default());
        let Some(ModelError::Unhandled(what, path)) = outcome.error else { panic!("no error") };
        assert_eq!((what, path.steps.len()), ("no handler", 4));
    }
}

#[test]
fn a_run_that_fits_no_timing_does_not_count() {
    let property = [state("below 5", Kind::State, |state: &u64| *state < 5)];
    for strategy in BOTH {
        let even = |path: Path<Chain>| path.steps.len().is_multiple_of(2).then_some(path);
        let options = Options { accept: Some(&even), ..Options::default() };
        let outcome = check(Chain::to(20), &property, strategy, &options);
        assert_eq!(outcome.findings[0].verdict, Verdict::Violated);
        assert_eq!((length(&outcome, 0), outcome.findings[0].rejected), (Some(6), 1));

        let never = |_: Path<Chain>| None;
        let options = Options { accept: Some(&never), ..Options::default() };
        let outcome = check(Chain::to(20), &property, strategy, &options);
        assert_eq!(outcome.findings[0].verdict, Verdict::Unknown);
        assert!(outcome.complete && outcome.findings[0].rejected == 16);
    }
}

#[test]
fn a_long_run_is_taken_apart_without_a_deep_stack() {
    let outcome = check(Chain::to(20_000), &[], Strategy::DepthFirst, &Options::default());
    assert_eq!((outcome.states, outcome.depth), (20_001, 20_000));
}
