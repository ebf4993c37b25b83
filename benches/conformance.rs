//! How many events a second of a long log are explained: `cargo bench --bench conformance`.
//!
//! The logs are made of the model's own runs: incident after incident, on the clusters of two
//! recordings. What is measured is reading, deriving and searching; a story is not told.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use models::config::ClusterConfig;
use node_recovery::conform::search::Limits;
use node_recovery::conform::source::{LogFile, read};
use node_recovery::conform::tables::Given;
use node_recovery::conform::told::Telling;
use node_recovery::conform::verdict::{Verdict, judge};

#[path = "../tests/conformance/dice.rs"]
mod dice;
#[path = "../tests/conformance/generated.rs"]
mod generated;
#[path = "../tests/conformance/writer.rs"]
mod writer;

fn cluster(name: &str) -> ClusterConfig {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let file = File::open(folder.join(format!("{name}.jsonl.gz"))).expect("a recording");
    let log = read(name, file).expect("a packed text");
    match judge(&[log], &Given::default(), Limits { states: 1 }) {
        Ok(Verdict::Searched(history, _)) => ClusterConfig { max_pods: 32, ..history.config },
        _ => panic!("{name} is searched"),
    }
}

fn measure(log: &LogFile, faults: bool, what: &str) {
    let given = Given { telling: Telling { faults, containers: false }, ..Given::default() };
    let start = Instant::now();
    let verdict = judge(std::slice::from_ref(log), &given, Limits { states: 400_000 });
    let took = start.elapsed().as_secs_f64();
    let Ok(Verdict::Searched(history, answer)) = verdict else { panic!("{what} is searched") };
    let events = answer.reached(&history).events();
    let told = if faults { "told" } else { "inferred" };
    println!(
        "{what}, faults {told}: {events} of {} events, {} states, {took:.2} s, {:.0} events/s",
        history.length(),
        answer.states,
        f64::from(events) / took,
    );
}

fn main() {
    for name in ["11-out-of-service-taint", "20-two-replicas-one-node-lost"] {
        let config = cluster(name);
        for seed in [4711, 4712, 4713] {
            let log = generated::generated(&config, seed, 3_000);
            for faults in [true, false] {
                measure(&log, faults, &format!("{name} {seed}"));
            }
        }
    }
}
