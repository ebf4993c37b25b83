//! The recordings: real clusters, Kubernetes 1.36.2, without the events and leases that are not
//! compared.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use node_recovery::conform::history::History;
use node_recovery::conform::search::{Answer, Limits};
use node_recovery::conform::source::{LogFile, read};
use node_recovery::conform::tables::Given;
use node_recovery::conform::verdict::{Verdict, judge};
use node_recovery::engine::star::StarSystem;
use node_recovery::engine::system::System;
use node_recovery::scenario::cluster::Cluster;

/// A folder of `tests`.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The names of all recordings.
pub fn recordings() -> Vec<String> {
    let entries = fs::read_dir(folder("recordings")).expect("the recordings");
    let names = entries.map(|entry| entry.expect("a file").file_name());
    let mut names: Vec<String> = names
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".jsonl.gz")?.to_string()))
        .collect();
    names.sort();
    names
}

/// A recording, unpacked.
pub fn recording(name: &str) -> LogFile {
    let file = folder("recordings").join(format!("{name}.jsonl.gz"));
    read(name, fs::File::open(file).expect("a recording")).expect("a packed text")
}

/// Judges a log that can be read.
pub fn judged(log: &LogFile, states: usize) -> Verdict {
    let verdict = judge(std::slice::from_ref(log), &Given::default(), Limits { states });
    verdict.unwrap_or_else(|bad| panic!("{} cannot be read: {bad:?}", log.name))
}

/// Lines of a log, as JSON.
pub fn lines(log: &LogFile) -> Vec<Value> {
    log.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A log of such lines.
pub fn log(lines: &[Value]) -> LogFile {
    let text = lines.iter().map(|line| format!("{line}\n")).collect();
    LogFile { name: "mutant".into(), text }
}

/// Fails unless the story is a run of the model that publishes the history and nothing else.
pub fn is_a_run(history: &History, answer: &Answer) {
    let system = StarSystem(Cluster { config: history.config.clone() });
    let mut state = answer.path.start.clone();
    assert!(history.beginnings(&system).iter().any(|beginning| beginning.state == state));
    let (mut at, mut bound) = (history.start(), history.bound.clone());
    for (action, after) in &answer.path.steps {
        let mut possible = Vec::new();
        system.actions(&state, &mut possible);
        assert!(possible.contains(action), "{action:?} is not possible");
        let detail = system.detail(&state, action);
        for event in &detail.events {
            let next = history.accept(&at, &bound, event);
            (at, bound) = next.unwrap_or_else(|| panic!("the log does not show {event:?}"));
        }
        state = detail.step.state;
        assert_eq!(state, *after);
    }
    assert_eq!(at.seen, answer.reached(history).seen);
    assert!(history.is_done(&answer.reached(history)));
}
