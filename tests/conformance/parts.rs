//! Parts of recordings are explained as well: their beginnings, and what comes after their start.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use node_recovery::conform::source::LogFile;
use node_recovery::conform::verdict::Verdict;

use crate::files::{judged, lines, log, recording};

/// How many events of a log are explained: all of them.
fn is_explained(log: &LogFile, what: &str) -> u32 {
    match judged(log, 400_000) {
        Verdict::Searched(history, answer) => {
            let reached = answer.reached(&history);
            let next: Vec<_> = history.next(&reached).collect();
            assert!(answer.conforms, "{what}: explained up to {next:#?}");
            history.length()
        }
        Verdict::NotModelled(what_not) => panic!("{what}: not modelled: {what_not}"),
        Verdict::Impossible(_, contradiction) => panic!("{what}: {contradiction:?}"),
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
        let explained = is_explained(&begun(name, pods), name);
        assert!(explained > 10, "{name}: only {explained} events are left");
    }
}

/// Pods that are not at rest yet, or nodes that are not Ready, are named.
#[test]
fn a_beginning_in_the_middle_of_things_is_named() {
    let log = begun("03-poweroff-recover-after-migration", 1);
    for (from, to, said) in [
        ("\"phase\":\"Running\"", "\"phase\":\"Pending\"", "at rest"),
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
