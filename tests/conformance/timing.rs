//! What comes earlier than a timer allows is found; the recordings are in time.

use serde_json::{Value, json};

use models::config::Settings;
use models::rules::Rule;
use node_recovery::conform::search::Limits;
use node_recovery::conform::source::LogFile;
use node_recovery::conform::tables::Given;
use node_recovery::conform::timing::{Known, Timing};
use node_recovery::conform::verdict::{Verdict, judge};

use crate::files::{lines, log, recording, recordings};

const EVICTED: &str = "03-poweroff-recover-after-migration";

fn timing(log: &LogFile, given: &Given) -> Option<Timing> {
    let judged = judge(std::slice::from_ref(log), given, Limits { states: 2_000 });
    match judged.expect("a log") {
        Verdict::Searched(history, _) => history.timing,
        _ => None,
    }
}

/// What is found in the recording of an eviction after a change.
fn found(change: impl Fn(&mut Value)) -> (Timing, Vec<Value>) {
    let mut lines = lines(&recording(EVICTED));
    lines.iter_mut().for_each(change);
    let timing = timing(&log(&lines), &Given::default()).expect("watch events");
    (timing, lines)
}

fn is_evicted(line: &Value) -> bool {
    let conditions = line["object"]["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["reason"] == "DeletionByTaintManager")
}

/// Every pod tolerates the taint for longer than it was left there.
fn tolerates(line: &mut Value, seconds: u32) {
    let tolerations = line["object"]["spec"]["tolerations"].as_array_mut();
    for toleration in tolerations.into_iter().flatten() {
        toleration["tolerationSeconds"] = json!(seconds);
    }
}

#[test]
fn real_clusters_are_in_time() {
    for name in recordings() {
        let timing = timing(&recording(&name), &Given::default());
        let findings = timing.map(|timing| timing.findings).unwrap_or_default();
        assert!(findings.is_empty(), "{name}: {findings:#?}");
    }
}

#[test]
fn an_early_eviction_is_found() {
    let (timing, lines) = found(|line| tolerates(line, 60));
    let [finding] = timing.findings.as_slice() else { panic!("{timing:#?}") };
    assert_eq!(finding.rule, Some(Rule::Tec3));
    assert!(is_evicted(&lines[finding.line - 1]), "{finding:?}");
    assert!(finding.problem.contains("tolerates for 60 s"), "{finding:?}");
}

/// A log without receive times has those of its objects.
#[test]
fn an_early_eviction_is_found_without_receive_times() {
    let without = |line: &mut Value| drop(line.as_object_mut().expect("a map").remove("ts"));
    let (timing, _) = found(without);
    assert!(!timing.has_times);
    assert_eq!(timing.findings, []);
    let (timing, _) = found(|line| {
        tolerates(line, 60);
        without(line);
    });
    assert_eq!(timing.findings.len(), 1, "{timing:#?}");
}

/// What the log does not show is inferred, and judged only if it is given.
#[test]
fn the_grace_period_is_inferred_or_given() {
    // The last heartbeat that the log shows is 30 s old.
    let name = "22-reboot-fast";
    let log = recording("04-poweroff-never-recover");
    let inferred = timing(&log, &Given::default()).expect("watch events");
    assert_eq!(inferred.grace_period.1, Known::Inferred);
    assert!(inferred.findings.is_empty());
    let model = match judge(&[recording(name)], &Given::default(), Limits { states: 1 }) {
        Ok(Verdict::Searched(history, _)) => history.config,
        _ => panic!("is searched"),
    };
    assert_eq!(model.settings, Settings::defaults(model.version));
    let given = Given { model: Some(model), ..Given::default() };
    let judged = timing(&log, &given).expect("watch events");
    assert_eq!(judged.grace_period, (50_000, Known::Given));
    assert_eq!(judged.findings.len(), 1, "{judged:#?}");
    assert_eq!(judged.findings[0].rule, Some(Rule::Nlc3));
}

#[test]
fn a_clock_that_goes_back_is_said() {
    let mut lines = lines(&recording(EVICTED));
    let evicted = lines.iter().position(is_evicted).expect("an eviction");
    for line in &mut lines[evicted..] {
        line["ts"] = json!("2020-01-01T00:00:00Z");
    }
    let timing = timing(&log(&lines), &Given::default()).expect("watch events");
    let [finding] = timing.findings.as_slice() else { panic!("{timing:#?}") };
    assert_eq!((finding.rule, finding.line), (None, evicted + 1));
    assert!(finding.problem.contains("goes back"), "{finding:?}");
}

/// A container that is killed before its grace period is over.
#[test]
fn an_early_kill_is_found() {
    let log = recording("32-slow-sigterm-partition-heal");
    let mut lines = lines(&log);
    for line in &mut lines {
        let grace = &mut line["object"]["metadata"]["deletionGracePeriodSeconds"];
        if grace.as_u64().is_some_and(|grace| grace > 0) {
            *grace = json!(3600);
        }
        let spec = &mut line["object"]["spec"];
        if spec["terminationGracePeriodSeconds"].is_u64() {
            spec["terminationGracePeriodSeconds"] = json!(3600);
        }
    }
    let timing = timing(&crate::files::log(&lines), &Given::default()).expect("watch events");
    assert!(timing.findings.iter().any(|found| found.rule == Some(Rule::Pw2)), "{timing:#?}");
}
