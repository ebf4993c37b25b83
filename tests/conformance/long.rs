//! Long histories are explained, and in time.

use std::time::{Duration, Instant};

use models::config::ClusterConfig;
use node_recovery::conform::search::Limits;
use node_recovery::conform::source::LogFile;
use node_recovery::conform::tables::Given;
use node_recovery::conform::told::Telling;
use node_recovery::conform::verdict::{Verdict, judge};

use crate::files::{judged, recording};
use crate::generated::generated;

/// The cluster of a recording.
fn cluster(name: &str) -> ClusterConfig {
    let Verdict::Searched(history, _) = judged(&recording(name), 1) else { panic!("is searched") };
    // No creation waits for room.
    ClusterConfig { max_pods: 32, ..history.config }
}

/// Explains a log; its events and the states that it took.
fn explained(log: &LogFile, telling: Telling, what: &str) -> (u32, usize) {
    let given = Given { telling, ..Given::default() };
    let verdict = judge(std::slice::from_ref(log), &given, Limits { states: 4_000_000 });
    match verdict.expect("a log") {
        Verdict::Searched(history, answer) => {
            let next: Vec<_> = history.next(&answer.reached(&history)).cloned().collect();
            assert!(answer.conforms, "{what}: explained up to {next:#?}");
            (history.length(), answer.states)
        }
        Verdict::NotModelled(what_not) => panic!("{what}: not modelled: {what_not}"),
        Verdict::Impossible(_, contradiction) => panic!("{what}: {contradiction:?}"),
    }
}

/// Many faults after each other, told and not told.
#[test]
fn what_the_model_does_is_a_behaviour_of_the_model() {
    for name in ["20-two-replicas-one-node-lost", "11-out-of-service-taint"] {
        let config = cluster(name);
        for seed in 1..=4 {
            let log = generated(&config, seed * 7919, 150);
            for faults in [true, false] {
                let telling = Telling { faults, containers: false };
                explained(&log, telling, &format!("{name}, seed {seed}, faults told: {faults}"));
            }
        }
    }
}

/// The figure is printed; the bound is one that a slow and busy machine keeps too.
#[test]
fn a_long_history_is_explained_in_time() {
    let log = generated(&cluster("11-out-of-service-taint"), 4711, 3_000);
    for faults in [true, false] {
        let start = Instant::now();
        let telling = Telling { faults, containers: false };
        let (events, states) = explained(&log, telling, "a long history");
        let took = start.elapsed();
        println!("faults told: {faults}: {events} events, {states} states, {took:?}");
        assert!(took < Duration::from_secs(15), "{events} events took {took:?}");
    }
}
