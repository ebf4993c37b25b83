//! The engines against each other, on clusters: the same states, verdicts and runs.

use std::fmt::Write;

use models::guarantees;
use node_recovery::engine::property::Verdict;
use node_recovery::engine::search::{Limits, ModelError, Options, Outcome, Path};
use node_recovery::engine::star::StarSystem;
use node_recovery::engine::system::System as _;
use node_recovery::engine::{compact, reference};
use node_recovery::scenario::cluster::Cluster;
use node_recovery::scenario::properties::property;
use node_recovery::scenario::{Input, load};
use proptest::prelude::*;

type System = StarSystem<Cluster>;

/// Everything that a search tells, but for the time that it took.
fn told(outcome: &Outcome<System>) -> String {
    let mut out = String::new();
    let path = |out: &mut String, path: &Path<System>| {
        for (action, state) in &path.steps {
            writeln!(out, "  {action:?} {:?}", state.fingerprint()).unwrap();
        }
    };
    let Outcome { states, transitions, depth, complete, stopped, rule_counts, .. } = outcome;
    writeln!(out, "{states} {transitions} {depth} {complete} {stopped:?} {rule_counts:?}").unwrap();
    for (finding, guarantee) in outcome.findings.iter().zip(guarantees::ALL) {
        writeln!(out, "{} {:?} {}", guarantee.name, finding.verdict, finding.rejected).unwrap();
        finding.path.iter().for_each(|found| path(&mut out, found));
    }
    match &outcome.error {
        None => {}
        Some(ModelError::Deadlock(found)) => path(&mut out, found),
        Some(ModelError::Unhandled(what, found)) => {
            writeln!(out, "{what}").unwrap();
            path(&mut out, found);
        }
    }
    out
}

fn agree(text: &str, max_states: u64) -> Result<u64, TestCaseError> {
    let scenarios = load(&[Input { name: "s.yaml".into(), text: text.into() }]);
    let scenarios = scenarios.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
    let system = StarSystem(Cluster { config: scenarios[0].config.clone() });
    let properties: Vec<_> = guarantees::ALL.iter().map(property).collect();
    let accept = |path: Path<System>| {
        let counts = !path.end().fingerprint().0.is_multiple_of(3);
        counts.then_some(path)
    };
    let options = |threads| Options {
        threads,
        limits: Limits { max_states: Some(max_states), ..Limits::default() },
        accept: Some(&accept),
        ..Options::default()
    };
    let plain = reference::breadth_first(&system, &properties, &options(1));
    for threads in [1, 2] {
        let found = compact::breadth_first(&system, &properties, &options(threads));
        prop_assert_eq!(told(&plain), told(&found), "{} threads\n{}", threads, text);
    }
    Ok(plain.states)
}

/// A workload, some nodes, and a few faults.
fn scenario(
    (version, watch, nodes, replicas): (u8, &str, usize, u8),
    faults: &[(&str, u8)],
    grace: u16,
    sigterm: &str,
) -> String {
    let faults: Vec<String> = faults.iter().map(|(name, n)| format!("{name}: {n}")).collect();
    let nodes = ["a", "b", "c", "d"][..nodes].join(", ");
    let faults = faults.join(", ");
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: {grace}
      containers: [{{name: c, image: nginx}}]
---
apiVersion: node-recovery/v1
kind: Scenario
metadata: {{name: s}}
spec:
  kubernetes: \"1.{version}\"
  nodes: [{nodes}]
  watch: {watch}
  faults: {{{faults}}}
  containers: {{onSigterm: {sigterm}}}
"
    )
}

const FAULTS: [&str; 8] = [
    "powerOff",
    "partition",
    "kubeletCrash",
    "runtimeCrash",
    "controllerManagerCrash",
    "slowStart",
    "slowHeartbeat",
    "powerOff",
];

/// Verdicts, and how long the traces are.
fn verdicts(outcome: &Outcome<System>) -> Vec<(&'static str, Verdict, Option<usize>)> {
    let findings = outcome.findings.iter().zip(guarantees::ALL);
    let length = |path: &Path<System>| path.steps.len();
    findings.map(|(f, g)| (g.name, f.verdict, f.path.as_ref().map(length))).collect()
}

/// Whether a run can be taken, step by step.
fn replays(system: &System, path: &Path<System>) -> bool {
    let states = std::iter::once(&path.start).chain(path.steps.iter().map(|(_, state)| state));
    let mut steps = states.zip(&path.steps);
    steps.all(|(before, (action, after))| {
        let mut actions = Vec::new();
        system.actions(before, &mut actions);
        actions.contains(action) && system.step(before, action).state == *after
    })
}

/// Reductions find what there is without them. None if that is too much.
fn symmetry_agrees(text: &str, max_states: u64) -> Option<(u64, u64)> {
    let scenarios = load(&[Input { name: "s.yaml".into(), text: text.into() }]);
    let scenario = scenarios.unwrap_or_else(|error| panic!("{error}\n{text}")).remove(0);
    let system = StarSystem(Cluster { config: scenario.config });
    let properties: Vec<_> = guarantees::ALL.iter().map(property).collect();
    let search = |threads, symmetry| {
        let limits = Limits { max_states: Some(max_states), ..Limits::default() };
        let persistent = symmetry;
        let options = Options { threads, limits, symmetry, persistent, ..Options::default() };
        compact::breadth_first(&system, &properties, &options)
    };
    let all = search(1, false);
    let one = search(1, true);
    if !all.complete {
        return None;
    }
    assert!(one.complete, "{text}");
    assert_eq!(verdicts(&all), verdicts(&one), "{text}");
    assert_eq!(all.depth, one.depth, "{text}");
    assert_eq!(told(&one), told(&search(2, true)), "{text}");
    assert!(one.findings.iter().flat_map(|f| &f.path).all(|path| replays(&system, path)));
    Some((all.states, one.states))
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 12,
        ..ProptestConfig::default()
    })]

    #[test]
    fn symmetry_finds_what_there_is_without_it(
        version in 26..=36u8,
        nodes in 2..=3usize,
        replicas in 1..=2u8,
        fault in proptest::sample::select(FAULTS.to_vec()),
        grace in proptest::sample::select(vec![0u16, 30]),
    ) {
        let scenario = scenario((version, "fresh", nodes, replicas), &[(fault, 1)], grace, "exits");
        symmetry_agrees(&scenario, 60_000);
    }
}

#[test]
fn four_nodes_of_which_any_may_fail_are_mostly_one() {
    let text = scenario((36, "fresh", 4, 1), &[("kubeletCrash", 1)], 30, "exits");
    let (all, one) = symmetry_agrees(&text, 400_000).expect("few enough");
    assert!(one * 2 < all, "{one} of {all}");
}

/// A pod that is not placed yet, and nodes that are all alike.
#[test]
fn four_nodes_that_are_all_alike_are_hardly_ever_told_apart() {
    let text = scenario((36, "fresh", 4, 1), &[("powerOff", 1), ("powerOn", 0)], 30, "exits");
    let text = text.replace("  faults:", "  start: empty\n  faults:");
    let (all, one) = symmetry_agrees(&text, 20_000).expect("few enough");
    assert!(one * 7 < all, "{one} of {all}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 16,
        ..ProptestConfig::default()
    })]

    #[test]
    fn clusters_are_searched_alike(
        version in 26..=36u8,
        watch in proptest::sample::select(vec!["fresh", "{lag: 1}", "{lag: 2}", "unbounded"]),
        nodes in 1..=3usize,
        replicas in 1..=2u8,
        first in proptest::sample::select(FAULTS.to_vec()),
        second in proptest::option::of(proptest::sample::select(FAULTS.to_vec())),
        grace in proptest::sample::select(vec![0u16, 30]),
        sigterm in proptest::sample::select(vec!["exits", "ignores"]),
    ) {
        let second = second.filter(|second| *second != first);
        let faults: Vec<(&str, u8)> =
            [Some(first), second].into_iter().flatten().map(|name| (name, 1)).collect();
        agree(&scenario((version, watch, nodes, replicas), &faults, grace, sigterm), 4000)?;
    }
}

#[test]
fn a_whole_scenario_is_searched_alike() {
    let text = scenario((36, "fresh", 2, 1), &[("powerOff", 1)], 30, "exits");
    let states = agree(&text, 60_000).unwrap_or_else(|error| panic!("{error}"));
    assert!(states > 20_000, "{states}");
}
