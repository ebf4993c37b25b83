//! Every recording conforms.

use std::collections::BTreeSet;

use serde_json::Value;

use models::faults::FaultKind;
use models::ids::NodeId;
use node_recovery::conform::history::History;
use node_recovery::conform::search::Answer;
use node_recovery::conform::source::LogFile;
use node_recovery::conform::verdict::Verdict;
use node_recovery::engine::star::Action;

use crate::files::{is_a_run, judged, recording, recordings};

/// States to keep before a test gives up: several times what the slowest recording takes.
const STATES: usize = 600_000;

/// A kubelet that is back within the grace period leaves no trace that is compared.
const UNSEEN: &str = "07-kubelet-crash-restart";

/// Nodes that something befell in a story; `kube-controller-manager` for the control plane.
fn struck(history: &History, answer: &Answer) -> BTreeSet<String> {
    let faults = answer.path.steps.iter().filter_map(|(action, _)| match action {
        Action::Fault(fault)
            if fault.kind != FaultKind::SlowStart && !fault.kind.is_by_operator() =>
        {
            Some(fault.node)
        }
        _ => None,
    });
    let name = |node: Option<NodeId>| match node {
        Some(node) => history.config.nodes[node.0 as usize].name.clone(),
        None => "kube-controller-manager".to_string(),
    };
    faults.map(name).collect()
}

/// The same, by the lines of the recording that tell the faults that were injected.
fn struck_in_truth(log: &LogFile) -> BTreeSet<String> {
    let lines = log.text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let faults = lines.filter(|line: &Value| line["type"] == "FAULT");
    let faults = faults.filter_map(|line| line["event"].as_str().map(str::to_string));
    let down = ["poweroff ", "partition ", "kill-kubelet ", "kill-containerd ", "kill "];
    let victim = |fault: String| {
        let victim = down.iter().find_map(|word| fault.strip_prefix(word))?;
        Some(victim.to_string())
    };
    faults.filter_map(victim).collect()
}

/// How many faults were injected, and things done by people that do not show in the object itself.
fn told(log: &LogFile) -> usize {
    let lines = log.text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let faults = lines.filter(|line: &Value| line["type"] == "FAULT");
    let beside = ["kubectl-create ", "NOTE ", "cni-delay ", "uncordon ", "cordon "];
    let counts = |line: &Value| {
        let event = line["event"].as_str().unwrap_or_default();
        !beside.iter().any(|word| event.starts_with(word))
    };
    faults.filter(counts).count()
}

/// The same in a story.
fn found(answer: &Answer) -> usize {
    let counts = |kind: FaultKind| !matches!(kind, FaultKind::Cordon | FaultKind::Uncordon);
    let steps = answer.path.steps.iter();
    steps.filter(|(action, _)| matches!(action, Action::Fault(f) if counts(f.kind))).count()
}

/// No story has more of faults than there were.
#[test]
fn stories_are_as_short_as_what_happened() {
    for name in recordings() {
        let log = recording(&name);
        let Verdict::Searched(_, answer) = judged(&log, STATES) else { panic!("{name}") };
        let (found, told) = (found(&answer), told(&log));
        assert!(found <= told, "{name}: {found} faults in the story, {told} in truth");
    }
}

#[test]
fn every_recording_conforms() {
    let names = recordings();
    assert_eq!(names.len(), 44);
    let mut wrong = Vec::new();
    for name in &names {
        let log = recording(name);
        let said = match judged(&log, STATES) {
            Verdict::NotModelled(what) => format!("not modelled: {what}"),
            Verdict::Searched(history, answer) if answer.conforms => {
                is_a_run(&history, &answer);
                let (told, true_ones) = (struck(&history, &answer), struck_in_truth(&log));
                if told == true_ones || *name == UNSEEN {
                    continue;
                }
                format!("strikes {told:?} in place of {true_ones:?}")
            }
            Verdict::Searched(history, answer) => {
                let reached = answer.reached(&history);
                let next: Vec<_> = history.next(&reached).collect();
                format!("is not explained from {next:?} on")
            }
            Verdict::Impossible(_, contradiction) => format!("{contradiction:?}"),
        };
        wrong.push(format!("{name}: {said}"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
