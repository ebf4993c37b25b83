//! Runs of the model, written down as logs, are explained: short ones, and one of thousands of events.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use models::config::ClusterConfig;
use models::faults::FaultKind;
use models::objects::Object;
use node_recovery::conform::source::LogFile;
use node_recovery::conform::verdict::Verdict;
use node_recovery::engine::star::{Action, StarSystem};
use node_recovery::engine::system::System;
use node_recovery::scenario::cluster::{Cluster, ClusterAction, ClusterState};

use crate::dice::Dice;
use crate::files::{judged, lines, log, recording};
use crate::writer::Writer;

/// The cluster of a recording.
fn cluster() -> ClusterConfig {
    let log = recording("20-two-replicas-one-node-lost");
    let Verdict::Searched(history, _) = judged(&log, 10_000) else { panic!("is searched") };
    history.config
}

/// What befalls the nodes of a generated run.
const BEFALLS: [FaultKind; 6] = [
    FaultKind::PowerOff,
    FaultKind::PowerOn,
    FaultKind::Partition,
    FaultKind::Heal,
    FaultKind::KubeletCrash,
    FaultKind::KubeletRestart,
];

fn choose(dice: &mut Dice, actions: &[ClusterAction], broken: usize) -> ClusterAction {
    let by_itself: Vec<_> =
        actions.iter().filter(|action| !matches!(action, Action::Fault(_))).collect();
    let faults: Vec<_> = actions
        .iter()
        .filter(|action| match action {
            Action::Fault(fault) => {
                let mends = !fault.kind.mends().is_empty();
                BEFALLS.contains(&fault.kind) && fault.kept == 0 && (mends || broken < 2)
            }
            _ => false,
        })
        .collect();
    let strikes = by_itself.is_empty() || (!faults.is_empty() && dice.roll(60) == 0);
    let from = if strikes { faults } else { by_itself };
    from[dice.roll(from.len())].clone()
}

/// A random run of at least so many events, as a log.
fn generated(config: &ClusterConfig, seed: u64, events: usize) -> LogFile {
    let system = StarSystem(Cluster { config: config.clone() });
    let mut state: ClusterState = system.initial_states().remove(0);
    let api = system.0.view(&state).api();
    let start: Vec<Object> = (api.nodes.iter().copied().map(Object::Node))
        .chain(api.replica_sets.iter().copied().map(Object::ReplicaSet))
        .chain(api.deployments.iter().copied().map(Object::Deployment))
        .collect();
    let mut writer = Writer::new(config, &start);
    let (mut dice, mut written, mut broken) = (Dice::new(seed), 0, 0usize);
    while written < events {
        let mut actions = Vec::new();
        system.actions(&state, &mut actions);
        let action = choose(&mut dice, &actions, broken);
        if let Action::Fault(fault) = &action {
            broken =
                if !fault.kind.mends().is_empty() { broken.saturating_sub(1) } else { broken + 1 };
        }
        let detail = system.detail(&state, &action);
        written += detail.events.len();
        detail.events.iter().for_each(|event| writer.event(event));
        state = detail.step.state;
    }
    writer.finish()
}

fn is_explained(log: &LogFile, what: &str) -> (u32, usize) {
    match judged(log, 400_000) {
        Verdict::Searched(history, answer) => {
            let reached = answer.reached(&history);
            let next: Vec<_> = history.next(&reached).collect();
            assert!(answer.conforms, "{what}: explained up to {next:#?}");
            (history.length(), answer.states)
        }
        Verdict::NotModelled(what_not) => panic!("{what}: not modelled: {what_not}"),
        Verdict::Impossible(_, contradiction) => panic!("{what}: {contradiction:?}"),
    }
}

#[test]
fn what_the_model_does_is_a_behaviour_of_the_model() {
    let config = cluster();
    for seed in 1..=12 {
        is_explained(&generated(&config, seed * 7919, 120), &format!("seed {seed}"));
    }
}

/// A log may be cut anywhere: what happens is never owed.
#[test]
fn the_beginning_of_a_history_is_a_history() {
    let log = recording("03-poweroff-recover-after-migration");
    let lines: Vec<&str> = log.text.lines().collect();
    for end in (24..lines.len()).step_by(3) {
        let text = lines[..end].iter().map(|line| format!("{line}\n")).collect();
        let cut = LogFile { name: log.name.clone(), text };
        is_explained(&cut, &format!("the first {end} lines"));
    }
}

/// The figure is printed; the bound is one that a slow and busy machine keeps too.
#[test]
fn a_long_history_is_explained_in_time() {
    let events = 5_000;
    let log = generated(&cluster(), 4711, events);
    let start = Instant::now();
    let (explained, states) = is_explained(&log, "a long history");
    let took = start.elapsed();
    println!("{explained} events, {states} states, {took:?}");
    assert!(took < Duration::from_secs(60), "{explained} events took {took:?}");
}

/// The recording from the moment on in which its pods run: what came before is its beginning.
fn begun(name: &str, pods: usize) -> LogFile {
    let all = lines(&recording(name));
    let version = |line: &Value| -> u64 {
        let version = line["object"]["metadata"]["resourceVersion"].as_str();
        version.and_then(|version| version.parse().ok()).unwrap_or(0)
    };
    let mut events: Vec<&Value> = all.iter().filter(|line| line["object"].is_object()).collect();
    events.sort_by_key(|line| version(line));
    let mut latest: BTreeMap<String, Value> = BTreeMap::new();
    let at_rest = |latest: &BTreeMap<String, Value>| {
        let counts = |line: &&Value| {
            let kind = line["object"]["kind"].as_str().unwrap_or_default();
            let ready = line["object"]["status"]["availableReplicas"].as_u64();
            matches!(kind, "Deployment" | "StatefulSet") && ready == Some(pods as u64)
        };
        latest.values().any(|line| counts(&line))
    };
    let mut rest = Vec::new();
    for line in events {
        if at_rest(&latest) {
            rest.push(line.clone());
            continue;
        }
        let uid = line["object"]["metadata"]["uid"].as_str().unwrap_or_default();
        let mut line = line.clone();
        (line["type"], line["initial"]) = (json!("ADDED"), json!(true));
        latest.insert(uid.to_string(), line);
    }
    assert!(!rest.is_empty(), "{name} never comes to rest");
    let lines: Vec<Value> = latest.into_values().chain(rest).collect();
    log(&lines)
}

#[test]
fn a_history_may_begin_with_pods() {
    for (name, pods) in [
        ("01-poweroff-recover-before-eviction", 1),
        ("03-poweroff-recover-after-migration", 1),
        ("06-partition-recover-after-migration", 1),
        ("09-statefulset-poweroff-recover", 1),
        ("20-two-replicas-one-node-lost", 2),
    ] {
        let (explained, _) = is_explained(&begun(name, pods), name);
        assert!(explained > 10, "{name}: only {explained} events are left");
    }
}

/// Pods that are not at rest yet, or nodes that are not Ready, are named.
#[test]
fn a_beginning_in_the_middle_of_things_is_named() {
    let log = begun("03-poweroff-recover-after-migration", 1);
    for (from, to, said) in [
        ("\"phase\":\"Running\"", "\"phase\":\"Failed\"", "at rest"),
        ("\"KubeletReady\"", "\"KubeletNotReady\"", "node condition Ready"),
    ] {
        let text = log.text.lines().map(|line| {
            let begins = line.contains("\"initial\":true");
            format!("{}\n", if begins { line.replace(from, to) } else { line.to_string() })
        });
        let log = LogFile { name: "log".to_string(), text: text.collect() };
        match judged(&log, 10) {
            Verdict::NotModelled(what) => assert!(what.contains(said), "{what}"),
            Verdict::Searched(..) => panic!("{to} is searched"),
            Verdict::Impossible(_, contradiction) => panic!("{contradiction:?}"),
        }
    }
}
