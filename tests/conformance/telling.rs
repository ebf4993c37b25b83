//! What a log tells of faults and containers agrees with the story, if that is asked for.

use serde_json::{Value, json};

use node_recovery::conform::search::Limits;
use node_recovery::conform::source::LogFile;
use node_recovery::conform::tables::Given;
use node_recovery::conform::told::Telling;
use node_recovery::conform::verdict::{Verdict, judge};
use node_recovery::engine::star::Action;

use crate::files::{lines, log, recording, recordings};

const BOTH: Telling = Telling { faults: true, containers: true };

/// A small search is enough: what happened is told.
const STATES: usize = 60_000;

fn told(log: &LogFile, telling: Telling) -> Verdict {
    let given = Given { telling, ..Given::default() };
    judge(std::slice::from_ref(log), &given, Limits { states: STATES }).expect("a log")
}

fn conforms(log: &LogFile, telling: Telling) -> bool {
    matches!(told(log, telling), Verdict::Searched(_, answer) if answer.conforms)
}

/// Faults where they were injected and containers as containerd saw them explain each recording.
#[test]
fn the_truth_explains_every_recording() {
    for name in recordings() {
        let recorded = recording(&name);
        let Verdict::Searched(history, answer) = told(&recorded, BOTH) else {
            panic!("{name} is not searched");
        };
        let next: Vec<_> = history.next(&answer.reached(&history)).cloned().collect();
        assert!(answer.conforms, "{name} with its own faults, from {next:#?} on");
    }
}

/// The faults of the story are those of the log, in number and order.
#[test]
fn a_kubelet_that_nobody_missed_is_told_of() {
    let Verdict::Searched(_, answer) = told(&recording("07-kubelet-crash-restart"), BOTH) else {
        panic!("is not searched");
    };
    assert!(answer.conforms);
    let steps = answer.path.steps.iter();
    let faults = steps.filter(|(action, _)| matches!(action, Action::Fault(_))).count();
    assert_eq!(faults, 2);
}

const CUT_OFF: &str = "06-partition-recover-after-migration";

/// The recording of a cut, with a change.
fn altered(change: impl Fn(&mut Vec<Value>)) -> LogFile {
    let mut lines = lines(&recording(CUT_OFF));
    change(&mut lines);
    log(&lines)
}

fn fault(lines: &[Value], text: &str) -> usize {
    lines.iter().position(|line| line["event"] == text).expect("such a fault")
}

#[test]
fn faults_that_were_not_so_are_refused() {
    let with = Telling { faults: true, containers: false };
    assert!(conforms(&altered(|_| {}), with));
    let elsewhere = altered(|lines| {
        for verb in ["partition", "heal"] {
            let at = fault(lines, &format!("{verb} node-b"));
            lines[at]["event"] = json!(format!("{verb} node-d"));
        }
    });
    let missing = altered(|lines| drop(lines.remove(fault(lines, "partition node-b"))));
    let late = altered(|lines| {
        let at = fault(lines, "partition node-b");
        lines[at]["ts"] = lines.last().expect("lines")["ts"].clone();
    });
    let another = altered(|lines| {
        let at = fault(lines, "heal node-b");
        let mut more = lines[at].clone();
        more["event"] = json!("poweroff node-b");
        lines.insert(at, more);
    });
    for (wrong, what) in
        [(elsewhere, "elsewhere"), (missing, "missing"), (late, "late"), (another, "another")]
    {
        assert!(!conforms(&wrong, with), "a fault that is {what} is not noticed");
        assert!(conforms(&wrong, Telling::default()), "faults that are not asked for count");
    }
}

#[test]
fn containers_that_were_not_so_are_refused() {
    let with = Telling { faults: false, containers: true };
    assert!(conforms(&altered(|_| {}), with));
    let app = |line: &Value, event: &str| line["container"] == "app" && line["event"] == event;
    let find = |lines: &[Value], event: &str| {
        lines.iter().position(|line| app(line, event)).expect("such a line")
    };
    let never_stopped = altered(|lines| drop(lines.remove(find(lines, "stop"))));
    let twice = altered(|lines| {
        let at = find(lines, "start");
        lines.insert(at, lines[at].clone());
    });
    let late = altered(|lines| {
        let at = find(lines, "start");
        lines[at]["at"] = json!("2026-11-23T17:17:40.000Z");
    });
    for (wrong, what) in [(never_stopped, "not stopped"), (twice, "started twice"), (late, "late")]
    {
        assert!(!conforms(&wrong, with), "a container that is {what} is not noticed");
    }
}

/// A fault that the model does not have is named.
#[test]
fn unknown_faults_are_named() {
    let strange = altered(|lines| {
        let at = fault(lines, "heal node-b");
        lines[at]["event"] = json!("meteorite node-b");
    });
    let Verdict::NotModelled(what) = told(&strange, BOTH) else { panic!("accepts anything") };
    assert!(what.contains("meteorite node-b"), "{what}");
}
