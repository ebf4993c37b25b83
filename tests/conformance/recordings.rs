//! Every recording conforms, or names what is not modelled yet.

use node_recovery::conform::verdict::Verdict;

use crate::files::{judged, recording, recordings};

/// States to keep before a test gives up: several times what the slowest recording takes.
const STATES: usize = 600_000;

/// Recordings that show more than the model has, and the first thing of it that is named.
const NOT_MODELLED: [(&str, &str); 18] = [
    ("00-baseline-graceful-delete", "a changed number of replicas"),
    ("08-statefulset-poweroff-never-recover", "StatefulSet"),
    ("09-statefulset-poweroff-recover", "StatefulSet"),
    ("09-statefulset-poweroff-recover-defaulttiming", "StatefulSet"),
    ("10-force-delete-partition-statefulset", "StatefulSet"),
    ("10-force-delete-partition-statefulset-defaulttiming", "StatefulSet"),
    ("11-out-of-service-taint", "StatefulSet"),
    ("11-out-of-service-taint-defaulttiming", "StatefulSet"),
    ("12-delete-node-object-poweroff", "StatefulSet"),
    ("14-daemonset-poweroff", "DaemonSet"),
    ("15-job-poweroff", "Job"),
    ("23-cordon-drain", "unschedulable"),
    ("29-user-deletes-pod-while-node-down", "the deletion of a pod by a person"),
    ("30-user-deletes-deployment-while-node-partitioned", "the deletion of a Deployment"),
    ("34-daemonset-partition-rolling", "DaemonSet"),
    ("35-statefulset-3-replicas-one-node-lost", "StatefulSet"),
    ("36-statefulset-partition-recover-after-terminating", "StatefulSet"),
    ("44-rolling-update-while-node-down", "a changed number of replicas"),
];

#[test]
fn every_recording_conforms_or_shows_what_is_not_modelled() {
    let names = recordings();
    assert_eq!(names.len(), 44);
    let mut wrong = Vec::new();
    for name in &names {
        let expected = NOT_MODELLED.iter().find(|(known, _)| known == name);
        let said = match judged(&recording(name), STATES) {
            Verdict::NotModelled(what) => match expected {
                Some((_, expected)) if what.contains(expected) => continue,
                _ => format!("not modelled: {what}"),
            },
            Verdict::Searched(_, answer) if answer.conforms && expected.is_none() => continue,
            Verdict::Searched(_, answer) if answer.conforms => "is modelled now".to_string(),
            Verdict::Searched(history, answer) => {
                let reached = answer.reached(&history);
                let next: Vec<_> = history.next(&reached).map(|(_, entry)| entry).collect();
                format!("is not explained from {next:?} on")
            }
            Verdict::Impossible(_, contradiction) => format!("{contradiction:?}"),
        };
        wrong.push(format!("{name}: {said}"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
