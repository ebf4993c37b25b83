//! Parts of recordings are explained as well: their beginnings, and what comes after their start.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use node_recovery::conform::source::LogFile;
use node_recovery::conform::verdict::Verdict;

use crate::files::{is_a_run, judged, lines, log, recording, recordings};

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

/// The events of a recording, in the order of their versions.
fn events(name: &str) -> Vec<Value> {
    let version = |line: &Value| -> u64 {
        let version = line["object"]["metadata"]["resourceVersion"].as_str();
        version.and_then(|version| version.parse().ok()).unwrap_or(0)
    };
    let all = lines(&recording(name));
    let mut events: Vec<Value> =
        all.into_iter().filter(|line| line["object"].is_object()).collect();
    events.sort_by_key(version);
    events
}

/// What is there after some events, as a list that a history begins with.
fn objects(events: &[Value]) -> Vec<Value> {
    let mut latest: BTreeMap<&str, Value> = BTreeMap::new();
    for line in events {
        let uid = line["object"]["metadata"]["uid"].as_str().unwrap_or_default();
        if line["type"] == "DELETED" {
            latest.remove(uid);
            continue;
        }
        let mut line = line.clone();
        (line["type"], line["initial"]) = (json!("ADDED"), json!(true));
        latest.insert(uid, line);
    }
    latest.into_values().collect()
}

/// A recording that begins after some of its events.
fn cut(events: &[Value], at: usize) -> LogFile {
    let lines: Vec<Value> =
        objects(&events[..at]).into_iter().chain(events[at..].to_vec()).collect();
    log(&lines)
}

/// The recording from the moment on in which its pods run: what came before is its beginning.
fn begun(name: &str, pods: usize) -> LogFile {
    let events = events(name);
    let at_rest = |line: &Value| {
        let kind = line["object"]["kind"].as_str().unwrap_or_default();
        let ready = line["object"]["status"]["availableReplicas"].as_u64();
        matches!(kind, "Deployment" | "StatefulSet") && ready == Some(pods as u64)
    };
    let at = events.iter().position(at_rest);
    cut(&events, at.unwrap_or_else(|| panic!("{name} never comes to rest")) + 1)
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

/// `kubectl` does not mark what its watch begins with: nodes, and pods that run already.
#[test]
fn what_a_history_begins_with_need_not_be_marked() {
    for (name, pods) in [
        ("03-poweroff-recover-after-migration", None),
        ("06-partition-recover-after-migration", Some(1)),
        ("09-statefulset-poweroff-recover", Some(1)),
    ] {
        let log = pods.map_or_else(|| recording(name), |pods| begun(name, pods));
        let text = log.text.replace(",\"initial\":true", "").replace("\"initial\":true,", "");
        assert_ne!(text, log.text, "{name} marks something");
        is_explained(&LogFile { name: log.name, text }, name);
    }
}

/// What nothing in the log tells, and no start could have led to, is named.
#[test]
fn a_beginning_that_cannot_be_is_named() {
    let log = begun("03-poweroff-recover-after-migration", 1);
    let text = log.text.lines().map(|line| {
        let begins = line.contains("\"initial\":true");
        let other = line.replace("\"KubeletReady\"", "\"KubeletNotReady\"");
        format!("{}\n", if begins { other } else { line.to_string() })
    });
    let log = LogFile { name: "log".to_string(), text: text.collect() };
    let Verdict::NotModelled(what) = judged(&log, 10) else { panic!("is searched") };
    assert!(what.contains("node condition Ready"), "{what}");
}

/// Whether an event shows a node that is not Ready.
fn is_unready(line: &Value) -> bool {
    let conditions = line["object"]["status"]["conditions"].as_array().into_iter().flatten();
    let mut ready = conditions.filter(|condition| condition["type"] == "Ready");
    line["object"]["kind"] == "Node" && ready.any(|condition| condition["status"] != "True")
}

/// Where a recording can be cut so that it begins with a node that is not Ready.
fn cuts(events: &[Value]) -> Vec<usize> {
    let unready = |at: &usize| objects(&events[..*at]).iter().any(is_unready);
    (1..events.len()).filter(unready).collect()
}

/// Recordings in which a node is seen to be lost.
const WITH_A_LOST_NODE: usize = 39;

/// What cuts of recordings need that is not modelled.
const NOT_MODELLED: [(&str, &str); 2] = [
    ("30-user-deletes-deployment-while-node-partitioned", "a ReplicaSet whose Deployment stays"),
    ("44-rolling-update-while-node-down", "an earlier template that still has pods"),
];

/// Each recording in which a node is lost, begun as soon as it is, and at times after that.
#[test]
fn a_history_may_begin_while_a_node_is_lost() {
    let (mut wrong, mut explained) = (Vec::new(), BTreeSet::new());
    for name in recordings() {
        let events = events(&name);
        let cuts = cuts(&events);
        // The first, the last, and some between them.
        let some = cuts.iter().step_by(7).chain(cuts.last()).copied();
        for at in some.collect::<BTreeSet<usize>>() {
            let not_modelled = NOT_MODELLED.iter().find(|(of, _)| *of == name);
            let said = match judged(&cut(&events, at), 100_000) {
                Verdict::Searched(history, answer) if answer.conforms => {
                    is_a_run(&history, &answer);
                    explained.insert(name.clone());
                    continue;
                }
                Verdict::NotModelled(what)
                    if not_modelled.is_some_and(|(_, known)| what.contains(known)) =>
                {
                    continue;
                }
                Verdict::Searched(history, answer) => {
                    let reached = answer.reached(&history);
                    let next: Vec<_> = history.next(&reached).map(|next| &next.text).collect();
                    format!("explained up to {next:?}")
                }
                Verdict::NotModelled(what) => format!("not modelled: {what}"),
                Verdict::Impossible(_, contradiction) => format!("{contradiction:?}"),
            };
            wrong.push(format!("{name}, begun after {at} events: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(explained.len(), WITH_A_LOST_NODE);
}
